"""Preprocessing of real MRI: BraTS 2021, DeepMedic's BRATS 2015, and files with known oddities."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from brats3d.cases import MODALITIES, Case
from brats3d.errors import DataError, LabelError
from brats3d.imaging import read_volume
from brats3d.labels import CONVENTIONS, custom_convention
from brats3d.transforms.augmentation import build_augmentation
from brats3d.transforms.preprocessing import Preprocessing

pytestmark = pytest.mark.real


def brats_case(folder: Path, convention: str = "brats2017") -> Case:
    images = {
        modality: folder / f"{folder.name}_{modality}.nii.gz"
        for modality in MODALITIES
        if (folder / f"{folder.name}_{modality}.nii.gz").exists()
    }
    label = folder / f"{folder.name}_seg.nii.gz"
    return Case(folder.name, folder.name, images, CONVENTIONS[convention], label=label)


def deepmedic_case(folder: Path, *, mask: bool) -> Case:
    return Case(
        folder.name,
        folder.name,
        {"t1ce": folder / "T1c_subtrMeanDivStd.nii.gz", "flair": folder / "Flair_subtrMeanDivStd.nii.gz"},
        CONVENTIONS["brats2012"],
        label=folder / "OTMultiClass.nii.gz",
        brain_mask=folder / "brainmask.nii.gz" if mask else None,
    )


@pytest.mark.parametrize("name", ["BraTS2021_00006", "BraTS2021_01482"])
def test_brats2021(real_data, name):
    case = brats_case(real_data / "brats2021" / name)
    prepared = Preprocessing().prepare(case, with_label=True)
    assert prepared.brain.size < 0.45 * 240 * 240 * 155
    for channel in prepared.image:
        assert channel[prepared.brain].mean() == pytest.approx(0, abs=1e-2)
        assert channel[prepared.brain].std() == pytest.approx(1, abs=1e-2)
        assert not channel[~prepared.brain].any()
    labels = read_volume(case.label)[0].astype(np.uint8)
    restored = prepared.restoration.restore(prepared.classes, order=0)
    np.testing.assert_array_equal(case.convention.from_classes(restored), labels)


def test_two_millimetres_there_and_back(real_data):
    case = brats_case(real_data / "brats2021" / "BraTS2021_00006")
    prepared = Preprocessing(spacing_mm=2.0).prepare(case, with_label=True)
    membership = case.convention.class_table[prepared.classes]
    restored = prepared.restoration.restore(np.moveaxis(membership, -1, 0).astype(np.float16)) > 0.5
    truth = case.convention.to_regions(read_volume(case.label)[0].astype(np.uint8))
    for found, true in zip(restored, truth, strict=True):
        dice = 2 * (found & true).sum() / (found.sum() + true.sum())
        assert dice > 0.8
    assert 2 * (restored[2] & truth[2]).sum() / (restored[2].sum() + truth[2].sum()) > 0.95


def test_background_that_is_not_zero(real_data):
    settings = Preprocessing(modalities=("flair", "t1ce"))
    folder = real_data / "brats2015" / "brats_2013_pat0003_1"
    found = settings.prepare(deepmedic_case(folder, mask=False), with_label=True)
    given = settings.prepare(deepmedic_case(folder, mask=True), with_label=True)
    mask = read_volume(folder / "brainmask.nii.gz")[0] > 0.5
    found_brain = found.restoration.restore(found.brain, order=0)
    given_brain = given.restoration.restore(given.brain, order=0)
    np.testing.assert_array_equal(given_brain, mask)
    assert (found_brain != mask).sum() < 0.001 * mask.sum()
    assert not found.image[:, ~found.brain].any()
    for prepared in (found, given):
        assert set(np.unique(prepared.classes)) == {0, 1, 2, 3}


class TestOddities:
    def test_label_header_disagrees(self, real_data):
        for name in ("BraTS20_Training_001", "BraTS2024_SSA-00230-000"):
            case = brats_case(real_data / "brats2020_odd" / name, "brats2023")
            with pytest.raises(DataError, match="trust_array"):
                Preprocessing().prepare(case, with_label=True)

    def test_recoded_labels(self, real_data):
        case = brats_case(real_data / "brats2020_odd" / "BraTS20_Training_001")
        settings = Preprocessing(label_geometry="trust_array")
        with pytest.raises(LabelError, match="value 3"):
            settings.prepare(case, with_label=True)
        own = dataclasses.replace(case, convention=custom_convention({1: "ET", 2: "NCR", 3: "ED"}))
        prepared = settings.prepare(own, with_label=True)
        assert prepared.brain[prepared.classes > 0].mean() > 0.99

    def test_missing_modality(self, real_data):
        case = brats_case(real_data / "brats2020_odd" / "BraTS20_Training_369")
        with pytest.raises(DataError, match="without t1"):
            Preprocessing().prepare(case, with_label=False)
        prepared = Preprocessing(modalities=("t1ce", "t2", "flair")).prepare(case, with_label=False)
        assert prepared.image.shape[0] == 3


def test_augmentation_of_a_real_patch(real_data):
    prepared = Preprocessing().prepare(
        brats_case(real_data / "brats2021" / "BraTS2021_00006"), with_label=True
    )
    middle = tuple(slice(side // 2 - 24, side // 2 + 24) for side in prepared.brain.shape)
    sample = {
        "image": torch.from_numpy(prepared.image[(slice(None), *middle)].copy()),
        "classes": torch.from_numpy(prepared.classes[middle][None].copy()),
    }
    augment = build_augmentation(3)
    for seed in range(10):
        image = augment(sample, seed)["image"]
        assert torch.isfinite(image).all()
        assert image.abs().max() < 40
