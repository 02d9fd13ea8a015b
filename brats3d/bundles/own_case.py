"""A held-out case of the run, laid out so that a bundle can read it whatever its data set looks like."""

from __future__ import annotations

import logging
from pathlib import Path

from brats3d import assembly
from brats3d.bundles.scripts.siblings import find_case
from brats3d.bundles.source import BundleSource
from brats3d.cases import Case
from brats3d.errors import Brats3dError
from brats3d.imaging import read_volume, write_image
from brats3d.workflows.runs import RunFolder

logger = logging.getLogger(__name__)
_NAME = "held_out"


def held_out_case(run: RunFolder, source: BundleSource) -> Case | None:
    """Return the first test case of a run (else validation case), or None where it cannot be had.

    Runs outlive their data: a data set that has been moved does not stop an export.
    """
    root, split = source.config.data.root, run.split()
    names = split.test or split.val
    if root is None or not names:
        return None
    try:
        cases = assembly.discover_cases(source.config.data, Path(root)).cases
    except Brats3dError as error:
        logger.info("the data set of the run is not to be had (%s)", error.what)
        return None
    known = {case.case_id: case for case in cases}
    return next((known[name] for name in names if name in known), None)


def stage(case: Case, source: BundleSource, folder: Path) -> Case:
    """Write the images of a case into ``folder``, one file for each modality named as in BraTS.

    Raises:
        DataError: A file of the case is missing or torn.
    """
    case.require(source.modalities)
    paths = [folder / f"{_NAME}_{modality}.nii.gz" for modality in source.modalities]
    for path, modality in zip(paths, source.modalities, strict=True):
        voxels, geometry = read_volume(case.images[modality], channel=case.channels.get(modality))
        write_image(path, voxels, geometry, overwrite=False)
    return find_case(paths, source.modalities, source.convention)
