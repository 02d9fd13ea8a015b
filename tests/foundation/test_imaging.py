"""Volumes and their geometry: what is written comes back, what is damaged is named."""

from __future__ import annotations

import errno
import gzip
import os
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.errors import DataError, OutputError
from brats3d.imaging import Geometry, read_geometry, read_volume, write_image, write_label_map

SHAPE = (5, 6, 7)
# An oblique grid of float32 numbers, which is what a NIfTI header holds.
OBLIQUE = np.array(
    [[0.9, -0.2, 0.05, -90.5], [0.25, 1.1, 0.1, -126.25], [-0.1, 0.05, 2.5, -72.125], [0, 0, 0, 1]],
    dtype=np.float32,
).astype(np.float64)


@pytest.fixture
def geometry() -> Geometry:
    return Geometry(SHAPE, OBLIQUE)


@pytest.fixture
def voxels() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.fixture
def packed(tmp_path: Path, voxels: np.ndarray, geometry: Geometry) -> Path:
    path = tmp_path / "image.nii.gz"
    write_image(path, voxels, geometry, overwrite=False)
    return path


def header_with(path: Path, offset: int, layout: str, *values: float) -> Path:
    """Copy of a ``.nii`` file with other bytes in its header."""
    content = bytearray(path.read_bytes())
    struct.pack_into(f"<{layout}", content, offset, *values)
    damaged = path.with_name("damaged.nii")
    damaged.write_bytes(content)
    return damaged


class TestWriting:
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_an_image_comes_back(
        self, tmp_path: Path, voxels: np.ndarray, geometry: Geometry, suffix: str
    ) -> None:
        path = tmp_path / "new" / f"image{suffix}"
        write_image(path, voxels, geometry, overwrite=False)
        read, located = read_volume(path)
        assert read.dtype == np.float32
        assert np.array_equal(read, voxels)
        assert located.shape == SHAPE
        assert np.array_equal(located.affine, OBLIQUE)
        assert [file.name for file in path.parent.iterdir()] == [path.name]

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_a_label_map_comes_back(self, tmp_path: Path, geometry: Geometry, suffix: str) -> None:
        labels = np.random.default_rng(1).choice([0, 1, 2, 4, 255], SHAPE).astype(np.uint8)
        path = tmp_path / f"labels{suffix}"
        write_label_map(path, labels, geometry, overwrite=False)
        stored = nib.load(path)
        assert stored.get_data_dtype() == np.uint8
        assert stored.header.get_xyzt_units()[0] == "mm"
        assert np.array_equal(np.asarray(stored.dataobj), labels)
        assert np.array_equal(read_geometry(path).affine, OBLIQUE)

    def test_channels_are_read_one_at_a_time(self, tmp_path: Path, geometry: Geometry) -> None:
        stacked = np.random.default_rng(2).normal(size=(*SHAPE, 3)).astype(np.float32)
        for suffix in (".nii", ".nii.gz"):
            path = tmp_path / f"four{suffix}"
            write_image(path, stacked, geometry, overwrite=False)
            assert read_geometry(path).shape == SHAPE
            for channel in range(3):
                assert np.array_equal(read_volume(path, channel=channel)[0], stacked[..., channel])

    def test_equal_content_gives_equal_bytes(
        self, packed: Path, voxels: np.ndarray, geometry: Geometry
    ) -> None:
        again = packed.with_name("again.nii.gz")
        write_image(again, voxels, geometry, overwrite=False)
        assert again.read_bytes() == packed.read_bytes()

    def test_an_existing_file_is_kept_or_replaced(self, packed: Path, geometry: Geometry) -> None:
        before = packed.read_bytes()
        with pytest.raises(OutputError, match="exists already"):
            write_image(packed, np.zeros(SHAPE), geometry, overwrite=False)
        assert packed.read_bytes() == before
        write_image(packed, np.zeros(SHAPE), geometry, overwrite=True)
        assert not read_volume(packed)[0].any()

    def test_a_full_disk_leaves_the_old_file(
        self, packed: Path, geometry: Geometry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        before = packed.read_bytes()
        monkeypatch.setattr(Path, "write_bytes", fail)
        with pytest.raises(OutputError, match="free space"):
            write_image(packed, np.zeros(SHAPE), geometry, overwrite=True)
        assert packed.read_bytes() == before
        assert [file.name for file in packed.parent.iterdir()] == [packed.name]


class TestReading:
    def test_scaling_of_the_header_is_applied(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(np.arange(24, dtype=np.float64).reshape(2, 3, 4) / 4, np.eye(4))
        image.set_data_dtype(np.int16)
        nib.save(image, tmp_path / "scaled.nii.gz")
        expected = np.arange(24).reshape(2, 3, 4) / 4
        assert np.allclose(read_volume(tmp_path / "scaled.nii.gz")[0], expected, atol=1e-3)

    def test_a_fourth_axis_of_one_is_no_axis(self, tmp_path: Path, geometry: Geometry) -> None:
        write_image(tmp_path / "x.nii", np.ones((*SHAPE, 1)), geometry, overwrite=False)
        assert read_volume(tmp_path / "x.nii")[0].shape == SHAPE

    def test_a_geometry_needs_no_voxels(self, tmp_path: Path, voxels: np.ndarray, geometry: Geometry) -> None:
        path = tmp_path / "x.nii"
        write_image(path, voxels, geometry, overwrite=False)
        path.write_bytes(path.read_bytes()[:352])
        assert read_geometry(path).difference(geometry) is None
        with pytest.raises(DataError):
            read_volume(path)


class TestDamage:
    @pytest.mark.parametrize("kept", [0, 5, 40, 0.3, 0.99, -9, -1])
    def test_a_truncated_gzip_file(self, packed: Path, kept: float) -> None:
        content = packed.read_bytes()
        packed.write_bytes(content[: int(kept * len(content)) if 0 < kept < 1 else int(kept)])
        with pytest.raises(DataError, match="cannot read the file") as caught:
            read_volume(packed)
        assert caught.value.where == packed
        assert "gzip -t" in str(caught.value.remedy)

    @pytest.mark.parametrize("place", [0.5, 0.9, -2, -6])
    def test_a_flipped_bit_in_a_gzip_file(self, packed: Path, place: float) -> None:
        content = bytearray(packed.read_bytes())
        content[int(place * len(content)) if place > 0 else int(place)] ^= 1
        packed.write_bytes(content)
        with pytest.raises(DataError, match="cannot read the file"):
            read_volume(packed)

    def test_a_flipped_bit_behind_the_channel_that_is_read(self, tmp_path: Path, geometry: Geometry) -> None:
        path = tmp_path / "four.nii.gz"
        stacked = np.random.default_rng(3).normal(size=(*SHAPE, 4))
        write_image(path, stacked, geometry, overwrite=False)
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(DataError, match="cannot read the file"):
            read_volume(path, channel=0)

    def test_a_truncated_plain_file(self, tmp_path: Path, voxels: np.ndarray, geometry: Geometry) -> None:
        path = tmp_path / "x.nii"
        write_image(path, voxels, geometry, overwrite=False)
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(DataError, match="cannot read the file"):
            read_volume(path)

    def test_a_missing_file_and_a_link_to_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "link.nii.gz").symlink_to("nothing.nii.gz")
        for name in ("no.nii.gz", "link.nii.gz"):
            with pytest.raises(DataError, match="file not found") as caught:
                read_volume(tmp_path / name)
            assert caught.value.where == tmp_path / name

    @pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.txt"])
    def test_not_nifti(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("patient,age\n1,60\n" * 50)
        for read in (read_volume, read_geometry):
            with pytest.raises(DataError, match="cannot read the file"):
                read(tmp_path / name)

    def test_other_content_in_gzip(self, tmp_path: Path) -> None:
        (tmp_path / "x.nii.gz").write_bytes(gzip.compress(b"text" * 200))
        with pytest.raises(DataError, match="cannot read the file"):
            read_volume(tmp_path / "x.nii.gz")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="a folder without files"):
            read_volume(tmp_path)

    def test_an_image_that_is_no_volume(self, tmp_path: Path) -> None:
        for shape in ((4, 4), (4, 4, 4, 1, 2)):
            nib.save(nib.Nifti1Image(np.zeros(shape, np.float32), np.eye(4)), tmp_path / "x.nii")
            with pytest.raises(DataError, match="not a volume"):
                read_volume(tmp_path / "x.nii")

    @pytest.mark.parametrize("kind", ["colour", "complex"])
    def test_voxels_that_are_no_grey_values(self, tmp_path: Path, kind: str) -> None:
        colour = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
        image = np.zeros((4, 4, 4), dtype=colour if kind == "colour" else np.complex64)
        nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "x.nii.gz")
        with pytest.raises(DataError, match="not plain numbers"):
            read_volume(tmp_path / "x.nii.gz")

    def test_too_few_channels(self, tmp_path: Path, packed: Path, geometry: Geometry) -> None:
        path = tmp_path / "four.nii.gz"
        write_image(path, np.zeros((*SHAPE, 2)), geometry, overwrite=False)
        for file, channel in ((path, 2), (path, None), (packed, 0)):
            with pytest.raises(DataError, match="dimensions or channels") as caught:
                read_volume(file, channel=channel)
            assert caught.value.where == file

    @pytest.mark.parametrize(
        ("offset", "layout", "values"),
        [
            pytest.param(280, "4f", (0, 0, 0, 0), id="singular affine"),
            pytest.param(280, "4f", (float("nan"), 0, 0, 0), id="affine of NaN"),
            pytest.param(292, "f", (float("inf"),), id="origin at infinity"),
            pytest.param(70, "h", (9999,), id="unknown type"),
            pytest.param(42, "h", (-5,), id="negative size"),
            pytest.param(42, "h", (0,), id="no voxel"),
            pytest.param(42, "h", (6000,), id="more voxels than bytes"),
        ],
    )
    def test_a_damaged_header(
        self,
        tmp_path: Path,
        voxels: np.ndarray,
        geometry: Geometry,
        offset: int,
        layout: str,
        values: tuple[float, ...],
    ) -> None:
        write_image(tmp_path / "x.nii", voxels, geometry, overwrite=False)
        damaged = header_with(tmp_path / "x.nii", offset, layout, *values)
        with pytest.raises(DataError) as caught:
            read_volume(damaged)
        assert caught.value.where == damaged


class TestGeometry:
    def test_voxel_size_and_volume(self) -> None:
        geometry = Geometry((2, 2, 2), np.diag([-1.0, 2.0, 3.0, 1.0]))
        assert geometry.spacing_mm == (1.0, 2.0, 3.0)
        assert geometry.voxel_volume_ml == pytest.approx(0.006)

    @pytest.mark.parametrize(
        ("row", "column", "value", "words"),
        [
            (0, 0, 1.5, "spacing (1.5, 1.0, 1.0) mm instead of (1.0, 1.0, 1.0) mm"),
            (0, 0, 1.0002, "spacing (1.0002, 1.0, 1.0) mm instead of (1.0, 1.0, 1.0) mm"),
            (2, 3, 0.5, "origin (0.0, 0.0, 0.5) mm instead of (0.0, 0.0, 0.0) mm"),
            (0, 0, -1.0, "orientation of the axes"),
            (1, 3, 0.005, None),
            (0, 0, 1.00001, None),
        ],
    )
    def test_the_difference_in_words(self, row: int, column: int, value: float, words: str | None) -> None:
        affine = np.eye(4)
        affine[row, column] = value
        ours, theirs = Geometry((240, 240, 155), np.eye(4)), Geometry((240, 240, 155), affine)
        assert ours.difference(theirs) == words

    def test_another_shape(self) -> None:
        ours, theirs = Geometry((4, 4, 4), np.eye(4)), Geometry((4, 4, 5), np.eye(4))
        assert ours.difference(theirs) == "shape (4, 4, 5) instead of (4, 4, 4)"

    def test_swapped_axes_and_small_turns(self) -> None:
        ours = Geometry((200, 200, 200), np.eye(4))
        assert (
            ours.difference(Geometry((200, 200, 200), np.eye(4)[[1, 0, 2, 3]])) == "orientation of the axes"
        )
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(5e-4), -np.sin(5e-4)], [np.sin(5e-4), np.cos(5e-4)]]
        assert ours.difference(Geometry((200, 200, 200), turn)) == "orientation of the axes"

    def test_the_tolerance_is_in_millimetres(self, geometry: Geometry) -> None:
        moved = OBLIQUE.copy()
        moved[0, 3] += 0.05
        other = Geometry(SHAPE, moved)
        assert "origin" in str(geometry.difference(other))
        assert geometry.difference(other, tolerance_mm=0.1) is None

    @given(
        shift=st.lists(st.floats(-1, 1), min_size=12, max_size=12),
        shape=st.tuples(*[st.integers(1, 300)] * 3),
    )
    @settings(deadline=None, max_examples=50)
    def test_the_difference_is_the_largest_shift_of_a_voxel(
        self, shift: list[float], shape: tuple[int, int, int]
    ) -> None:
        change = np.zeros((4, 4))
        change[:3] = np.array(shift).reshape(3, 4) * 1e-3
        ours, theirs = Geometry(shape, OBLIQUE), Geometry(shape, OBLIQUE + change)
        corners = np.array(
            [[x, y, z, 1] for x in (0, shape[0] - 1) for y in (0, shape[1] - 1) for z in (0, shape[2] - 1)]
        )
        moved = np.abs(corners @ change.T).max()
        if abs(moved - 1e-2) > 1e-6:
            assert (ours.difference(theirs) is None) == (moved < 1e-2)
            assert (theirs.difference(ours) is None) == (moved < 1e-2)
