"""Fields of MATLAB files of both kinds, written here as MATLAB writes them."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from brats3d.data.phantom.lookalikes.figshare import matlab_7_3
from brats3d.errors import DataError, MissingExtraError
from brats3d.imaging import PIXEL, files_of, is_single_plane, read_geometry, read_volume, volume_name
from brats3d.imaging.matlab import read_field, read_text

IMAGE = np.arange(12, dtype=np.int16).reshape(3, 4) - 2
CODES = np.array([[ord(letter)] for letter in "MR017260F"], dtype=np.uint16)


@pytest.fixture(params=["7.3", "5"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A structure with an image of three rows and four columns."""
    path = tmp_path / "1.mat"
    if request.param == "5":
        fields = {"image": IMAGE, "PID": "MR017260F", "label": 2.0, "tumorMask": (IMAGE > 4).astype(np.uint8)}
        savemat(path, {"cjdata": fields}, do_compression=True)
    else:
        fields = {"image": (IMAGE, "int16"), "PID": (CODES, "char"), "label": (np.array([[2.0]]), "double")}
        fields["tumorMask"] = ((IMAGE > 4).astype(np.uint8), "logical")
        path.write_bytes(matlab_7_3("cjdata", fields))
    return path


class TestFields:
    def test_columns_are_the_first_axis(self, file: Path) -> None:
        voxels, geometry = read_volume(file / "cjdata" / "image")
        np.testing.assert_array_equal(voxels[..., 0], IMAGE.T)
        assert voxels.dtype == np.float32
        assert geometry.shape == (4, 3, 1)
        assert geometry.unit == PIXEL
        assert read_geometry(file / "cjdata" / "image").difference(geometry) is None

    def test_a_mask(self, file: Path) -> None:
        np.testing.assert_array_equal(read_volume(file / "cjdata" / "tumorMask")[0][..., 0], (IMAGE > 4).T)

    def test_text_and_numbers(self, file: Path) -> None:
        assert read_text(file / "cjdata" / "PID") == "MR017260F"
        assert read_field(file / "cjdata" / "label").ravel().tolist() == [2]

    def test_it_is_one_plane_of_one_file(self, file: Path) -> None:
        assert files_of(file / "cjdata" / "image") == [file]
        assert is_single_plane(file / "cjdata" / "image")
        assert volume_name(file / "cjdata" / "image") == "1"

    def test_a_missing_field_is_named_beside_those_there_are(self, file: Path) -> None:
        with pytest.raises(DataError, match="no field cjdata/tumorBorder") as caught:
            read_volume(file / "cjdata" / "tumorBorder")
        assert "cjdata" in str(caught.value.got)

    def test_a_missing_structure(self, file: Path) -> None:
        with pytest.raises(DataError, match="no field data/image"):
            read_volume(file / "data" / "image")

    def test_a_file_without_a_field(self, file: Path) -> None:
        with pytest.raises(DataError, match="without the name of a field"):
            read_volume(file)

    def test_a_number_where_an_image_is_expected(self, file: Path) -> None:
        with pytest.raises(DataError, match="unexpected content"):
            read_volume(file / "cjdata" / "label")

    def test_an_image_where_text_is_expected(self, file: Path) -> None:
        with pytest.raises(DataError, match="expected: text"):
            read_text(file / "cjdata" / "image")

    def test_channels_are_refused(self, file: Path) -> None:
        with pytest.raises(DataError, match="no channels"):
            read_volume(file / "cjdata" / "image", channel=0)

    def test_a_torn_file(self, file: Path) -> None:
        file.write_bytes(file.read_bytes()[:-200])
        with pytest.raises(DataError, match="cannot read the MATLAB file"):
            read_volume(file / "cjdata" / "image")


def test_an_empty_text(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    with h5py.File(path, "w") as content:
        dataset = content.create_dataset("cjdata/PID", data=np.array([0, 0], dtype=np.uint64))
        dataset.attrs["MATLAB_empty"] = 1
    with pytest.raises(DataError, match="expected: text"):
        read_text(path / "cjdata" / "PID")


def test_something_else(tmp_path: Path) -> None:
    (tmp_path / "1.mat").write_bytes(b"version https://git-lfs")
    with pytest.raises(DataError, match="not a MATLAB file"):
        read_volume(tmp_path / "1.mat" / "cjdata" / "image")
    with pytest.raises(DataError, match="file not found"):
        read_volume(tmp_path / "2.mat" / "cjdata" / "image")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.mat").write_bytes(matlab_7_3("cjdata", {"image": (IMAGE, "int16")}))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"brats3d\[images\]"):
        read_volume(tmp_path / "1.mat" / "cjdata" / "image")
