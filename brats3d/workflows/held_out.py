"""Score a model on cases with label maps, on the grid of their files."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from brats3d.cases import Case
from brats3d.imaging import is_single_plane, read_volume
from brats3d.metrics import RegionRow, evaluate_case
from brats3d.workflows.segmentation import CaseSegmentation

logger = logging.getLogger(__name__)


def score_cases(segmentation: CaseSegmentation, cases: Sequence[Case]) -> list[RegionRow]:
    """Segment whole cases and compare them with their label maps.

    Raises:
        DataError: A file of a case is missing or torn.
        LabelError: A label map with values outside its convention.
    """
    rows: list[RegionRow] = []
    for case in cases:
        assert case.label is not None
        result = segmentation(case, case.convention)
        with case.here(label_only=True):
            voxels, _ = read_volume(case.label)
        reference = case.convention.check(voxels, case.label)
        axes = (..., 0) if is_single_plane(case.label) else ...
        labels = result.labels[axes]
        rows += evaluate_case(
            case.convention.to_regions(labels),
            case.convention.to_regions(reference[axes]),
            spacing_mm=result.geometry.spacing_mm[: labels.ndim],
            regions=segmentation.convention.region_names,
            case_id=case.case_id,
        ).rows
        logger.info("scored %s", case.case_id)
    return rows
