"""Out-of-fold probabilities: what the run that did not train on a case says of it, kept in small files.

Of a case the box is kept that holds the reference and everything that is not very unlikely to be tumour.
Probabilities are rounded up to float16, so that being above a threshold that float16 holds, as the usual
0.5 is, means the same as before; other thresholds move by less than a thousandth of themselves.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.errors import DataError
from brats3d.files import atomic_path
from brats3d.imaging import Geometry, is_single_plane, read_volume
from brats3d.labels import LabelConvention
from brats3d.metrics import CaseScores, Profile, evaluate_case
from brats3d.metrics.boxes import Box, bounding_box
from brats3d.postprocessing import Postprocessing
from brats3d.workflows.segmentation import labelled

UNLIKELY = 0.01
"""Probabilities below this are kept as 0."""
_READ_ERRORS = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class OutOfFoldCase:
    """Probabilities and reference of a case, in the box that holds both.

    Attributes:
        case_id: Name of the case.
        probabilities: Float32 ``(R, *S)``.
        reference: Bool ``(R, *S)``.
        spacing_mm: Voxel size along each axis.
        voxel_volume_ml: Volume of a voxel in millilitres.
        outside: Voxels of the case beyond the box.
        is_plane: Whether it is an image of two axes, whose surfaces are contours.
    """

    case_id: str
    probabilities: NDArray[np.float32]
    reference: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    voxel_volume_ml: float
    outside: int
    is_plane: bool = False

    def scores(
        self,
        postprocessing: Postprocessing,
        convention: LabelConvention,
        profile: Profile,
        *,
        only: Sequence[str] | None = None,
        region: str | None = None,
    ) -> CaseScores:
        """Score the label map that ``predict`` would make.

        Args:
            postprocessing: Rules for the regions.
            convention: Names the regions.
            profile: Rules of the scores.
            only: Names of the metrics; None: all.
            region: Name of the one region to score; None: all.
        """
        labels = labelled(self.probabilities, postprocessing, convention, self.voxel_volume_ml, convention)
        names = convention.region_names
        chosen = [index for index, name in enumerate(names) if region in (None, name)]
        axes = (..., 0) if self.is_plane else ...
        reference = self.reference[chosen][axes]
        return evaluate_case(
            convention.to_regions(labels)[chosen][axes],
            reference,
            spacing_mm=self.spacing_mm[: reference.ndim - 1],
            regions=[names[index] for index in chosen],
            case_id=self.case_id,
            profile=profile,
            background_outside=self.outside,
            only=only,
        )


def keep_case(
    folder: Path, case: Case, probabilities: NDArray[np.float32], geometry: Geometry, *, origin: str
) -> None:
    """Write a case.

    Args:
        folder: Where it is kept.
        case: The case, whose label map is read.
        probabilities: Float32 ``(R, X, Y, Z)`` on the grid of its files.
        geometry: That grid.
        origin: What the probabilities were computed with and from.

    Raises:
        DataError: The label map cannot be read.
        OutputError: The file cannot be written.
    """
    assert case.label is not None
    with case.here(label_only=True):
        voxels, _ = read_volume(case.label)
    reference = case.convention.to_regions(case.convention.check(voxels, case.label))
    likely = np.where(probabilities < UNLIKELY, np.float32(0), probabilities)
    box = _box(*likely, *reference)
    with (
        atomic_path(_path(folder, case.case_id)) as temporary,
        temporary.open("wb") as file,
    ):
        np.savez_compressed(
            file,
            probabilities=_rounded_up(likely[(slice(None), *box)]),
            reference=reference[(slice(None), *box)],
            start=[span.start for span in box],
            shape=geometry.shape,
            affine=geometry.affine,
            regions=case.convention.region_names,
            origin=origin,
            is_plane=is_single_plane(case.label),
        )


def kept_origin(folder: Path, case_id: str) -> str | None:
    """Return what a case was computed with and from; None where there is no whole file."""
    try:
        with np.load(_path(folder, case_id)) as content:
            return str(content["origin"])
    except _READ_ERRORS:
        return None


def read_case(folder: Path, case_id: str) -> OutOfFoldCase:
    """Read a case.

    Raises:
        DataError: The file is missing or torn.
    """
    path = _path(folder, case_id)
    try:
        with np.load(path) as content:
            probabilities, reference = content["probabilities"], content["reference"]
            x, y, z = content["shape"].tolist()
            geometry = Geometry((x, y, z), content["affine"])
            is_plane = bool(content["is_plane"]) if "is_plane" in content else False
    except _READ_ERRORS as error:
        raise DataError(
            "cannot read the probabilities of a case",
            where=path,
            got=type(error).__name__,
            remedy="remove the file, and it is computed again",
        ) from error
    return OutOfFoldCase(
        case_id,
        probabilities.astype(np.float32),
        reference,
        geometry.spacing_mm,
        geometry.voxel_volume_ml,
        int(np.prod(geometry.shape)) - reference[0].size,
        is_plane,
    )


def _path(folder: Path, case_id: str) -> Path:
    return folder / f"{case_id}.npz"


def _box(*masks: NDArray[np.generic]) -> Box:
    """Box of what is not zero, at least one voxel."""
    return tuple(slice(span.start, max(span.stop, span.start + 1)) for span in bounding_box(*masks))


def _rounded_up(probabilities: NDArray[np.float32]) -> NDArray[np.float16]:
    nearest = probabilities.astype(np.float16)
    higher = np.nextafter(nearest, np.float16(2))
    return np.where(nearest < probabilities, higher, nearest)
