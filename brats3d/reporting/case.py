"""A case as figures and pages show it: images, prediction and, if there is one, reference on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from brats3d.labels import LabelConvention
from brats3d.reporting.views import Box, Plane, box_around, largest_slice, planes_of

_MARGIN_VOXELS = 3


@dataclass(frozen=True, eq=False)
class ReportedCase:
    """Arrays of a case, all of one shape, with axes to the right, to the front and upwards (RAS+).

    Attributes:
        case_id: Name of the case.
        images: Modality to intensities, float32 ``(X, Y, Z)``; a plane is a volume of one slice.
        reference: Class indices, uint8 ``(X, Y, Z)``, or None; see :class:`LabelledCase`.
        prediction: Class indices, uint8 ``(X, Y, Z)``.
        probabilities: Float32 ``(R, X, Y, Z)`` in [0, 1], or None where only labels are known.
        convention: Names the classes and regions.
        spacing_mm: Voxel size along each axis.
        has_orientation: Whether the files say where left and right are; pictures do not, and their unit of
            length is the pixel.
        affine: Float64 ``(4, 4)``, voxel index to millimetres in RAS+; None: only the spacing is known.
    """

    case_id: str
    images: Mapping[str, NDArray[np.float32]]
    reference: NDArray[np.uint8] | None
    prediction: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None
    convention: LabelConvention
    spacing_mm: tuple[float, float, float]
    has_orientation: bool = True
    affine: NDArray[np.float64] | None = None

    @property
    def core(self) -> str:
        """Region whose centre is looked at: TC, or the last one where there is no TC."""
        names = self.convention.region_names
        return "TC" if "TC" in names else names[-1]

    def image(self, *preferred: str) -> tuple[str, NDArray[np.float32]]:
        """Return the first of the preferred modalities that the case has, else the last it has."""
        name = next((name for name in preferred if name in self.images), list(self.images)[-1])
        return name, self.images[name]

    def with_reference(self, reference: NDArray[np.uint8]) -> LabelledCase:
        """Return the same case with a reference, class indices, uint8 ``(X, Y, Z)``."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        return LabelledCase(**{**content, "reference": reference})

    def region(self, name: str, *, predicted: bool) -> NDArray[np.bool_]:
        """Mask of a region in the reference or in the prediction, bool ``(X, Y, Z)``."""
        members = self.convention.class_table[:, self.convention.region_names.index(name)]
        classes = self.prediction if predicted else self.reference
        assert classes is not None, f"{self.case_id} has no reference"
        inside = np.zeros(classes.shape, dtype=np.bool_)
        for index in np.flatnonzero(members).tolist():  # three times as fast as looking each voxel up
            inside |= classes == index
        return inside

    @cached_property
    def brain(self) -> NDArray[np.bool_]:
        """Voxels that are not background in any image, bool ``(X, Y, Z)``."""
        inside = [image > image.min() for image in self.images.values()]
        return np.logical_or.reduce(inside)

    @cached_property
    def box(self) -> Box:
        """Part of the volume that is worth showing."""
        return box_around(self.brain, _MARGIN_VOXELS)

    def largest_slice(self) -> tuple[Plane, int]:
        """Plane and number of the slice with most tumour (else predicted tumour, else brain)."""
        plane = planes_of(self.prediction.shape)[0]
        known = (self.prediction,) if self.reference is None else (self.reference, self.prediction)
        shown = next(mask for mask in (*(classes > 0 for classes in known), self.brain) if mask.any())
        return plane, largest_slice(shown, plane)

    def place(self, plane: Plane, index: int) -> str:
        """Say which slice it is; nothing where there is but one."""
        return f"{plane.name} slice {index}" if self.prediction.shape[plane.axis] > 1 else ""


@dataclass(frozen=True, eq=False)
class LabelledCase(ReportedCase):
    """A case with a reference, for drawings that compare with it."""

    reference: NDArray[np.uint8]
