"""Scoring one pair of files: everything that decides its scores, and errors that name the case's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import brats3d
from brats3d.errors import Brats3dError, DataError
from brats3d.imaging import AFFINE_TOLERANCE_MM, Geometry, is_single_plane, read_geometry, read_volume
from brats3d.imaging.headers import read_stored_header
from brats3d.metrics import CaseScores, Profile, evaluate_case
from brats3d.metrics.boxes import bounding_box
from brats3d.workflows.conventions import Conventions, convention_as_dict
from brats3d.workflows.label_maps import check_header, checked_labels, shown_grid
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
            convention.to_regions(checked_labels(volume[box], convention, side, path))
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
        check_header(pair.reference)
        reference = read_geometry(pair.reference, allow_plane=True)
        if pair.prediction is None:
            return reference
        check_header(pair.prediction)
        prediction = read_geometry(pair.prediction, allow_plane=True)
        difference = reference.difference(prediction)
        if difference is None or not (self.check_affine or prediction.shape != reference.shape):
            return reference
        raise DataError(
            f"the prediction is not on the grid of its reference: {difference}",
            where=pair.prediction,
            got=shown_grid(prediction),
            expected=f"{shown_grid(reference)}, as in {pair.reference}",
            remedy="resample the prediction to the reference; where the headers differ but the voxels "
            "are known to line up, set check_affine to false",
        )


def in_one_line(error: Brats3dError) -> str:
    """Compose the parts of an error into one line, for lists of cases."""
    named = (("got", error.got), ("expected", error.expected), ("remedy", error.remedy))
    parts = [f"{name} {part}" if name != "remedy" else f"{part}" for name, part in named if part is not None]
    first = error.what if error.where is None else f"{error.what} ({error.where})"
    return " ".join("; ".join([first, *parts]).split())


def _is_plane(path: Path) -> bool:
    """Whether a file is an image of two axes, whose surfaces are contours."""
    header = read_stored_header(path)
    return is_single_plane(path) or (header is not None and len(header.shape) == 2)
