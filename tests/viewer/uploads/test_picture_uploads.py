"""Pictures: their pixels and nothing else is stored, and read as the package reads the originals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from brats3d.data.discovery import discover
from brats3d.data.layouts.masks import TUMOR_MASK
from brats3d.errors import DataError
from brats3d.imaging import PIXEL, is_single_plane, read_volume
from brats3d.labels import CONVENTIONS
from brats3d.transforms.loading import LoadCase

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (20, 30), dtype=np.uint8)
COLOURS = RNG.integers(0, 255, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("pixels", "kind", "channel"),
    [
        (GREY, "PNG", None),
        (GREY, "TIFF", None),
        (GREY, "BMP", None),
        (GREY, "JPEG", None),
        (GREY > 100, "PNG", None),
        (GREY.astype(np.uint16) * 200, "PNG", None),
        (GREY.astype(np.uint16) * 200, "TIFF", None),
        (GREY.astype(np.int32) * 70000, "TIFF", None),
        (GREY.astype(np.float32) / 7, "TIFF", None),
        (COLOURS, "PNG", 1),
        (COLOURS, "TIFF", 2),
        (np.dstack([COLOURS, GREY]), "PNG", 0),
        (np.dstack([GREY, GREY, GREY]), "PNG", None),
        (np.dstack([GREY, GREY]), "PNG", None),
    ],
)
def test_pixels_are_those_of_the_original(
    pixels: Any, kind: str, channel: int | None, upload: Any, put: Any, files: Any, tmp_path: Path
) -> None:
    data = files.picture(pixels, kind)
    original = tmp_path / f"original.{kind.lower()}"
    original.write_bytes(data)
    contents = put(upload, "x.dat", data)
    assert (contents.dimensions, contents.files[0].spacing_mm) == (2, None)
    assert contents.files[0].channels == (1 if channel is None else 3)
    upload.assign({"xray": {"file": "x.dat", "channel": channel}})
    case = upload.case(["xray"])
    voxels, geometry = read_volume(case.images["xray"], channel=case.channels.get("xray"))
    expected, grid = read_volume(original, channel=channel)
    np.testing.assert_array_equal(voxels, expected)
    assert (geometry.unit, grid.difference(geometry)) == (PIXEL, None)
    assert is_single_plane(case.images["xray"])
    shown = nib.load(upload.display_image("xray"))
    assert shown.shape == (30, 20, 1)
    np.testing.assert_allclose(shown.get_fdata(), expected, atol=float(np.ptp(expected)) / 1e5 + 1e-9)


def test_no_text_of_a_picture_reaches_the_disk(upload: Any, put: Any, files: Any, kept: Any) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", files.secret)
    put(upload, "a.png", files.picture(GREY, pnginfo=text))
    exif = Image.Exif()
    exif[0x010E] = files.secret
    put(upload, "b.jpg", files.picture(COLOURS, "JPEG", exif=exif, comment=files.secret))
    put(upload, "c.tif", files.picture(GREY, "TIFF", description=files.secret))
    assert len(kept()) == 3
    assert all(b"SECRET" not in path.read_bytes() for path in kept())


def test_colours_are_guessed_as_modalities(upload: Any, put: Any, files: Any) -> None:
    contents = put(upload, "TCGA_1.tif", files.picture(COLOURS, "TIFF"))
    assert {m: place.channel for m, place in contents.assignment.items()} == {"t1": 0, "t1ce": 2, "flair": 1}
    assert "correct this" in contents.problems[0]
    mask = np.zeros((20, 30), dtype=np.uint8)
    mask[4:9, 5:9] = 255
    contents = put(upload, "TCGA_1_mask.tif", files.picture(mask, "TIFF"))
    assert contents.reference == "TCGA_1_mask.tif"
    case = upload.case(["t1", "t1ce", "flair"], TUMOR_MASK)
    sample = LoadCase(("t1", "t1ce", "flair"), with_label=True, label_geometry="strict")(case)
    np.testing.assert_array_equal(np.asarray(sample["image"][2, ..., 0]), COLOURS[..., 1].T)
    np.testing.assert_array_equal(np.asarray(sample["classes"][0, ..., 0]), mask.T == 255)


def test_a_single_unnamed_picture_is_the_image(upload: Any, put: Any, files: Any) -> None:
    put(upload, "IMG_0001.png", files.picture(GREY))
    assert list(upload.case(["xray"], CONVENTIONS["brats2017"]).images) == ["xray"]
    assert nib.load(upload.display_image("xray")).shape == (30, 20, 1)


def test_numbered_pictures_of_a_folder_are_one_volume(
    upload: Any, put: Any, files: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "TCGA_CS_4941_19960909"
    folder.mkdir()
    black = np.zeros_like(COLOURS)
    for number, pixels in (
        (1, black),
        (2, COLOURS),
        (10, COLOURS[::-1]),
        *((n, COLOURS) for n in range(3, 10)),
    ):
        mask = (pixels[..., 0] > 200).astype(np.uint8) * 255
        for name, content in (
            (f"{folder.name}_{number}.tif", pixels),
            (f"{folder.name}_{number}_mask.tif", mask),
        ):
            data = files.picture(content, "TIFF")
            (folder / name).write_bytes(data)
            contents = put(upload, f"{folder.name}/{name}", data)
    assert [(file.shape, file.channels, file.guess) for file in contents.files] == [
        ((30, 20, 10), 3, None),
        ((30, 20, 10), 1, "reference"),
    ]
    assert (contents.dimensions, list(contents.assignment)) == (3, ["t1", "t1ce", "flair"])
    case = upload.case(["t1", "t1ce", "flair"], TUMOR_MASK)
    published = discover(folder).cases[0]
    read = LoadCase(("t1", "t1ce", "flair"), with_label=True, label_geometry="strict")
    for key in ("image", "classes"):
        np.testing.assert_array_equal(np.asarray(read(case)[key]), np.asarray(read(published)[key]))
    assert nib.load(upload.display_image("flair")).shape == (30, 20, 10)


def test_slices_that_are_missing_are_told(upload: Any, put: Any, files: Any) -> None:
    for number in (1, 2, 4):
        contents = put(upload, f"case/t1_{number}.png", files.picture(GREY))
    assert contents.problems == ("case/t1_*: slices are missing (3)",)
    with pytest.raises(DataError, match="slices are missing") as caught:
        LoadCase(("t1",), with_label=False, label_geometry="strict")(upload.case(["t1"]))
    assert str(upload.explain(caught.value).where) == "case/t1_*/{slice}.tif"
    put(upload, "case/t1_3.png", files.picture(GREY))
    assert nib.load(upload.display_image("t1")).shape == (30, 20, 4)
