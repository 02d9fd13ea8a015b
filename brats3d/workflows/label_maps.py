"""Label maps: what is checked before those of other tools are believed, and before own ones are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import DataError, LabelError, OutputError
from brats3d.imaging import Geometry
from brats3d.imaging.headers import read_stored_header
from brats3d.labels import LabelConvention, conventions_that_fit

PROBABILITIES_ENDING = "_probabilities.nii.gz"
"""What the probability map beside a label map is called, after the case."""

PICTURE_ENDING = "_mask.png"
"""What the picture of a mask beside a label map is called, for cases that are pictures."""


def check_targets(targets: Sequence[Path], overwrite: bool) -> None:
    """Fail before the work, not after it.

    Raises:
        OutputError: Files exist and may not be replaced.
    """
    present = [path for path in targets if path.exists()]
    if present and not overwrite:
        raise OutputError(
            f"{len(present)} of {len(targets)} predictions exist already",
            where=present[0],
            remedy="pass --overwrite, or choose another --output",
        )


def check_header(path: Path) -> None:
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


def checked_labels(
    labels: NDArray[np.float32], convention: LabelConvention, side: str, path: Path | None
) -> NDArray[np.uint8]:
    """Check the values of a label map, with a message that fits what is wrong with them.

    Args:
        labels: Values as they are read.
        convention: What they should mean.
        side: ``prediction`` or ``reference``, for the message.
        path: Their file, if there is one.

    Returns:
        The values, uint8.

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


def shown_grid(geometry: Geometry) -> str:
    """Compose shape and affine into a line for a message."""
    rows = ["[" + ", ".join(f"{value:.7g}" for value in row) + "]" for row in geometry.affine[:3].tolist()]
    return f"shape {geometry.shape}, affine [{', '.join(rows)}]"
