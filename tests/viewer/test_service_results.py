"""Labels at any thresholds, counts, scores, files, and what is said of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats3d.cases import Case
from brats3d.config import AppConfig
from brats3d.errors import ConfigError
from brats3d.imaging import PIXEL, Geometry, read_volume, write_label_map
from brats3d.labels import CONVENTIONS, LabelConvention, Region
from brats3d.metrics import evaluate_case
from brats3d.postprocessing import Postprocessing
from brats3d.reporting.case import LabelledCase
from brats3d.viewer import Job, OfferedModel, SegmentationService, offered_models
from brats3d.viewer.kept import KeptProbabilities
from brats3d.workflows.segmentation import SegmentedCase

CONVENTION = CONVENTIONS["brats2017"]
RULES = {"thresholds": {"WT": 0.4}, "min_component_ml": {"WT": 0.3}, "et_to_ncr_below_ml": 0.05}


@pytest.fixture
def service(obedient: Any, tmp_path: Path) -> Iterator[SegmentationService]:
    with SegmentationService([obedient.offered(**RULES)], tmp_path / "kept") as made:
        yield made


@pytest.fixture
def done(service: SegmentationService, phantom_case: Case) -> Job:
    job = service.submit(phantom_case, "obedient")
    assert job.wait(20)["state"] == "done"
    return job


@given(
    seed=st.integers(0, 10_000),
    thresholds=st.tuples(*[st.sampled_from([1e-60, 0.01, 0.3, 0.5, 0.9, 0.999])] * 3),
    filled=st.sampled_from([0.0, 0.02, 0.5]),
)
def test_the_box_that_is_read_again_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, thresholds: tuple[float, ...], filled: float
) -> None:
    generator = np.random.default_rng(seed)
    probabilities = generator.random((3, 9, 7, 8), dtype=np.float32)
    probabilities *= generator.random((9, 7, 8)) < filled
    probabilities[:, :2] = 0
    kept = KeptProbabilities.keep(probabilities, tmp_path_factory.mktemp("kept") / "p.npy")
    np.testing.assert_array_equal(kept.whole(), probabilities)
    rules = Postprocessing(
        thresholds=dict(zip(CONVENTION.region_names, thresholds, strict=True)),
        min_component_ml={"WT": 2.0},
        largest_only=["TC"],
        et_to_ncr_below_ml=3.0,
    )
    expected = CONVENTION.classes_from_regions(rules.regions(probabilities, CONVENTION, 1.0))
    box, cropped = kept.above(min(thresholds))
    found = np.zeros_like(expected)
    found[box] = CONVENTION.classes_from_regions(rules.regions(cropped, CONVENTION, 1.0))
    np.testing.assert_array_equal(found, expected)


def test_labels_follow_the_thresholds_by_the_same_rules(done: Job) -> None:
    outcome = done.result().outcome
    probabilities = outcome.probabilities.whole()
    volume_ml = outcome.geometry.voxel_volume_ml
    before = None
    for thresholds in ({}, {"WT": 0.2}, {"WT": 0.6, "ET": 0.3}, {"TC": 0.01}, {"WT": 0.999}):
        rules = Postprocessing(**{**RULES, "thresholds": {**RULES["thresholds"], **thresholds}})
        expected = rules(probabilities, CONVENTION, volume_ml)
        result = done.result(thresholds)
        np.testing.assert_array_equal(result.labels, expected)
        np.testing.assert_array_equal(nib.load(result.labels_file()).dataobj, expected)
        overlay = np.asarray(nib.load(result.overlay_file()).dataobj)
        np.testing.assert_array_equal(overlay, CONVENTION.to_classes(expected))
        assert not np.array_equal(before, expected)
        before = expected


def test_numbers_are_those_of_the_label_map_and_of_the_scorer(done: Job, phantom_case: Case) -> None:
    result = done.result({"WT": 0.5})
    said = json.loads(json.dumps(result.as_dict()))
    masks = CONVENTION.to_regions(result.labels)
    assert phantom_case.label is not None
    reference, grid = read_volume(phantom_case.label)
    for region, mask in zip(said["regions"], masks, strict=True):
        assert region["voxels"] == mask.sum() > 0
        assert region["volume_ml"] == pytest.approx(mask.sum() * grid.voxel_volume_ml)
        assert region["threshold"] == 0.5
    for tissue in said["classes"]:
        assert tissue["voxels"] == (result.labels == tissue["label"]).sum()
    scored = evaluate_case(
        masks,
        CONVENTION.to_regions(reference.astype(np.uint8)),
        spacing_mm=grid.spacing_mm,
        regions=CONVENTION.region_names,
        case_id="a",
    )
    for said_of, row in zip(said["scores"], scored.rows, strict=True):
        assert said_of["region"] == row.region
        assert said_of["dice"] == pytest.approx(row["dice"])
        assert said_of["hd95_mm"] == pytest.approx(row["hd95_mm"])
    assert said["unit"] == "mm"
    assert (said["tumour"], said["alert"], said["gate"]) == (True, None, None)
    assert said["seconds"] > 0
    assert said["postprocessing"] == (
        "Components of WT below 0.3 ml are removed. ET of less than 0.05 ml altogether becomes NCR."
    )


def test_nothing_above_the_thresholds_is_an_alert(done: Job) -> None:
    said = done.result({"WT": 0.99}).as_dict()
    assert not said["tumour"]
    assert said["alert"].startswith("No tumour was found in these images.")
    assert "WT 0.99" in said["alert"]
    assert [region["voxels"] for region in said["regions"]] == [0, 0, 0]
    assert all(row["dice"] == 0 for row in said["scores"])


def test_a_gate_that_leaves_everything_out_is_said_so(
    run_of: Callable[[str], Path], phantom_case: Case, tmp_path: Path
) -> None:
    gate = Path(shutil.copytree(run_of("gate"), tmp_path / "gate"))
    record = json.loads((gate / "gate.json").read_text())
    (gate / "gate.json").write_text(json.dumps({**record, "threshold": 1.0}))
    models = offered_models(AppConfig(run=(str(run_of("slices")),), gate=str(gate), accelerator="cpu"))
    with SegmentationService(models) as service:
        job = service.submit(phantom_case, "slices-gated")
        assert job.wait(60)["state"] == "done"
        said = json.loads(json.dumps(job.result().as_dict()))
    assert not said["tumour"]
    judged = said["gate"]["judged"]
    assert said["gate"]["segmented"] == 0
    assert said["gate"]["highest_confidence"] < 1
    highest = f"{said['gate']['highest_confidence']:.1%}"
    for part in ("No tumour was found", f"left all {judged} slices out", highest, "100.0%"):
        assert part in said["alert"]
    assert str(tmp_path) not in json.dumps(said)


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [
        ({"WTT": 0.5}, "did you mean 'WT'"),
        ({"WT": 0.0}, "between 0 and 1"),
        ({"WT": 1.0}, "between 0 and 1"),
        ({"WT": float("nan")}, "between 0 and 1"),
    ],
)
def test_thresholds_that_cannot_work(done: Job, thresholds: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        done.result(thresholds)


def test_a_reference_that_does_not_fit_costs_the_scores_alone(
    service: SegmentationService, phantom_case: Case, tmp_path: Path
) -> None:
    assert phantom_case.label is not None
    labels, grid = read_volume(phantom_case.label)
    moved, strange = tmp_path / "moved.nii.gz", tmp_path / "strange.nii.gz"
    shifted = grid.affine.copy()
    shifted[0, 3] += 30
    write_label_map(moved, labels.astype(np.uint8), Geometry(grid.shape, shifted), overwrite=False)
    write_label_map(strange, np.full(grid.shape, 9, np.uint8), grid, overwrite=False)
    for path, said in ((moved, "does not lie on the grid"), (strange, "label value 9 is outside")):
        job = service.submit(replace(phantom_case, label=path), "obedient")
        assert job.wait(20)["state"] == "done"
        result = job.result()
        assert result.as_dict()["scores"] is None
        assert said in result.as_dict()["reference_problem"]
        assert not isinstance(result.reported_case(), LabelledCase)


def test_files_are_made_once_and_the_latest_are_kept(done: Job) -> None:
    first = done.result({"WT": 0.5}).overlay_file()
    made = first.stat().st_mtime_ns, first.read_bytes()
    assert done.result({"WT": 0.5}).overlay_file() == first
    assert first.read_bytes() == made[1]
    for step in range(20):
        done.result({"WT": 0.5 + step / 100}).labels_file()
    assert len(list(first.parent.glob("labels-*.nii.gz"))) == 16
    assert first.exists()
    written = nib.load(done.result().probabilities_file())
    whole = done.result().outcome.probabilities.whole()
    np.testing.assert_array_equal(np.moveaxis(np.asarray(written.dataobj), -1, 0), whole)


def test_the_case_for_pages_and_figures_stands_upright(done: Job, phantom_case: Case) -> None:
    shown = done.result({"WT": 0.5}).reported_case()
    assert isinstance(shown, LabelledCase)
    assert list(shown.images) == ["t1ce"]
    assert shown.probabilities is not None
    assert shown.probabilities.shape == (3, *shown.prediction.shape)
    assert (shown.prediction > 0).sum() == (done.result({"WT": 0.5}).labels > 0).sum()
    assert phantom_case.label is not None
    assert (shown.reference > 0).sum() == (read_volume(phantom_case.label)[0] > 0).sum()
    with pytest.raises(ConfigError, match="only pictures"):
        done.result().mask_picture()


LUNGS = LabelConvention("lungs", {255: "lung"}, (Region("lung", frozenset({"lung"})),))


@dataclass
class OfPictures:
    """Takes what is bright in a picture for lungs."""

    modalities: tuple[str, ...] = ("xray",)
    convention: LabelConvention = LUNGS

    def __call__(self, case: Case, convention: LabelConvention) -> SegmentedCase:
        voxels, geometry = read_volume(case.images["xray"])
        bright = (voxels / 255).astype(np.float32)[None]
        return SegmentedCase(case.case_id, np.zeros(voxels.shape, np.uint8), bright, geometry)


def test_pictures_are_counted_in_pixels(obedient: Any, tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.zeros((20, 30), np.uint8)
    pixels[4:9, 5:15] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray((pixels > 0).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    lungs = OfPictures()
    obedient.modalities, obedient.convention = lungs.modalities, lungs.convention
    model: OfferedModel = replace(obedient.offered(), open=lambda: nullcontext(lungs))
    case = Case("a", "a", {"xray": tmp_path / "a.png"}, lungs.convention, label=tmp_path / "mask.png")
    with SegmentationService([model], tmp_path / "kept") as service:
        job = service.submit(case, "obedient")
        assert job.wait(20)["state"] == "done", job.snapshot()
        said = job.result().as_dict()
        assert said["unit"] == "px"
        assert said["regions"] == [
            {"name": "lung", "colour": "#009E73", "threshold": 0.5, "voxels": 50, "volume_ml": None}
        ]
        assert said["classes"][0]["label"] == 255
        assert said["scores"] == [{"region": "lung", "dice": 1.0, "hd95_mm": 0.0}]
        with Image.open(job.result().mask_picture()) as mask:
            np.testing.assert_array_equal(np.asarray(mask) > 0, pixels > 0)
        assert job.result().outcome.geometry.unit == PIXEL
        nothing = job.result({"lung": 0.9}).as_dict()
        assert nothing["alert"].startswith("No lung was found")


def test_a_model_of_labels_alone_has_no_thresholds(obedient: Any, phantom_case: Case, tmp_path: Path) -> None:
    model = obedient.offered()
    model = replace(model, rules=replace(model.rules, has_probabilities=False))
    with SegmentationService([model], tmp_path / "kept") as service:
        job = service.submit(phantom_case, "obedient")
        job.wait(20)
        assert [region["threshold"] for region in job.result().as_dict()["regions"]] == [None] * 3
        with pytest.raises(ConfigError, match="labels and no probabilities"):
            job.result({"WT": 0.4})
