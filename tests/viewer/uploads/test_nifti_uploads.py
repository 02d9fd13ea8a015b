"""NIfTI files: recognised by name, stored without text, read by the package as the originals are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d.cases import MODALITY_ALIASES
from brats3d.errors import Brats3dError, ConfigError, DataError, LabelError
from brats3d.imaging import read_volume
from brats3d.labels import CONVENTIONS
from brats3d.transforms.loading import LoadCase

FOUR = ("t1", "t1ce", "t2", "flair")


def test_four_files_become_a_case_that_reads_as_the_originals(
    store: Any, upload: Any, put: Any, files: Any, tmp_path: Path
) -> None:
    for seed, modality in enumerate(FOUR):
        data = files.nifti(files.voxels(seed), scl_slope=2.0, scl_inter=-1.5)
        contents = put(upload, f"BraTS2021_00001_{modality}.nii.gz", data)
        (tmp_path / f"{modality}.nii.gz").write_bytes(data)
    assert list(contents.assignment) == list(FOUR)
    assert contents.problems == ()
    assert contents.dimensions == 3
    case = upload.case(FOUR)
    assert case.case_id == case.patient == "upload"
    sample = LoadCase(FOUR, with_label=False, label_geometry="strict")(case)
    for index, modality in enumerate(FOUR):
        voxels, geometry = read_volume(tmp_path / f"{modality}.nii.gz")
        np.testing.assert_array_equal(np.asarray(sample["image"][index]), voxels)
        np.testing.assert_array_equal(sample["geometry"].affine, geometry.affine)


@pytest.mark.parametrize(
    ("kind", "endianness", "packed"),
    [
        (nib.Nifti1Image, "<", True),
        (nib.Nifti1Image, ">", True),
        (nib.Nifti2Image, "<", False),
        (nib.Nifti2Image, ">", False),
    ],
)
def test_no_text_of_a_header_reaches_the_disk(
    kind: Any, endianness: str, packed: bool, upload: Any, put: Any, files: Any, kept: Any
) -> None:
    data = files.nifti(kind=kind, endianness=endianness, packed=packed)
    assert files.secret.encode() in (gzip.decompress(data) if packed else data)
    put(upload, f"{files.secret}_t1.nii", data)
    upload.display_image("t1")
    assert len(kept()) == 2
    for path in kept():
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        assert b"SECRET" not in raw
        assert "SECRET" not in str(path)
        image = type(nib.load(path)).from_bytes(raw)
        assert not image.header.extensions
        np.testing.assert_array_equal(np.asarray(image.dataobj), files.voxels())
        np.testing.assert_allclose(image.affine, files.affine, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        *((f"case_{alias}.nii.gz", modality) for alias, modality in MODALITY_ALIASES.items()),
        *((f"{alias.upper()}.nii", modality) for alias, modality in MODALITY_ALIASES.items()),
        ("BraTS-GLI-00005-100-t2f.nii.gz", "flair"),
        ("VSD.Brain.XX.O.MR_T1c.54514.nii", "t1ce"),
        ("T1c_subtrMeanDivStd.nii.gz", "t1ce"),
        ("sub-01_ax_T2_FLAIR.nii.gz", "flair"),
        ("t1_mprage_post_gd.nii.gz", "t1ce"),
        ("MPRAGE.nii.gz", "t1"),
        ("t2_tse_tra.nii.gz", "t2"),
        ("case/T1Gd/image.nii.gz", "t1ce"),
        ("chest_xray.nii", "xray"),
        ("BraTS2021_00001_seg.nii.gz", "reference"),
        ("labelsTr/BRATS_001.nii.gz", "reference"),
        ("OTMultiClass.nii.gz", "reference"),
        ("t1_brain_mask.nii.gz", "brain mask"),
        ("BRATS_001.nii.gz", None),
        ("unlabelled.nii.gz", None),
    ],
)
def test_names_tell_modalities(name: str, guess: str | None, upload: Any, put: Any, files: Any) -> None:
    assert put(upload, name, files.nifti()).files[0].guess == guess


def test_the_reference_is_known_by_its_values_beside_images(upload: Any, put: Any, files: Any) -> None:
    labels = np.zeros(files.shape, dtype=np.float32)
    labels[2:4, 1:3, 1] = 4
    labels[1, 1, 1] = 2
    put(upload, "t1.nii.gz", files.nifti())
    contents = put(upload, "something.nii.gz", files.nifti(labels))
    assert contents.reference == "something.nii.gz"
    case = upload.case(["t1"], CONVENTIONS["brats2017"])
    np.testing.assert_array_equal(read_volume(case.label)[0], labels)
    shown = nib.load(upload.reference_image(CONVENTIONS["brats2017"]))
    assert shown.get_data_dtype() == np.uint8
    expected = CONVENTIONS["brats2017"].to_classes(labels.astype(np.uint8))
    np.testing.assert_array_equal(np.asarray(shown.dataobj), expected)


def test_a_reference_by_name_comes_before_one_by_values(upload: Any, put: Any, files: Any) -> None:
    labels = np.eye(7, 6, dtype=np.uint8)[..., None] * np.ones(5, dtype=np.uint8)
    for name in ("prediction.nii.gz", "seg.nii.gz", "t1.nii.gz"):
        contents = put(upload, name, files.nifti(files.voxels() if name[0] == "t" else labels))
    assert contents.reference == "seg.nii.gz"
    assert contents.problems == ("prediction.nii.gz looks like a reference, too; seg.nii.gz is taken",)


def test_voxels_that_are_no_numbers_are_shown_as_nothing(upload: Any, put: Any, files: Any) -> None:
    voxels = files.voxels().astype(np.float32)
    voxels[0, 0, 0], voxels[1, 1, 1], voxels[2, 2, 2] = np.nan, np.inf, -np.inf
    put(upload, "t1.nii.gz", files.nifti(voxels))
    shown = np.asarray(nib.load(upload.display_image("t1")).dataobj)
    np.testing.assert_array_equal(shown, np.where(np.isfinite(voxels), voxels, 0))


def test_what_values_of_a_reference_mean(upload: Any, put: Any, files: Any, store: Any) -> None:
    labels = np.zeros(files.shape, dtype=np.uint8)
    labels[2, 2, :3] = 1, 2, 3
    put(upload, "BraTS-GLI-00001-000-seg.nii.gz", files.nifti(labels))
    put(upload, "BraTS-GLI-00001-000-t1n.nii.gz", files.nifti())
    assert upload.case(["t1"], CONVENTIONS["brats2017"]).convention.name == "brats2023"
    other = store.new()
    put(other, "seg.nii.gz", files.nifti(labels))
    put(other, "t1.nii.gz", files.nifti())
    assert other.case(["t1"], CONVENTIONS["msd-task01"]).convention.name == "msd-task01"
    with pytest.raises(LabelError, match="nothing tells") as caught:
        other.reference_image(CONVENTIONS["brats2017"])
    assert caught.value.where == "seg.nii.gz"
    # A reference that cannot be compared keeps nobody from segmenting.
    assert other.case(["t1"], CONVENTIONS["brats2017"]).convention.name == "brats2017"


def test_one_file_with_four_channels_is_guessed_and_can_be_corrected(
    upload: Any, put: Any, files: Any
) -> None:
    voxels = files.voxels(shape=(*files.shape, 4))
    contents = put(upload, "BRATS_001.nii.gz", files.nifti(voxels))
    assert {m: place.channel for m, place in contents.assignment.items()} == {
        "t1": 1,
        "t1ce": 2,
        "t2": 3,
        "flair": 0,
    }
    assert "correct this" in contents.problems[0]
    contents = upload.assign({"t1": {"file": "BRATS_001.nii.gz", "channel": 3}})
    assert contents.problems == ()
    case = upload.case(["t1"])
    np.testing.assert_array_equal(
        read_volume(case.images["t1"], channel=case.channels["t1"])[0], voxels[..., 3]
    )
    shown = nib.load(upload.display_image("t1"))
    np.testing.assert_array_equal(np.asarray(shown.dataobj), voxels[..., 3])


def test_a_description_tells_channels(upload: Any, put: Any, files: Any, store: Any) -> None:
    names = {"0": "T2w", "1": "T1gd", "2": "FLAIR", "3": "T1w"}
    described = json.dumps({"channel_names": names, "labels": {"background": 0}}).encode()
    members = {f"imagesTr/BRATS_001_000{index}.nii.gz": files.nifti() for index in range(4)}
    contents = put(upload, "a.zip", files.zipped({**members, "dataset.json": described}))
    assert {m: place.file[-8:-7] for m, place in contents.assignment.items()} == {
        "t1": "3",
        "t1ce": "1",
        "t2": "0",
        "flair": "2",
    }
    other = store.new()
    put(other, "BRATS_001.nii.gz", files.nifti(files.voxels(shape=(*files.shape, 4))))
    contents = put(other, "dataset.json", described)
    assert {m: place.channel for m, place in contents.assignment.items()} == {
        "t1": 3,
        "t1ce": 1,
        "t2": 0,
        "flair": 2,
    }
    assert contents.problems == ()
    for broken in (b"[" * 100_000, b"{}", b"\xff", b'{"channel_names": {"0": "Jane Doe"}}', b" " * (2 << 20)):
        assert put(upload, "x/dataset.json", broken, 1 << 20).assignment


def test_a_single_unnamed_image_is_what_a_model_of_one_modality_takes(
    upload: Any, put: Any, files: Any
) -> None:
    put(upload, "image.nii.gz", files.nifti())
    assert list(upload.case(["flair"]).images) == ["flair"]
    with pytest.raises(DataError, match="no image is assigned to t1"):
        upload.case(["t1", "flair"])


def test_a_missing_modality_says_what_to_do(upload: Any, put: Any, files: Any) -> None:
    put(upload, "t1.nii.gz", files.nifti())
    with pytest.raises(DataError, match="no image is assigned to flair") as caught:
        upload.case(FOUR[:1] + FOUR[3:])
    assert caught.value.remedy


def test_wrong_assignments_are_refused(upload: Any, put: Any, files: Any) -> None:
    put(upload, "t1.nii.gz", files.nifti())
    with pytest.raises(DataError, match="no such file"):
        upload.assign({"t1": {"file": "../other.nii.gz"}})
    with pytest.raises(DataError, match="no such channel"):
        upload.assign({"t1": {"file": "t1.nii.gz", "channel": 1}})
    with pytest.raises(ConfigError, match="unknown modality"):
        upload.assign({"t7": {"file": "t1.nii.gz"}})
    with pytest.raises(DataError, match="no such file"):
        upload.assign({}, reference="nothing")
    assert "t1" in upload.contents().assignment


def test_files_that_come_after_a_choice_are_added_to_it(upload: Any, put: Any, files: Any) -> None:
    put(upload, "a.nii.gz", files.nifti())
    upload.assign({"flair": {"file": "a.nii.gz", "channel": None}})
    put(upload, "t1.nii.gz", files.nifti())
    contents = put(upload, "case_flair.nii.gz", files.nifti())
    assert {m: place.file for m, place in contents.assignment.items()} == {
        "t1": "t1.nii.gz",
        "flair": "a.nii.gz",
    }


def test_a_file_sent_again_replaces_the_first(upload: Any, put: Any, files: Any, kept: Any) -> None:
    put(upload, "t1.nii.gz", files.nifti(files.voxels(1)))
    first = upload.display_image("t1")
    put(upload, "t1.nii.gz", files.nifti(files.voxels(2)))
    second = upload.display_image("t1")
    assert first != second
    np.testing.assert_array_equal(np.asarray(nib.load(second).dataobj), files.voxels(2))
    assert len([path for path in kept() if path.suffix == ".nii"]) == 1


def test_other_grids_are_told(upload: Any, put: Any, files: Any) -> None:
    put(upload, "t1.nii.gz", files.nifti())
    contents = put(upload, "t2.nii.gz", files.nifti(affine=np.diag([1.0, 1.0, 1.0, 1.0])))
    assert "t2.nii.gz lies on another grid than t1.nii.gz" in contents.problems[0]


def test_errors_of_reading_name_the_file_as_the_page_does(upload: Any, put: Any, files: Any) -> None:
    put(upload, "t1.nii.gz", files.nifti())
    put(upload, "t2.nii.gz", files.nifti(files.voxels(shape=(4, 4, 4))))
    with pytest.raises(Brats3dError) as caught:
        LoadCase(("t1", "t2"), with_label=False, label_geometry="strict")(upload.case(["t1", "t2"]))
    told = upload.explain(caught.value)
    assert type(told) is type(caught.value)
    assert told.where == "upload: t2.nii.gz"
    assert "uploads-" not in str(told)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_images_to_look_at_are_small_and_close(dtype: Any, upload: Any, put: Any, files: Any) -> None:
    voxels = (files.voxels() * (1 if np.dtype(dtype).kind in "iu" else 1.37)).astype(dtype)
    if dtype is np.int32:
        voxels = voxels * 1000
    put(upload, "t1.nii.gz", files.nifti(voxels))
    shown = nib.load(upload.display_image("t1"))
    assert shown.get_data_dtype() == (np.uint8 if dtype is np.uint8 else np.int16)
    tolerance = 0.51 * float(np.ptp(voxels.astype(float))) / 65534 if dtype is not np.uint8 else 0
    np.testing.assert_allclose(shown.get_fdata(), voxels.astype(float), atol=tolerance, rtol=1e-5)
    assert upload.display_image("t1") == upload.display_image("t1")


def test_a_plane_is_a_volume_of_one_slice(upload: Any, put: Any, files: Any) -> None:
    plane = files.nifti(files.voxels(shape=(7, 6)))
    contents = put(upload, "t1.nii.gz", plane)
    assert contents.files[0].shape == (7, 6, 1)
    assert contents.dimensions == 2
    sample = LoadCase(("t1",), with_label=False, label_geometry="strict")(upload.case(["t1"]))
    assert sample["image"].shape == (1, 7, 6, 1)


def test_a_brain_mask_is_used_and_stays_when_modalities_are_corrected(
    upload: Any, put: Any, files: Any
) -> None:
    put(upload, "t1.nii.gz", files.nifti())
    put(upload, "brainmask.nii.gz", files.nifti(np.ones(files.shape, dtype=np.uint8)))
    contents = upload.assign({"t2": {"file": "t1.nii.gz"}})
    assert contents.brain_mask == "brainmask.nii.gz"
    assert upload.case(["t2"]).brain_mask is not None
