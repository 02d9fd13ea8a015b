"""Every bad input at the command line: the case is named, the others are scored, the exit code is 2."""

from __future__ import annotations

import csv
import gzip
import json
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.__main__ import main
from brats3d.imaging import Geometry, write_image, write_label_map
from brats3d.workflows.evaluate import evaluate

SHAPE = (12, 14, 10)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
GEOMETRY = Geometry(SHAPE, AFFINE)
CASES = ("BraTS2021_00001", "BraTS2021_00002", "BraTS2021_00010")
SPOILT = CASES[1]


def image(path: Path, value: float, geometry: Geometry = GEOMETRY) -> None:
    voxels = np.zeros(geometry.shape, dtype=np.float32)
    voxels[3:6, 3:6, 3:6] = value
    write_image(path, voxels, geometry, overwrite=True)


def moved(**changes: float) -> Geometry:
    affine = np.array(AFFINE)
    for name, value in changes.items():
        affine[int(name[1]), int(name[2])] = value
    return Geometry(SHAPE, affine)


def with_spacing(path: Path, size: float) -> None:
    """Overwrite the second voxel size in the header (pixdim[2], byte 84 of NIfTI-1)."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<f", content, 84, size)
    path.write_bytes(gzip.compress(bytes(content)))


def other_shape(path: Path) -> None:
    image(path, 1, Geometry((11, 14, 10), AFFINE))


def other_origin(path: Path) -> None:
    image(path, 1, moved(a03=239))


def other_spacing(path: Path) -> None:
    image(path, 1, moved(a22=3))


def other_orientation(path: Path) -> None:
    image(path, 1, moved(a00=1, a03=-11))


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "gone.nii.gz")


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def two_dimensional(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones(SHAPE[:2], dtype=np.uint8), AFFINE), path)


def channels(path: Path) -> None:
    write_image(path, np.full((*SHAPE, 3), 0.25, dtype=np.float32), GEOMETRY, overwrite=True)


BAD = {
    "other shape": (other_shape, ["shape (11, 14, 10) instead of (12, 14, 10)", "affine"]),
    "other origin": (other_origin, ["origin (239.0, 0.0, 0.0) mm instead of", "check_affine"]),
    "other spacing": (other_spacing, ["spacing (1.0, 1.0, 3.0) mm instead of (1.0, 1.0, 2.0)"]),
    "other orientation": (other_orientation, ["orientation", "[1, 0, 0, -11]", "[-1, 0, 0, 0]"]),
    "no prediction": (Path.unlink, ["the reference has no prediction", f"{SPOILT}_seg.nii.gz"]),
    "link to nothing": (link_to_nothing, ["No such file"]),
    "fractions": (lambda path: image(path, 2.5), ["not whole numbers", "such as 2.5"]),
    "probabilities": (lambda path: image(path, 0.7), ["looks like a probability map", "threshold"]),
    "a probability per region": (channels, ["probability map per", "shape (12, 14, 10, 3)"]),
    "unknown label": (lambda path: image(path, 3), ["label value 3 is outside", "brats2023", "labels"]),
    "negative label": (lambda path: image(path, -1), ["label value -1 is outside"]),
    "far too large a label": (lambda path: image(path, 257), ["label value 257 is outside"]),
    "NaN": (lambda path: image(path, np.nan), ["not finite numbers", "27 voxels"]),
    "infinity": (lambda path: image(path, np.inf), ["not finite numbers"]),
    "torn": (torn, ["cannot read the file"]),
    "text": (lambda path: path.write_text("not a volume"), ["cannot read the file"]),
    "empty file": (lambda path: path.write_bytes(b""), ["cannot read the file"]),
    "2-D": (two_dimensional, ["shape (12, 14, 1) instead of (12, 14, 10)"]),
    "zero spacing": (lambda path: with_spacing(path, 0), ["zero, negative", "spacing (1, 0, 2) mm"]),
    "negative spacing": (lambda path: with_spacing(path, -1), ["zero, negative", "spacing (1, -1, 2) mm"]),
    "infinite spacing": (lambda path: with_spacing(path, np.inf), ["not finite", "(1, inf, 2) mm"]),
    "spacing NaN": (lambda path: with_spacing(path, np.nan), ["not finite", "(1, nan, 2) mm"]),
}


@pytest.mark.parametrize(("spoil", "parts"), BAD.values(), ids=BAD)
def test_a_bad_prediction(maps, data_set, tmp_path, capsys, spoil, parts):
    predictions = maps.predict()
    spoil(predictions / f"{SPOILT}.nii.gz")
    words = [f"--predictions={predictions}", f"--references={data_set}", f"--output={tmp_path / 'o'}"]
    assert main(["evaluate", *words, "--jobs=2"]) == 2
    shown = capsys.readouterr()
    assert "1 of 3 cases could not be scored; the results are partial" in shown.err
    summary = json.loads((tmp_path / "o" / "metrics.json").read_text())
    message = summary["failed"][SPOILT]
    assert list(summary["failed"]) == [SPOILT]
    assert f"{SPOILT}: {message}" in shown.err
    assert "\n" not in message
    for part in parts:
        assert part in message
    assert SPOILT in message
    assert summary["partial"] is True
    assert "Dice" in shown.out
    with (tmp_path / "o" / "metrics.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert [record["case_id"] for record in records] == [CASES[0]] * 3 + [CASES[2]] * 3
    assert {record["partial"] for record in records} == {"partial"}
    assert (tmp_path / "o" / "lesions.csv").is_file()


@pytest.mark.parametrize("kind", ["probabilities", "unknown label", "torn", "zero spacing", "NaN"])
def test_a_bad_reference(maps, data_set, kind):
    path = data_set / SPOILT / f"{SPOILT}_seg.nii.gz"
    spoil, parts = BAD[kind]
    spoil(path)
    found = evaluate(maps.predict(), data_set, quiet=True)
    assert list(found.failed) == [SPOILT]
    for part in (str(path), *parts):
        assert part in found.failed[SPOILT]
    assert len(found.rows) == 6


def test_a_reference_that_fails_has_no_missing_prediction_scored(maps, data_set):
    BAD["negative spacing"][0](data_set / CASES[2] / f"{CASES[2]}_seg.nii.gz")
    found = evaluate(maps.predict(cases=CASES[:2]), data_set, missing="penalise", quiet=True)
    assert list(found.failed) == [CASES[2]]


def test_a_prediction_without_reference(maps, data_set, tmp_path, capsys):
    predictions = maps.predict(cases=(*CASES, "BraTS2021_09999"))
    words = [f"--predictions={predictions}", f"--references={data_set}", f"--output={tmp_path / 'o'}"]
    assert main(["evaluate", *words]) == 2
    assert "BraTS2021_09999: the prediction has no reference" in capsys.readouterr().err
    assert json.loads((tmp_path / "o" / "metrics.json").read_text())["cases"] == 3
    assert main(["evaluate", *words, "--missing=skip", "--overwrite"]) == 0


def test_every_case_is_bad(maps, data_set, tmp_path, capsys):
    predictions = maps.predict()
    for case_id in CASES:
        BAD["torn"][0](predictions / f"{case_id}.nii.gz")
    words = [f"--predictions={predictions}", f"--references={data_set}", f"--output={tmp_path / 'o'}"]
    assert main(["evaluate", *words]) == 2
    shown = capsys.readouterr()
    assert "no case could be scored" in shown.out
    assert "3 of 3 cases" in shown.err
    assert "partial" in (tmp_path / "o" / "metrics.csv").read_text()
    assert json.loads((tmp_path / "o" / "metrics.json").read_text())["cases"] == 0


def test_bad_cases_of_several_kinds_are_all_listed(maps, data_set, capsys):
    predictions = maps.predict()
    BAD["text"][0](predictions / f"{CASES[0]}.nii.gz")
    BAD["no prediction"][0](predictions / f"{CASES[2]}.nii.gz")
    assert main(["evaluate", f"--predictions={predictions}", f"--references={data_set}"]) == 2
    shown = capsys.readouterr().err
    assert shown.index(f"{CASES[0]}: cannot read") < shown.index(f"{CASES[2]}: the reference has no")
    summary = json.loads((predictions / "metrics.json").read_text())
    assert (list(summary["failed"]), summary["cases"]) == ([CASES[0], CASES[2]], 1)


def test_where_only_headers_differ_the_check_can_be_left_out(maps, data_set):
    predictions = maps.predict()
    maps.write(predictions / f"{SPOILT}.nii.gz", geometry=moved(a03=239))
    assert list(evaluate(predictions, data_set, quiet=True).failed) == [SPOILT]
    found = evaluate(predictions, data_set, check_affine=False, quiet=True)
    assert (found.failed, len(found.rows)) == ({}, 9)
    other_shape(predictions / f"{SPOILT}.nii.gz")
    found = evaluate(predictions, data_set, check_affine=False, quiet=True)
    assert "shape (11, 14, 10)" in found.failed[SPOILT]


def test_a_case_too_large_for_the_memory(maps, data_set, monkeypatch):
    from brats3d.workflows import scoring

    def exhausted(*masks: np.ndarray, case_id: str, **settings: object) -> object:
        if case_id == SPOILT:
            raise MemoryError
        return known(*masks, case_id=case_id, **settings)

    known = scoring.evaluate_case
    monkeypatch.setattr(scoring, "evaluate_case", exhausted)
    found = evaluate(maps.predict(), data_set, quiet=True)
    assert (list(found.failed), len(found.rows)) == ([SPOILT], 6)
    assert "not enough memory" in found.failed[SPOILT]


def test_a_defect_is_not_taken_for_a_bad_case(maps, data_set, monkeypatch):
    from brats3d.workflows import scoring

    monkeypatch.setattr(scoring, "evaluate_case", lambda *_, **__: 1 / 0)
    for jobs in (1, 2):
        with pytest.raises(ZeroDivisionError):
            evaluate(maps.predict(), data_set, jobs=jobs, quiet=True)


def test_one_slice_is_scored(maps, tmp_path):
    flat = Geometry((*SHAPE[:2], 1), AFFINE)
    labels = np.zeros(flat.shape, dtype=np.uint8)
    labels[3:7, 4:8] = 4
    for name in ("a.nii.gz", "a_seg.nii.gz"):
        write_label_map(tmp_path / name, labels, flat, overwrite=True)
    found = evaluate(
        tmp_path / "a.nii.gz", tmp_path / "a_seg.nii.gz", reference_convention="brats2017", quiet=True
    )
    assert [row["dice"] for row in found.rows] == [1, 1, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--predictions=empty"], "holds no predictions"),
        (["--references=empty"], "the folder is empty"),
        (["--predictions=nowhere"], "the predictions do not exist"),
        (["--references=nowhere"], "the references do not exist"),
        (["--profile=brats2023"], "unknown name 'brats2023'"),
        (["--definition=areas"], "did you mean 'area'"),
        (["--policy=brats"], "unknown name 'brats'"),
        (["--penalty_mm=-1"], "must not be negative"),
        (["--tolerances_mm=-1,2"], "tolerance"),
        (["--missing=ignore"], "unknown name 'ignore'"),
        (["--missing=error"], "did you mean"),
        (["--prediction_convention=brats2032"], "unknown label convention"),
        (["--regions={RC: [RC]}"], "unknown tissue 'RC'"),
        (["--jobs=0"], "number of jobs"),
    ],
)
def test_what_concerns_the_whole_stops_at_once(maps, data_set, monkeypatch, capsys, words, message):
    (maps.root / "empty").mkdir()
    maps.predict("p")
    monkeypatch.chdir(maps.root)
    before = sorted(maps.root.rglob("*"))
    assert main(["evaluate", "--predictions=p", "--references=data", "--output=o", *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert sorted(maps.root.rglob("*")) == before
