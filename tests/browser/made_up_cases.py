"""Cases of phantoms with and without a tumour, and what is trained on them for the tests in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from brats3d.cases import MODALITIES
from brats3d.config import load_config
from brats3d.data.phantom import Phantom, PhantomParameters, make_phantom, write_phantoms
from brats3d.imaging import write_image, write_label_map
from brats3d.workflows.fit import FitResult, fit

SIZE = (32, 32, 32)
_LOOKS = PhantomParameters(probability_without_et=0.0, probability_multifocal=0.0)
_AUGMENTATIONS = "rotation scaling noise blur brightness contrast gamma low_resolution".split()


def phantom(seed: int, *, tumour: bool = True) -> Phantom:
    """Make a phantom; without a tumour, the half that would have it mirrors the other half."""
    made = make_phantom(seed, SIZE, parameters=_LOOKS)
    if tumour:
        return made
    half = SIZE[0] // 2
    in_first_half = (made.labels[:half] > 0).sum() > (made.labels[half:] > 0).sum()
    affected = slice(None, half) if in_first_half else slice(half, None)
    images = {modality: image.copy() for modality, image in made.images.items()}
    for image in images.values():
        image[affected] = image[::-1][affected]
    return replace(made, images=images, labels=np.zeros_like(made.labels))


def write_case(root: Path, number: int, *, tumour: bool = True) -> Path:
    """Write a labelled case in the naming of 2021 and return its folder."""
    made = phantom(number, tumour=tumour)
    folder = root / f"BraTS2021_{number:05d}"
    for modality, image in made.images.items():
        write_image(folder / f"{folder.name}_{modality}.nii.gz", image, made.geometry, overwrite=False)
    write_label_map(folder / f"{folder.name}_seg.nii.gz", made.labels, made.geometry, overwrite=False)
    return folder


def images_of(case: Path) -> dict[str, Path]:
    """The four images of a case folder, without its label map."""
    return {modality: case / f"{case.name}_{modality}.nii.gz" for modality in MODALITIES}


def write_series(root: Path, images: Mapping[str, Path]) -> dict[str, Path]:
    """Write images again as DICOM series, each in a folder named after its modality."""
    return {modality: _write_slices(root / modality, nib.load(path)) for modality, path in images.items()}


def _write_slices(folder: Path, image: nib.Nifti1Image) -> Path:
    folder.mkdir(parents=True)
    # DICOM counts millimetres to the left, to the back and upwards.
    towards = np.diag([-1, -1, 1, 1]) @ image.affine
    across, down, _ = image.header.get_zooms()
    directions = [*(towards[:3, 0] / across), *(towards[:3, 1] / down)]
    series = generate_uid()
    for index, pixels in enumerate(np.moveaxis(np.asarray(image.dataobj).astype(np.uint16), 2, 0)):
        content = Dataset()
        content.file_meta = FileMetaDataset()
        content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        content.file_meta.MediaStorageSOPClassUID = content.SOPClassUID = MRImageStorage
        content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID = generate_uid()
        content.PatientName, content.Modality = "SECRET^PATIENT", "MR"
        content.SeriesInstanceUID, content.InstanceNumber = series, index + 1
        content.Rows, content.Columns = pixels.T.shape
        content.PixelSpacing = [f"{down:.8g}", f"{across:.8g}"]
        content.ImageOrientationPatient = [f"{value:.8g}" for value in directions]
        position = (towards @ [0, 0, index, 1])[:3]
        content.ImagePositionPatient = [f"{value:.8g}" for value in position]
        content.SamplesPerPixel, content.PhotometricInterpretation = 1, "MONOCHROME2"
        content.BitsAllocated = content.BitsStored = 16
        content.HighBit, content.PixelRepresentation = 15, 0
        content.PixelData = pixels.T.tobytes()
        content.save_as(folder / f"IM{index:03d}", enforce_file_format=True)
    return folder


_QUICK = {
    "data__workers": 0,
    "optim__lr": 0.02,
    "optim__ema_decay": 0.9,
    "trainer__accelerator": "cpu",
    "trainer__precision": "32-true",
    # Too much to learn in seconds.
    **{f"augment__{name}_probability": 0.0 for name in _AUGMENTATIONS},
}


def train_on_volumes(folder: Path) -> FitResult:
    """Train in a quarter of a minute what finds tumours, and finds none where there is none."""
    data = folder / "data"
    for number in range(14):
        write_case(data, number, tumour=number < 10)
    chosen = {
        "name": "volumes",
        "folder": str(folder / "runs"),
        "data__root": str(data),
        "report": False,
        "split__val": 1,
        "split__test": 2,
        "patch__size": list(SIZE),
        "patch__batch_size": 2,
        "patch__per_epoch": 40,
        "model__params": {"filters": [6, 12]},
        "trainer__max_epochs": 8,
        "trainer__check_val_every_n_epoch": 8,
        "postprocess__min_component_ml": {"WT": 10.0},
    }
    return fit(load_config(None, **_QUICK, **chosen))


def train_on_pictures(folder: Path) -> FitResult:
    """Train in seconds what finds tumours in slices of contrast-enhanced T1."""
    data = folder / "data"
    write_phantoms(data, cases=16, layout="figshare", size=(64, 64, 64), parameters=_LOOKS)
    chosen = {
        "name": "pictures",
        "folder": str(folder / "runs"),
        "data__root": str(data),
        "report": False,
        "patch__size": [64, 64],
        "patch__batch_size": 4,
        "patch__per_epoch": 48,
        "model__params": {"filters": [8, 16]},
        "trainer__max_epochs": 5,
        "trainer__check_val_every_n_epoch": 5,
    }
    return fit(load_config("unet2d_figshare.yaml", **_QUICK, **chosen))


def train_hardly(folder: Path, **others: object) -> FitResult:
    """Train for a second."""
    data = folder / "data"
    write_phantoms(data, cases=5, size=SIZE, parameters=_LOOKS)
    chosen: dict[str, object] = {
        "name": "hardly",
        "folder": str(folder / "runs"),
        "data__root": str(data),
        "split__val": 1,
        "split__test": 3,
        "patch__size": [16, 16, 16],
        "patch__per_epoch": 4,
        "model__params": {"filters": [4, 8]},
        "trainer__max_epochs": 2,
    }
    return fit(load_config(None, **_QUICK, **{**chosen, **others}))


def train_classifier_hardly(folder: Path, **others: object) -> FitResult:
    """Train a classifier of slices for a second."""
    return train_hardly(
        folder,
        task="classify",
        model__name="vit",
        model__spatial_dims=2,
        model__params={"patch": 4, "hidden_size": 8, "layers": 1, "heads": 2, "positions": 4},
        patch__size=[16, 16],
        trainer__max_epochs=1,
        **others,
    )
