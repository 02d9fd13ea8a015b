"""Pictures as volumes: axes, channels, depths, stacks of slices, masks of parts, and damage."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from brats3d.errors import DataError, OutputError
from brats3d.imaging import (
    PIXEL,
    files_of,
    is_single_plane,
    read_geometry,
    read_volume,
    volume_name,
    write_label_map,
    write_mask_picture,
)

GREY = np.arange(20, dtype=np.uint8).reshape(4, 5) * 12
COLOUR = np.stack([GREY, GREY + 1, GREY + 2], axis=-1)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


class TestOnePicture:
    @pytest.mark.parametrize("name", ["a.png", "a.tif", "a.TIFF", "a.bmp"])
    def test_columns_are_the_first_axis_and_the_unit_is_the_pixel(self, name: str, tmp_path: Path) -> None:
        path = save(tmp_path / name, GREY)
        voxels, geometry = read_volume(path)
        np.testing.assert_array_equal(voxels[..., 0], GREY.T)
        assert voxels.dtype == np.float32
        assert geometry.shape == (5, 4, 1)
        assert geometry.unit == PIXEL
        assert geometry.spacing_mm == (1, 1, 1)
        assert read_geometry(path).difference(geometry) is None
        assert files_of(path) == [path]
        assert is_single_plane(path)
        assert volume_name(path) == "a"

    def test_it_lies_as_itk_lays_it(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png", GREY)
        image = sitk.ReadImage(str(path))
        voxels, geometry = read_volume(path)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), voxels[..., 0].T)
        # ITK counts to the left and to the back, NIfTI to the right and to the front.
        for index in ((0, 0), (3, 2)):
            itk_lps = np.array(image.TransformIndexToPhysicalPoint(index))
            ours = geometry.affine @ [*index, 0, 1]
            np.testing.assert_allclose(ours[:2], -itk_lps)

    def test_sixteen_bits(self, tmp_path: Path) -> None:
        pixels = GREY.astype(np.uint16) * 250
        for name in ("a.tif", "a.png"):
            np.testing.assert_array_equal(read_volume(save(tmp_path / name, pixels))[0][..., 0], pixels.T)

    def test_floating_point(self, tmp_path: Path) -> None:
        pixels = GREY.astype(np.float32) / 7 - 3
        np.testing.assert_array_equal(read_volume(save(tmp_path / "a.tif", pixels))[0][..., 0], pixels.T)

    def test_one_bit_is_zero_and_one(self, tmp_path: Path) -> None:
        save(tmp_path / "a.png", GREY > 100)
        np.testing.assert_array_equal(read_volume(tmp_path / "a.png")[0][..., 0], (GREY > 100).T)

    def test_a_grey_palette_is_looked_up(self, tmp_path: Path) -> None:
        indexed = Image.fromarray((GREY > 100).astype(np.uint8), mode="P")
        indexed.putpalette([0, 0, 0, 255, 255, 255])
        indexed.save(tmp_path / "a.png")
        assert Image.open(tmp_path / "a.png").mode == "P"
        np.testing.assert_array_equal(read_volume(tmp_path / "a.png")[0][..., 0], 255 * (GREY > 100).T)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
    def test_grey_in_colour_and_alpha_is_grey(self, mode: str, tmp_path: Path) -> None:
        Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_volume(tmp_path / "a.png")[0][..., 0], GREY.T)

    @pytest.mark.parametrize("channel", [0, 1, 2])
    def test_a_channel_of_a_colour_picture(self, channel: int, tmp_path: Path) -> None:
        voxels, _ = read_volume(save(tmp_path / "a.tif", COLOUR), channel=channel)
        np.testing.assert_array_equal(voxels[..., 0], COLOUR[..., channel].T)


class TestWhatIsWrong:
    def test_colours_where_grey_is_expected(self, tmp_path: Path) -> None:
        pixels = np.repeat(GREY[..., None], 3, axis=-1)
        pixels[1, 2, 0] ^= 1
        with pytest.raises(DataError, match="coloured picture") as caught:
            read_volume(save(tmp_path / "a.png", pixels))
        assert "1 of 20 pixels" in str(caught.value)

    def test_a_channel_of_a_grey_picture(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="unexpected channels"):
            read_volume(save(tmp_path / "a.tif", GREY), channel=1)

    def test_a_channel_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="unexpected channels"):
            read_volume(save(tmp_path / "a.tif", COLOUR), channel=3)

    def test_inks(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "a.tif")
        with pytest.raises(DataError, match="CMYK"):
            read_volume(tmp_path / "a.tif")

    def test_several_pages(self, tmp_path: Path) -> None:
        pages = [Image.fromarray(GREY), Image.fromarray(GREY)]
        pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
        with pytest.raises(DataError, match="several pages"):
            read_volume(tmp_path / "a.tif")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="file not found"):
            read_geometry(tmp_path / "a.png")

    def test_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"<html>")
        with pytest.raises(DataError, match="cannot read the picture"):
            read_volume(tmp_path / "a.png")

    @pytest.mark.parametrize("name", ["a.png", "a.tif"])
    def test_a_torn_file(self, name: str, tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
        path = save(tmp_path / name, pixels)
        path.write_bytes(path.read_bytes()[:-1500])
        with pytest.raises(DataError, match="cannot read the picture"):
            read_volume(path)

    def test_a_damaged_block(self, tmp_path: Path) -> None:
        def block(kind: bytes, content: bytes, *, right: bool = True) -> bytes:
            checksum = zlib.crc32(kind + content) ^ (0 if right else 1)
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

        header = struct.pack(">IIBBBBB", 5, 4, 8, 0, 0, 0, 0)
        rows = b"".join(b"\0" + row.tobytes() for row in GREY)
        content = b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header)
        whole = content + block(b"IDAT", zlib.compress(rows)) + block(b"IEND", b"")
        damaged = content + block(b"IDAT", zlib.compress(rows), right=False) + block(b"IEND", b"")
        (tmp_path / "whole.png").write_bytes(whole)
        (tmp_path / "damaged.png").write_bytes(damaged)
        np.testing.assert_array_equal(read_volume(tmp_path / "whole.png")[0][..., 0], GREY.T)
        with pytest.raises(DataError, match="cannot read the picture"):
            read_volume(tmp_path / "damaged.png")


class TestSlices:
    def test_they_are_stacked_by_number_not_by_name(self, tmp_path: Path) -> None:
        for number in range(0, 12):
            save(tmp_path / f"P_{number}.tif", GREY + number)
            save(tmp_path / f"P_{number}_mask.tif", (GREY > 100).astype(np.uint8) * 255)
        voxels, geometry = read_volume(tmp_path / "P_{slice}.tif")
        assert geometry.shape == (5, 4, 12)
        np.testing.assert_array_equal(voxels[0, 0], np.arange(12))
        assert [path.name for path in files_of(tmp_path / "P_{slice}.tif")][9:11] == ["P_9.tif", "P_10.tif"]
        assert not is_single_plane(tmp_path / "P_{slice}.tif")
        masks, grid = read_volume(tmp_path / "P_{slice}_mask.tif")
        assert set(np.unique(masks)) == {0, 255}
        assert geometry.difference(grid) is None

    def test_numbers_may_begin_anywhere(self, tmp_path: Path) -> None:
        for number in (7, 8):
            save(tmp_path / f"P_{number}.tif", GREY)
        assert read_geometry(tmp_path / "P_{slice}.tif").shape == (5, 4, 2)

    def test_a_gap_is_named(self, tmp_path: Path) -> None:
        for number in (1, 2, 5):
            save(tmp_path / f"P_{number}.tif", GREY)
        with pytest.raises(DataError, match="slices are missing") as caught:
            read_volume(tmp_path / "P_{slice}.tif")
        assert "without 3, 4" in str(caught.value)

    def test_the_same_number_twice(self, tmp_path: Path) -> None:
        for name in ("P_1.tif", "P_01.tif"):
            save(tmp_path / name, GREY)
        with pytest.raises(DataError, match="same number"):
            read_geometry(tmp_path / "P_{slice}.tif")

    def test_other_sizes(self, tmp_path: Path) -> None:
        save(tmp_path / "P_1.tif", GREY)
        save(tmp_path / "P_2.tif", GREY[:3])
        with pytest.raises(DataError, match="differ in size") as caught:
            read_volume(tmp_path / "P_{slice}.tif")
        assert caught.value.where == tmp_path / "P_2.tif"

    def test_none(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no slices"):
            read_volume(tmp_path / "gone" / "P_{slice}.tif")


class TestParts:
    def test_each_has_its_value_and_the_first_wins(self, tmp_path: Path) -> None:
        left, right = np.zeros((2, 4, 5), np.uint8)
        left[1, 1:3] = 255
        right[1, 2:5] = 1
        save(tmp_path / "leftMask" / "A.png", left)
        save(tmp_path / "rightMask" / "A.png", right)
        path = tmp_path / "{left,right}Mask" / "A.png"
        voxels, geometry = read_volume(path)
        np.testing.assert_array_equal(voxels[:, 1, 0], [0, 1, 1, 2, 2])
        assert voxels.sum() == 6
        assert geometry.shape == (5, 4, 1)
        assert [file.parent.name for file in files_of(path)] == ["leftMask", "rightMask"]
        assert is_single_plane(path)

    def test_other_sizes(self, tmp_path: Path) -> None:
        save(tmp_path / "leftMask" / "A.png", GREY)
        save(tmp_path / "rightMask" / "A.png", GREY[:, :3])
        with pytest.raises(DataError, match="differ in size"):
            read_volume(tmp_path / "{left,right}Mask" / "A.png")


class TestWriting:
    def test_a_mask_is_zero_and_255_and_comes_back(self, tmp_path: Path) -> None:
        mask = (GREY > 100).T
        write_mask_picture(tmp_path / "m.png", mask, overwrite=False)
        np.testing.assert_array_equal(read_volume(tmp_path / "m.png")[0][..., 0], mask * 255.0)
        with pytest.raises(OutputError, match="exists already"):
            write_mask_picture(tmp_path / "m.png", mask, overwrite=False)

    def test_a_header_does_not_say_millimetres_of_pixels(self, tmp_path: Path) -> None:
        _, geometry = read_volume(save(tmp_path / "a.png", GREY))
        write_label_map(tmp_path / "a.nii.gz", np.zeros(geometry.shape, np.uint8), geometry, overwrite=False)
        assert nib.load(tmp_path / "a.nii.gz").header.get_xyzt_units()[0] == "unknown"
