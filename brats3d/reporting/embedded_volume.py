"""Volumes within a page: NIfTI files as text, with nothing but a grid and voxels in them."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from brats3d.reporting.blending import window
from brats3d.reporting.case import ReportedCase
from brats3d.reporting.views import Box, box_around

_MARGIN_VOXELS = 3
_GZIP_LEVEL = 6
_MOST_BYTE = 255


@dataclass(frozen=True)
class EmbeddedVolume:
    """A volume as a page holds it.

    Attributes:
        name: Modality, ``prediction`` or ``reference``.
        base64: A gzipped NIfTI file of uint8 voxels, in RAS+.
    """

    name: str
    base64: str


def embedded_images(case: ReportedCase, modalities: Sequence[str]) -> list[EmbeddedVolume]:
    """Embed images: the box of the brain, 256 levels from what is drawn black to what is drawn white."""
    return [_embedded(case, name, _levels(case, name)) for name in modalities]


def embedded_labels(case: ReportedCase) -> list[EmbeddedVolume]:
    """Embed the class indices of the prediction and, if there is one, of the reference, in the same box."""
    named = {"prediction": case.prediction, "reference": case.reference}
    return [_embedded(case, name, classes) for name, classes in named.items() if classes is not None]


def has_depth(case: ReportedCase) -> bool:
    """Whether there is something to turn around in three dimensions."""
    return case.has_orientation and min(case.prediction.shape) > 1


def embedded_box(case: ReportedCase) -> Box:
    """Box that is embedded: brain, prediction and reference."""
    inside = case.brain | (case.prediction > 0)
    if case.reference is not None:
        inside = inside | (case.reference > 0)
    return box_around(inside, _MARGIN_VOXELS)


def _levels(case: ReportedCase, modality: str) -> NDArray[np.uint8]:
    image = case.images[modality]
    dark, bright = window(image, case.brain)
    return np.rint(np.clip((image - dark) / (bright - dark), 0, 1) * _MOST_BYTE).astype(np.uint8)


def _embedded(case: ReportedCase, name: str, voxels: NDArray[np.uint8]) -> EmbeddedVolume:
    box = embedded_box(case)
    affine = np.diag((*case.spacing_mm, 1.0)) if case.affine is None else case.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([span.start for span in box])
    image = nib.Nifti1Image(np.ascontiguousarray(voxels[box]), affine)
    image.header.set_xyzt_units("mm")
    content = gzip.compress(image.to_bytes(), _GZIP_LEVEL, mtime=0)
    return EmbeddedVolume(name, base64.b64encode(content).decode("ascii"))
