"""A case of the run, laid out so that a bundle can read it whatever its data set looks like."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brats3d import assembly
from brats3d.bundles.scripts.siblings import find_case
from brats3d.bundles.source import BundleSource
from brats3d.cases import Case
from brats3d.errors import Brats3dError
from brats3d.imaging import Geometry, read_volume, write_image
from brats3d.workflows.runs import RunFolder

logger = logging.getLogger(__name__)
_NAME = "own_case"
_WHOLE = (slice(None),) * 3


@dataclass(frozen=True)
class OwnCase:
    """A case of the run.

    Attributes:
        case: Its files.
        part: Part of the split it is in: test, val or train.
    """

    case: Case
    part: str

    @property
    def shown(self) -> str:
        """What it is, in words."""
        return "training case" if self.part == "train" else "held-out case"


def own_case(run: RunFolder, source: BundleSource) -> OwnCase | None:
    """Return the first test case of a run (else validation, else training case), or None.

    Runs outlive their data: a data set that has been moved does not stop an export.
    """
    root, split = source.config.data.root, run.split()
    if root is None:
        return None
    try:
        cases = assembly.discover_cases(source.config.data, root).cases
    except Brats3dError as error:
        logger.info("the data set of the run is not to be had (%s)", error.what)
        return None
    known = {case.case_id: case for case in cases}
    names = ((name, part) for part in ("test", "val", "train") for name in getattr(split, part))
    return next((OwnCase(known[name], part) for name, part in names if name in known), None)


def box_around(labels: NDArray[np.uint8], side: int) -> tuple[slice, ...]:
    """Return a box of at most ``side`` voxels along each axis, around what is not background.

    Without any such voxel it lies in the middle of the volume.
    """
    marked = np.argwhere(labels)
    centre = marked.mean(axis=0) if len(marked) else np.array(labels.shape) / 2
    sides = np.minimum(labels.shape, side)
    starts = np.clip(np.round(centre - sides / 2).astype(int), 0, labels.shape - sides)
    stops = starts + sides
    return tuple(slice(start, stop) for start, stop in zip(starts.tolist(), stops.tolist(), strict=True))


def stage(case: Case, source: BundleSource, folder: Path, box: tuple[slice, ...] = _WHOLE) -> Case:
    """Write the images of a case into ``folder``, one file for each modality named as in BraTS.

    Args:
        case: The case.
        source: Run that names the modalities.
        folder: Where to write to.
        box: Part of the volume to write, three slices.

    Raises:
        DataError: A file of the case is missing or torn.
    """
    case.require(source.modalities)
    paths = [folder / f"{_NAME}_{modality}.nii.gz" for modality in source.modalities]
    with case.here():
        for path, modality in zip(paths, source.modalities, strict=True):
            voxels, geometry = read_volume(case.images[modality], channel=case.channels.get(modality))
            write_image(path, voxels[box], _within(geometry, box), overwrite=False)
    return find_case(paths, source.modalities, source.convention)


def _within(grid: Geometry, box: tuple[slice, ...]) -> Geometry:
    ranges = [range(size)[part] for size, part in zip(grid.shape, box, strict=True)]
    x, y, z = (len(indices) for indices in ranges)
    affine = grid.affine.copy()
    affine[:, 3] = grid.affine @ [*(indices.start for indices in ranges), 1]
    return Geometry((x, y, z), affine, grid.unit)
