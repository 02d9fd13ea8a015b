"""What the figures of a case go through the middle of."""

from __future__ import annotations

import numpy as np

from brats3d.reporting.case import LabelledCase
from brats3d.reporting.found_lesions import find_lesions
from brats3d.reporting.views import central_voxel

_CHOICES = {"the largest lesion": False, "the largest predicted lesion": True}


def focus_of(case: LabelledCase) -> tuple[str, tuple[int, int, int]]:
    """Choose the largest lesion of the reference, else of the prediction, else the brain.

    Returns:
        What it is, and the voxel in the middle of its core, else of itself.
    """
    for name, predicted in _CHOICES.items():
        listed = find_lesions(case, predicted=predicted, most=1).listed
        if listed:
            return name, listed[0].centre
    shown = case.brain if case.brain.any() else np.ones(case.prediction.shape, dtype=np.bool_)
    return "the brain" if case.has_orientation else "the image", central_voxel(shown, case.spacing_mm)
