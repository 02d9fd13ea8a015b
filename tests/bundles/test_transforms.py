"""Transforms of a bundle as a server uses them: grids in the metadata, nothing written by the server."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import Compose, SaveImaged

from brats3d.bundles.scripts.siblings import FindCased
from brats3d.bundles.scripts.transforms import PrepareCased, RestoreLabelsd, SaveLabelsd

LABELS = {
    "name": "brats2023",
    "values": {"1": "NCR", "2": "ED", "3": "ET"},
    "regions": {"ET": ["ET"], "TC": ["ET", "NCR"], "WT": ["ET", "NCR", "ED"]},
}
MODALITIES = ("t1", "t1ce", "t2", "flair")


@pytest.fixture
def turned(labelled_set: Path, tmp_path: Path) -> Path:
    """First file of a case whose axes are in another order and direction than the patient's."""
    for modality in MODALITIES:
        image = nib.load(labelled_set / "BraTS2021_00000" / f"BraTS2021_00000_{modality}.nii.gz")
        change = np.array([[2, -1], [0, 1], [1, -1]])
        nib.save(image.as_reoriented(change).slicer[:, :30], tmp_path / f"a_{modality}.nii.gz")
    return tmp_path / "a_t1.nii.gz"


def test_the_way_there_and_back(turned: Path, tmp_path: Path) -> None:
    prepare = Compose([FindCased(MODALITIES, LABELS), PrepareCased(modalities=MODALITIES, spacing_mm=6.0)])
    sample = prepare({"image": str(turned)})
    file = nib.load(turned)
    image = sample["image"]
    assert image.dtype == torch.float32
    assert len(image) == 4
    # What servers read there is the grid of the files; the affine is that of the voxels.
    np.testing.assert_array_equal(image.meta["spatial_shape"], file.shape)
    np.testing.assert_allclose(image.meta["original_affine"], file.affine)
    assert sorted(np.abs(np.linalg.eigvals(np.abs(image.affine[:3, :3])))) == pytest.approx([6] * 3, rel=0.05)

    brain = torch.from_numpy(sample["brain"])
    sample["pred"] = torch.stack([brain * 0.4, brain * 0.9, torch.ones(brain.shape)])
    done = RestoreLabelsd(LABELS, {"ET": 0.5}, {}, 0.0)(sample)
    assert done["pred"].shape == (1, *file.shape)
    assert done["pred"].dtype == torch.uint8
    np.testing.assert_allclose(done["pred"].affine, file.affine)
    assert set(np.unique(done["pred"])) == {0, 1, 2}
    head = sum(np.asarray(nib.load(turned.with_name(f"a_{m}.nii.gz")).dataobj) != 0 for m in MODALITIES) > 0
    found = np.asarray(done["pred"][0]) > 0
    assert (found & head).sum() > 0.8 * head.sum()

    save = SaveLabelsd(str(tmp_path / "out"), save_probabilities=True)
    assert isinstance(save, SaveImaged)
    save(done)
    written = nib.load(tmp_path / "out" / "a.nii.gz")
    np.testing.assert_array_equal(written.dataobj, done["pred"][0])
    np.testing.assert_allclose(written.affine, file.affine, atol=1e-4)
    probabilities = nib.load(tmp_path / "out" / "a_probabilities.nii.gz").get_fdata()
    assert probabilities.shape == (*file.shape, 3)
    assert probabilities[..., 1].max() == pytest.approx(0.9)
