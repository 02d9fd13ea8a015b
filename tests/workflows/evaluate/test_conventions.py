"""What label values mean on either side, and which regions are scored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from brats3d.__main__ import main
from brats3d.errors import ConfigError
from brats3d.imaging import write_label_map
from brats3d.labels import CONVENTIONS, custom_convention
from brats3d.workflows.evaluate import evaluate

CASE = "BraTS2021_00001"
BRATS2023, POST_TREATMENT = CONVENTIONS["brats2023"], CONVENTIONS["brats2024-gli"]


@pytest.fixture
def blocks(maps, tmp_path):
    """Writes a case of four blocks labelled 1 to 4, the reference whole and the prediction without one."""

    def write(missing: int | None = None) -> tuple[str, str]:
        labels = np.zeros(maps.shape, dtype=np.uint8)
        for value in (1, 2, 3, 4):
            labels[2 * value : 2 * value + 2, 2:8, 2:8] = value
        for side in ("p", "r"):
            (tmp_path / side).mkdir(exist_ok=True)
            written = np.where(labels == missing, 0, labels) if side == "p" else labels
            write_label_map(
                tmp_path / side / "case.nii.gz", written.astype(np.uint8), maps.geometry, overwrite=True
            )
        return str(tmp_path / "p"), str(tmp_path / "r")

    return write


def dice_of(result):
    return {row.region: row["dice"] for row in result.rows}


def test_conventions_may_differ(maps, data_set):
    predictions = maps.predict(convention=BRATS2023)
    found = evaluate(predictions, data_set, prediction_convention="brats2023", quiet=True)
    assert all(row["dice"] == 1 for row in found.rows if row.case_id == CASE)


def test_flat_references_need_a_convention(maps):
    references = maps.predict("labels", "{case}-seg.nii.gz", convention=BRATS2023)
    predictions = maps.predict("p", convention=BRATS2023)
    with pytest.raises(ConfigError, match="nothing tells what the label values mean"):
        evaluate(predictions, references, quiet=True)
    for side in ("reference_convention", "prediction_convention"):
        found = evaluate(predictions, references, quiet=True, **{side: "brats2023"})
        assert all(row["dice"] == 1 for row in found.rows)


def test_nnunet_label_folder_knows_its_convention(maps, tmp_path):
    labels = {"background": 0, "edema": 1, "non-enhancing tumor": 2, "enhancing tumor": 3}
    description = {"channel_names": {"0": "FLAIR"}, "labels": labels, "file_ending": ".nii.gz"}
    references = maps.predict("raw/labelsTr", convention=CONVENTIONS["msd-task01"])
    (tmp_path / "raw" / "dataset.json").write_text(json.dumps(description))
    predictions = maps.predict("p", convention=CONVENTIONS["msd-task01"])
    (tmp_path / "p" / "dataset.json").write_text(json.dumps(description))
    found = evaluate(predictions, references, quiet=True)
    assert found.summary["inputs"]["reference_convention"]["labels"] == {1: "ED", 2: "NET", 3: "ET"}
    assert all(row["dice"] == 1 for row in found.rows)


def test_all_regions_of_a_post_treatment_case(blocks):
    predictions, references = blocks(missing=4)
    settings = {"reference_convention": "brats2024-gli", "quiet": True}
    assert dice_of(evaluate(predictions, references, **settings)) == {"ET": 1, "TC": 1, "WT": 1}
    found = evaluate(predictions, references, regions="all", **settings)
    assert dice_of(found) == {"ET": 1, "TC": 1, "WT": 1, "NETC": 1, "ED": 1, "RC": 0}


@pytest.mark.parametrize(("missing", "expected"), [(4, {"RC": 0, "SNFH": 1}), (2, {"RC": 1, "SNFH": 0})])
def test_regions_of_ones_own_over_a_built_in_convention(blocks, missing, expected):
    predictions, references = blocks(missing)
    found = evaluate(
        predictions,
        references,
        reference_convention="brats2024-gli",
        regions={"RC": ["RC"], "SNFH": ["ED"]},
        quiet=True,
    )
    assert dice_of(found) == expected
    assert found.summary["inputs"]["reference_convention"]["regions"] == {"RC": ["RC"], "SNFH": ["ED"]}


def test_regions_of_ones_own_where_the_sides_differ(maps, data_set):
    predictions = maps.predict(convention=BRATS2023)
    found = evaluate(
        predictions,
        data_set,
        prediction_convention="brats2023",
        regions={"core": ["ET", "NCR"], "oedema": ["ED"]},
        quiet=True,
    )
    assert [(row.region, row["dice"]) for row in found.rows[:2]] == [("core", 1), ("oedema", 1)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--labels", "{1: tumour, 2: x, 3: y, 4: z}", "--regions", "{tumour: [tumour]}"], {"tumour": 0}),
        (["--labels", "{1: a, 2: b, 3: c, 4: d}", "--regions", "all"], {"a": 0, "b": 1, "c": 1, "d": 1}),
        (["--reference_convention", "brats2024-gli", "--regions", "{RC: [RC]}"], {"RC": 1}),
        (["--prediction_convention", "brats2024-gli", "--regions=all"], {"NETC": 0, "RC": 1, "TC": 2 / 3}),
        (["--labels", "{1: NCR, 2: ED, 3: ET, 4: RC}"], {"ET": 1, "TC": 2 / 3, "WT": 0.8}),
    ],
)
def test_labels_and_regions_at_the_command_line(blocks, tmp_path, words, expected):
    predictions, references = blocks(missing=1)
    words = [
        f"--predictions={predictions}",
        f"--references={references}",
        f"--output={tmp_path / 'o'}",
        *words,
    ]
    assert main(["evaluate", *words]) == 0
    regions = json.loads((tmp_path / "o" / "metrics.json").read_text())["regions"]
    assert {name: regions[name]["dice"]["mean"] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"RC": ["RC"]}, "unknown tissue 'RC'"),
        ({"WT": []}, "has no tissue"),
        ({}, "no region"),
        ("everything", "not understood"),
    ],
)
def test_regions_that_cannot_be_scored(maps, data_set, regions, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(maps.predict(), data_set, regions=regions, quiet=True)


def test_conventions_with_other_regions(maps, data_set):
    other = custom_convention({1: "x"}, {"X": ["x"]})
    with pytest.raises(ConfigError, match="same regions"):
        evaluate(maps.predict(), data_set, prediction_convention=other, quiet=True)
