"""Score a model on cases with label maps, on the grid of their files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.imaging import is_single_plane, read_volume
from brats3d.metrics import (
    Calibration,
    LesionRow,
    RegionRow,
    count_calibration,
    evaluate_case,
    pool_calibrations,
    write_calibration_csv,
    write_lesions_csv,
    write_metrics_csv,
)
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation

logger = logging.getLogger(__name__)

Row = TypeVar("Row", RegionRow, LesionRow)


@dataclass(frozen=True)
class HeldOutScores:
    """Scores of cases.

    Attributes:
        rows: One per case and region.
        lesions: One per lesion, by the default profile.
        calibration: Region to how its probabilities agree with the references, over all cases.
    """

    rows: tuple[RegionRow, ...] = ()
    lesions: tuple[LesionRow, ...] = ()
    calibration: Mapping[str, Calibration] = field(default_factory=dict)

    @classmethod
    def together(cls, parts: Iterable[HeldOutScores]) -> HeldOutScores:
        """Scores of all parts, sorted by case; how the cases were shared out makes no difference."""
        every = list(parts)
        return cls(
            _by_case(row for part in every for row in part.rows),
            _by_case(lesion for part in every for lesion in part.lesions),
            pool_calibrations(part.calibration for part in every),
        )

    def never_predicted(self) -> list[str]:
        """Regions that references have, and of which not one voxel was predicted in any case."""
        wanted = {row.region for row in self.rows if row.counts.tp + row.counts.fn}
        found = {row.region for row in self.rows if row.counts.tp + row.counts.fp}
        return [name for name in dict.fromkeys(row.region for row in self.rows) if name in wanted - found]

    def write(self, run: RunFolder) -> None:
        """Write the tables into the folder of a run.

        Raises:
            OutputError: A file cannot be written.
        """
        write_metrics_csv(run.metrics_csv, self.rows)
        write_lesions_csv(run.lesions_csv, self.lesions)
        write_calibration_csv(run.calibration_csv, self.calibration)


def _by_case(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: row.case_id))


def score_cases(segmentation: CaseSegmentation, cases: Sequence[Case]) -> HeldOutScores:
    """Segment whole cases and compare them with their label maps.

    Raises:
        DataError: A file of a case is missing or torn.
        LabelError: A label map with values outside its convention.
    """
    parts = []
    for case in cases:
        parts.append(_score(segmentation, case))
        logger.info("scored %s", case.case_id)
    return HeldOutScores.together(parts)


def _score(segmentation: CaseSegmentation, case: Case) -> HeldOutScores:
    assert case.label is not None
    predicted = segmentation.predict(segmentation.prepare(case))
    result = segmentation.finish(predicted, case.convention)
    brain = predicted.restoration.restore(predicted.brain.astype(np.uint8), order=0).astype(np.bool_)
    with case.here(label_only=True):
        voxels, _ = read_volume(case.label)
    axes: tuple[EllipsisType, int] | EllipsisType = (..., 0) if is_single_plane(case.label) else ...
    labels = result.labels[axes]
    reference = case.convention.to_regions(case.convention.check(voxels, case.label)[axes])
    regions = segmentation.convention.region_names
    scores = evaluate_case(
        case.convention.to_regions(labels),
        reference,
        spacing_mm=result.geometry.spacing_mm[: labels.ndim],
        regions=regions,
        case_id=case.case_id,
    )
    calibration = _calibration(result.probabilities[axes], reference, brain[axes], regions)
    return HeldOutScores(scores.rows, scores.lesions, calibration)


def _calibration(
    probabilities: NDArray[np.float32],
    reference: NDArray[np.bool_],
    brain: NDArray[np.bool_],
    regions: Sequence[str],
) -> dict[str, Calibration]:
    pairs = zip(regions, probabilities, reference, strict=True)
    return {region: count_calibration(own, wanted, brain) for region, own, wanted in pairs}
