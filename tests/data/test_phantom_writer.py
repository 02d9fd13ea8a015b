"""Phantom data sets on disk: every naming is found again, nothing is overwritten or left torn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brats3d.cases import MODALITIES
from brats3d.data.discovery import discover
from brats3d.data.layouts import LAYOUTS
from brats3d.data.phantom import LOOKALIKES, NAMINGS, PhantomParameters, make_phantom, write_phantoms, writer
from brats3d.errors import ConfigError, OutputError
from brats3d.imaging import read_volume

SIZE = (32, 36, 34)
ENHANCING = PhantomParameters(probability_without_et=0.0)


def files_below(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_every_layout_can_be_written() -> None:
    made_by_scanners_alone = {"dicom"}
    assert set(LAYOUTS) - made_by_scanners_alone <= {*NAMINGS, *LOOKALIKES}
    named = {naming.layout for naming in NAMINGS.values()}
    assert named | set(LOOKALIKES) == set(LAYOUTS) - made_by_scanners_alone


@pytest.mark.parametrize("name", NAMINGS)
def test_a_written_data_set_is_found_again(tmp_path: Path, name: str) -> None:
    naming = NAMINGS[name]
    homes = write_phantoms(tmp_path, cases=3, layout=name, seed=4, size=SIZE, parameters=ENHANCING)
    found = discover(tmp_path)
    assert found.layout == naming.layout
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(found.convention.to_classes(values), naming.convention.to_classes(values))
    assert len(found.cases) == len(homes) == len({case.patient for case in found.cases}) == 3
    for case in found.cases:
        assert tuple(case.images) == MODALITIES
        assert case.label is not None


@pytest.mark.parametrize("name", NAMINGS)
def test_voxels_and_labels_survive(tmp_path: Path, name: str) -> None:
    write_phantoms(tmp_path, cases=1, layout=name, seed=9, size=SIZE, parameters=ENHANCING)
    (case,) = discover(tmp_path).cases
    own_seed = int(np.random.SeedSequence([9, 0]).generate_state(1, np.uint64)[0])
    made = make_phantom(own_seed, SIZE, parameters=ENHANCING)
    for modality, path in case.images.items():
        voxels, geometry = read_volume(path, channel=case.channels.get(modality))
        np.testing.assert_array_equal(voxels, made.images[modality])
        assert geometry.difference(made.geometry) is None
    assert case.label is not None
    labels, _ = read_volume(case.label)
    checked = case.convention.check(labels, case.label)
    np.testing.assert_array_equal(
        case.convention.to_regions(checked), writer.CONVENTION.to_regions(made.labels)
    )


@pytest.mark.parametrize("name", NAMINGS)
def test_a_data_set_without_labels_is_found_too(tmp_path: Path, name: str) -> None:
    write_phantoms(tmp_path, cases=2, layout=name, size=SIZE, with_labels=False)
    found = discover(tmp_path)
    assert found.layout == NAMINGS[name].layout
    assert [case.label for case in found.cases] == [None, None]


@pytest.mark.parametrize("name", [name for name, naming in NAMINGS.items() if naming.has_visits])
def test_visits_belong_to_one_patient(tmp_path: Path, name: str) -> None:
    write_phantoms(tmp_path, cases=4, layout=name, size=SIZE, visits=2)
    cases = discover(tmp_path).cases
    assert len(cases) == len({case.case_id for case in cases}) == 4
    assert len({case.patient for case in cases}) == 2


def test_tumours_are_sorted_by_grade(tmp_path: Path) -> None:
    for chance, grade in ((0.0, "HGG"), (1.0, "LGG")):
        chosen = PhantomParameters(probability_without_et=chance)
        (home,) = write_phantoms(tmp_path / grade, cases=1, layout="brats2018", size=SIZE, parameters=chosen)
        assert home.parent.name == grade
        assert home.is_dir()


@pytest.mark.parametrize("seed", range(3))
def test_tumours_without_et_are_spread_evenly(tmp_path: Path, seed: int) -> None:
    chosen = PhantomParameters(probability_without_et=0.25)
    homes = write_phantoms(tmp_path, cases=8, layout="brats2018", seed=seed, size=SIZE, parameters=chosen)
    assert sum(home.parent.name == "LGG" for home in homes) == 2


def test_equal_arguments_write_equal_files_whatever_the_threads(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "a", cases=3, seed=1, size=SIZE)
    write_phantoms(tmp_path / "b", cases=3, seed=1, size=SIZE, jobs=3)
    assert files_below(tmp_path / "a") == files_below(tmp_path / "b")


def test_data_sets_with_other_seeds_share_no_phantom(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "a", cases=3, seed=0, size=SIZE)
    write_phantoms(tmp_path / "b", cases=3, seed=1, size=SIZE)
    first, second = (set(files_below(tmp_path / name).values()) for name in "ab")
    assert not first & second


def test_json_describes_what_was_written(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "msd", cases=2, layout="msd", size=SIZE)
    msd = json.loads((tmp_path / "msd" / "dataset.json").read_text())
    assert list(msd["modality"].values()) == ["FLAIR", "T1w", "t1gd", "T2w"]
    for entry in msd["training"]:
        assert (tmp_path / "msd" / entry["image"]).is_file()
        assert (tmp_path / "msd" / entry["label"]).is_file()
    write_phantoms(tmp_path / "nnunet", cases=2, layout="nnunet", size=SIZE)
    nnunet = json.loads((tmp_path / "nnunet" / "dataset.json").read_text())
    assert nnunet["labels"] == {
        "background": 0,
        "whole tumor": [1, 2, 3],
        "tumor core": [2, 3],
        "enhancing tumor": [3],
    }
    assert nnunet["regions_class_order"] == [1, 2, 3]
    assert nnunet["numTraining"] == 2


@pytest.mark.parametrize("name", ["brats2018", "brats2021", "msd"])
def test_an_existing_data_set_is_never_touched(tmp_path: Path, name: str) -> None:
    write_phantoms(tmp_path, cases=1, layout=name, size=SIZE)
    before = files_below(tmp_path)
    with pytest.raises(OutputError, match="exists already"):
        write_phantoms(tmp_path, cases=2, layout=name, seed=7, size=SIZE)
    assert files_below(tmp_path) == before


def test_a_case_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OutputError("cannot write the result", where=path)

    monkeypatch.setattr(writer, "write_label_map", full)
    with pytest.raises(OutputError, match="cannot write"):
        write_phantoms(tmp_path, cases=3, layout="msd", size=SIZE)
    assert files_below(tmp_path) == {}


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        write_phantoms(tmp_path / "taken", cases=1, size=SIZE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "brats2012"}, "did you mean"),
        ({"cases": 0}, "cases out of range"),
        ({"visits": 0}, "visits out of range"),
        ({"jobs": 0}, "jobs out of range"),
        ({"seed": -1}, "seed out of range"),
        ({"size": (16, 32, 32)}, "size of a phantom"),
        ({"visits": 2, "layout": "brats2021"}, "do not tell the visit"),
    ],
)
def test_impossible_arguments_are_refused(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write_phantoms(tmp_path, **{"cases": 2, "size": SIZE, **arguments})
    assert not files_below(tmp_path)
