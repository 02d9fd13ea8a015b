"""DICOM series: sorted by identity, called after their folders; no text of a header goes anywhere."""

from __future__ import annotations

import json
import logging
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d.errors import DataError
from brats3d.imaging import read_geometry, read_volume
from brats3d.transforms.loading import LoadCase


def test_series_come_slice_by_slice_and_tell_nothing_of_the_patient(
    upload: Any, put: Any, files: Any, kept: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for index in (3, 0, 4, 2, 1):
        put(upload, f"exam/T2/IM{(index * 3) % 5}", files.slice(index, "1.2.840.2"))
        contents = put(upload, f"exam/other/IM{index}", files.slice(index, "1.2.840.1"))
    assert [(file.name, file.kind, file.shape, file.guess) for file in contents.files] == [
        ("exam/T2", "dicom series", files.shape, "t2"),
        ("exam/other", "dicom series", files.shape, "t1ce"),  # by its description, after the folder
    ]
    assert contents.files[0].spacing_mm == pytest.approx((0.75, 0.5, 2.5))
    assert contents.problems == ()
    case = upload.case(["t1ce", "t2"])
    voxels, geometry = read_volume(case.images["t2"])
    np.testing.assert_array_equal(voxels, files.voxels())
    expected = np.diag([-0.75, -0.5, 2.5, 1.0])
    expected[:3, 3] = 10, -20, 30
    np.testing.assert_allclose(geometry.affine, expected, atol=1e-6)
    shown = nib.load(upload.display_image("t1ce"))
    np.testing.assert_array_equal(np.asarray(shown.dataobj), files.voxels())
    told = json.dumps(contents.to_json()) + caplog.text + "".join(map(str, kept()))
    stored = b"".join(path.read_bytes() for path in kept())
    for secret in ("SECRET", "4711", "1.2.840"):
        assert secret not in told
        assert secret.encode() not in stored
    assert "mprage" not in told


def test_a_zip_of_series_with_other_files(upload: Any, put: Any, files: Any) -> None:
    members = {f"a/FLAIR/{index}.dcm": files.slice(index) for index in range(5)}
    members |= {"a/DICOMDIR": b"x", "a/report/1.dcm": files.slice(0, "1.9", NumberOfFrames=7)}
    contents = put(upload, "a.zip", files.zipped(members))
    assert [file.name for file in contents.files] == ["a/FLAIR"]
    assert contents.problems == ("files that are no images were passed over: 1",)


def test_a_series_of_which_slices_are_missing_says_so_until_they_come(
    upload: Any, put: Any, files: Any
) -> None:
    for index in (0, 1, 2, 4):
        contents = put(upload, f"t1/{index}", files.slice(index))
    assert "slices are missing" in contents.problems[0]
    assert contents.files[0].shape == (7, 6, 4)
    with pytest.raises(DataError, match="slices are missing") as caught:
        upload.case(["t1"])
    assert "uploads" not in str(caught.value)
    contents = put(upload, "t1/3", files.slice(3))
    assert contents.problems == ()
    assert read_geometry(upload.case(["t1"]).images["t1"]).shape == files.shape


def test_a_slice_sent_again_and_one_that_comes_late(
    upload: Any, put: Any, files: Any, kept: Any, store: Any
) -> None:
    for index in range(4):
        put(upload, f"t1/{index}", files.slice(index))
    first = upload.case(["t1"]).images["t1"]
    put(upload, "t1/0", files.slice(0))
    put(upload, "t1/4", files.slice(4))
    second = upload.case(["t1"]).images["t1"]
    assert first != second
    assert not first.exists()
    assert len(kept()) == 6
    np.testing.assert_array_equal(read_volume(second)[0], files.voxels())


def test_errors_of_reading_name_the_series(upload: Any, put: Any, files: Any) -> None:
    for index in range(5):
        put(upload, f"t1/{index}", files.slice(index, PixelData=bytes(84)))
        put(upload, f"t2/{index}", files.slice(index, "1.9"))
    with pytest.raises(DataError, match="without content") as caught:
        LoadCase(("t2", "t1"), with_label=False, label_geometry="strict")(upload.case(["t1", "t2"]))
    assert upload.explain(caught.value).where == "upload: t1"


def test_series_in_one_folder_are_numbered(upload: Any, put: Any, files: Any) -> None:
    for number in (1, 2):
        for index in range(5):
            contents = put(upload, f"IM{number}{index}", files.slice(index, f"1.{number}"))
    assert [file.name for file in contents.files] == ["DICOM series", "DICOM series (2)"]
    assert "looks like t1ce, too" in contents.problems[0]
    contents = upload.assign({"t1": {"file": "DICOM series (2)"}, "t1ce": {"file": "DICOM series"}})
    assert len(upload.case(["t1", "t1ce"]).images) == 2


def test_slices_count_as_files(upload: Any, put: Any, files: Any, store: Any, kept: Any) -> None:
    members = {f"t1/{index}": files.slice(index) for index in range(store.limits.files)}
    put(upload, "t1.zip", files.zipped(members))
    before = kept()
    with pytest.raises(DataError, match="too many files"):
        put(upload, "t1/last", files.slice(40))
    assert kept() == before
    assert upload.contents().files[0].shape == (7, 6, 40)
