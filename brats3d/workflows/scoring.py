"""Scoring one pair of files: everything that decides its scores, and errors that name the case's files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import brats3d
from brats3d.errors import Brats3dError, DataError, LabelError
from brats3d.imaging import AFFINE_TOLERANCE_MM, Geometry, read_geometry, read_volume
from brats3d.imaging.headers import read_stored_header
from brats3d.labels import LabelConvention, conventions_that_fit
from brats3d.metrics import CaseScores, Profile, evaluate_case
from brats3d.metrics.boxes import bounding_box
from brats3d.workflows.conventions import Conventions, convention_as_dict
from brats3d.workflows.pairing import Pair


@dataclass(frozen=True)
class Scoring:
    """Everything that decides the scores of two given files.

    Attributes:
        profile: Definitions and policies.
        conventions: Meaning of the predicted and of the reference values.
        check_affine: Whether the headers must agree about the place in space; shapes always must.
    """

    profile: Profile
    conventions: Conventions
    check_affine: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON content, with the version of this package."""
        return {
            "brats3d": brats3d.__version__,
            "profile": self.profile.as_dict(),
            "prediction_convention": convention_as_dict(self.conventions[0]),
            "reference_convention": convention_as_dict(self.conventions[1]),
            "check_affine": self.check_affine,
            "affine_tolerance_mm": AFFINE_TOLERANCE_MM,
        }

    def score(self, pair: Pair) -> CaseScores:
        """Read both label maps and score their regions; a missing prediction gets the worst scores.

        Raises:
            DataError: A file that cannot be read or scored, or two that are on different grids.
            LabelError: Values that are not those of the side's convention.
        """
        geometry = self._common_grid(pair)
        reference = read_volume(pair.reference, allow_plane=True)[0]
        prediction = (
            np.zeros_like(reference)
            if pair.prediction is None
            else read_volume(pair.prediction, allow_plane=True)[0]
        )
        spacing_mm: tuple[float, ...] = geometry.spacing_mm
        if _is_plane(pair.reference):
            reference, prediction, spacing_mm = reference[..., 0], prediction[..., 0], spacing_mm[:2]
        # Beyond the box both are background: a tenth of the volume is left to sort into regions.
        box = bounding_box(prediction, reference)
        sides = (
            ("prediction", prediction, pair.prediction, self.conventions[0]),
            ("reference", reference, pair.reference, self.conventions[1]),
        )
        masks = [
            convention.to_regions(_checked(volume[box], convention, side, path))
            for side, volume, path, convention in sides
        ]
        return evaluate_case(
            masks[0],
            masks[1],
            spacing_mm=spacing_mm,
            regions=self.conventions[1].region_names,
            case_id=pair.case_id,
            profile=self.profile,
            background_outside=reference.size - masks[1][0].size,
            missing=pair.prediction is None,
        )

    def _common_grid(self, pair: Pair) -> Geometry:
        """Compare the headers before a voxel is read.

        Raises:
            DataError: A header that is not that of a label map, or a prediction on another grid.
        """
        _check_header(pair.reference)
        reference = read_geometry(pair.reference, allow_plane=True)
        if pair.prediction is None:
            return reference
        _check_header(pair.prediction)
        prediction = read_geometry(pair.prediction, allow_plane=True)
        difference = reference.difference(prediction)
        if difference is None or not (self.check_affine or prediction.shape != reference.shape):
            return reference
        raise DataError(
            f"the prediction is not on the grid of its reference: {difference}",
            where=pair.prediction,
            got=_shown(prediction),
            expected=f"{_shown(reference)}, as in {pair.reference}",
            remedy="resample the prediction to the reference; where the headers differ but the voxels "
            "are known to line up, set check_affine to false",
        )


def in_one_line(error: Brats3dError) -> str:
    """Compose the parts of an error into one line, for lists of cases."""
    named = (("got", error.got), ("expected", error.expected), ("remedy", error.remedy))
    parts = [f"{name} {part}" if name != "remedy" else f"{part}" for name, part in named if part is not None]
    first = error.what if error.where is None else f"{error.what} ({error.where})"
    return " ".join("; ".join([first, *parts]).split())


def _check_header(path: Path) -> None:
    """Check what reading a file would put right or not say clearly; one that cannot be read passes.

    Raises:
        DataError: Voxel sizes that are not positive.
        LabelError: Several values per voxel.
    """
    header = read_stored_header(path)
    if header is None:
        return
    if not all(0 < size < math.inf for size in header.spacing_mm):
        raise DataError(
            "the header has a voxel size that is zero, negative or not finite",
            where=path,
            got=f"spacing ({', '.join(f'{size:g}' for size in header.spacing_mm)}) mm",
            expected="positive voxel sizes in millimetres",
            remedy="convert the file again from its source",
        )
    if math.prod(header.shape[3:]) > 1:
        raise LabelError(
            "the file has several values per voxel: this looks like a probability map per class or region",
            where=path,
            got=f"shape {header.shape}",
            expected="a label map of three dimensions",
            remedy="pass label maps, or turn the probabilities into labels",
        )


def _is_plane(path: Path) -> bool:
    """Whether a file is an image of two axes, whose surfaces are contours."""
    header = read_stored_header(path)
    return header is not None and len(header.shape) == 2


def _checked(
    labels: NDArray[np.float32], convention: LabelConvention, side: str, path: Path | None
) -> NDArray[np.uint8]:
    """Check the values of a side, with a message that fits what is wrong with them.

    Raises:
        LabelError: Values that are not finite, not whole, or not in the convention.
    """
    try:
        return convention.check(labels, path)
    except LabelError as error:
        finite = np.isfinite(labels)
        if not finite.all():
            raise LabelError(
                "the label map has voxels that are not finite numbers",
                where=path,
                got=f"NaN or infinity in {finite.size - np.count_nonzero(finite)} voxels",
                expected="whole label values",
                remedy="export the label map again",
            ) from error
        if (fractions := labels[labels != np.rint(labels)]).size:
            raise _not_whole(labels, fractions, path) from error
        fitting = conventions_that_fit(np.unique(labels).tolist())
        conventions = f", such as {', '.join(fitting)}, which have all the values" if fitting else ""
        raise LabelError(
            error.what,
            where=path,
            got=error.got,
            expected=error.expected,
            remedy=f"set {side}_convention{conventions}; or write what each value means in labels",
        ) from error


def _not_whole(labels: NDArray[np.float32], fractions: NDArray[np.float32], path: Path | None) -> LabelError:
    got = f"{fractions.size} voxels with fractions such as {fractions[0]:.6g}"
    if labels.min() >= 0 and labels.max() <= 1:
        return LabelError(
            "the values are not labels: this looks like a probability map",
            where=path,
            got=f"{got}, all values within 0 and 1",
            expected="whole label values",
            remedy="threshold the probabilities, or pass label maps",
        )
    return LabelError(
        "the label map has values that are not whole numbers",
        where=path,
        got=got,
        expected="whole label values",
        remedy="resample label maps with nearest-neighbour interpolation",
    )


def _shown(geometry: Geometry) -> str:
    rows = ["[" + ", ".join(f"{value:.7g}" for value in row) + "]" for row in geometry.affine[:3].tolist()]
    return f"shape {geometry.shape}, affine [{', '.join(rows)}]"
