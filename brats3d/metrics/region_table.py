"""One row per case and region: scoring a case, and the table as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import DataError
from brats3d.files import atomic_path
from brats3d.metrics.boxes import bounding_box
from brats3d.metrics.counts import Counts, count_voxels
from brats3d.metrics.empty_policy import BRATS2023, PREDICTION_MISSING, EmptyPolicy, empty_state
from brats3d.metrics.surfaces import surface_distances

METRICS = ("dice", "iou", "sensitivity", "specificity", "precision", "hd95_mm")
"""Metrics that an empty policy decides about, in table order."""


@dataclass(frozen=True)
class RegionRow:
    """Scores of one region of one case; a column each.

    Attributes:
        case_id: Case.
        region: Region name.
        dice: Dice coefficient, 0 to 1.
        iou: Intersection over union, 0 to 1.
        sensitivity: Share of the reference that was found, 0 to 1.
        specificity: Share of the voxels outside the reference that were left out, 0 to 1.
        precision: Share of the prediction that is right, 0 to 1.
        hd95_mm: 95 % Hausdorff distance.
        volume_pred_ml: Volume of the prediction; NaN for 2-D images.
        volume_ref_ml: Volume of the reference; NaN for 2-D images.
        empty: Which mask is empty: nothing (neither), ``both``, ``prediction``, ``reference``, or
            ``missing`` when there is no prediction file. Where it says something the scores are those
            of the empty policy, not of the formulas.
        tp: Voxels in both.
        fp: Voxels in the prediction only.
        fn: Voxels in the reference only.
        tn: Voxels in neither.
    """

    case_id: str
    region: str
    dice: float
    iou: float
    sensitivity: float
    specificity: float
    precision: float
    hd95_mm: float
    volume_pred_ml: float
    volume_ref_ml: float
    empty: str
    tp: int
    fp: int
    fn: int
    tn: int


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(RegionRow))


def evaluate_case(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    spacing_mm: Sequence[float],
    regions: Sequence[str],
    case_id: str,
    definition: str = "area",
    policy: EmptyPolicy = BRATS2023,
    background_outside: int = 0,
    missing: bool = False,
) -> list[RegionRow]:
    """Score every region of one case.

    Args:
        prediction: Bool ``(R, *S)``, two or three spatial axes.
        reference: Bool ``(R, *S)``.
        spacing_mm: Voxel size along each spatial axis.
        regions: Names of the ``R`` regions.
        case_id: Case, for the rows and for messages.
        definition: Surface definition of the distance, a key of
            :data:`~brats3d.metrics.surfaces.SURFACE_DEFINITIONS`.
        policy: What a metric is worth when a mask is empty.
        background_outside: Voxels beyond the arrays that are background in both (when the caller
            cropped); they count as true negatives.
        missing: Whether there is no prediction at all (``prediction`` is then all False).

    Raises:
        DataError: Shapes, number of regions, spacing or values that cannot be scored.
        ConfigError: Unknown definition.
    """
    prediction, reference = (_as_masks(mask, case_id) for mask in (prediction, reference))
    spacing = _check(prediction, reference, spacing_mm, regions, case_id)
    box = (slice(None), *bounding_box(*prediction, *reference))
    boxed = [mask[box] for mask in (prediction, reference)]
    background_outside += math.prod(reference.shape[1:]) - math.prod(boxed[1].shape[1:])
    rows = []
    for region, p, r in zip(regions, *boxed, strict=True):
        counts = count_voxels(p, r, background_outside=background_outside)
        empty = PREDICTION_MISSING if missing else empty_state(counts.predicted, counts.referenced)
        # The distance comes last and is measured only where the policy asks for it.
        formulas = {metric: partial(getattr, counts, metric) for metric in METRICS[:-1]}
        formulas["hd95_mm"] = partial(_hd95_mm, p, r, spacing, definition)
        scores = {metric: policy.value(metric, empty, formulas[metric]) for metric in METRICS}
        rows.append(_row(case_id, region, scores, counts, empty, spacing))
    return rows


def _hd95_mm(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing_mm: tuple[float, ...],
    definition: str,
) -> float:
    return surface_distances(
        prediction, reference, spacing_mm=spacing_mm, definition=definition
    ).hausdorff_mm(95)


def _row(
    case_id: str,
    region: str,
    scores: dict[str, float],
    counts: Counts,
    empty: str,
    spacing: tuple[float, ...],
) -> RegionRow:
    voxel_ml = math.prod(spacing) / 1000 if len(spacing) == 3 else math.nan
    columns: dict[str, Any] = {
        **scores,
        "volume_pred_ml": counts.predicted * voxel_ml,
        "volume_ref_ml": counts.referenced * voxel_ml,
        "empty": empty,
        **asdict(counts),
    }
    return RegionRow(case_id, region, **columns)


def _as_masks(masks: NDArray[Any], case_id: str) -> NDArray[np.bool_]:
    array = np.asarray(masks)
    if array.dtype == bool:
        return array
    if not ((array == 0) | (array == 1)).all():
        raise DataError(
            "a region mask holds values other than 0 and 1",
            where=case_id,
            got=f"dtype {array.dtype}, values from {array.min():g} to {array.max():g}",
            expected="one boolean mask per region",
            remedy="threshold probabilities, or turn labels into regions with LabelConvention.to_regions",
        )
    return array.astype(bool)


def _check(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    regions: Sequence[str],
    case_id: str,
) -> tuple[float, ...]:
    """Check what the caller gave and return the spacing as floats."""
    spacing = tuple(float(size) for size in spacing_mm)
    if prediction.shape != reference.shape or len(reference) != len(regions):
        raise DataError(
            "prediction and reference do not have the same grid or regions",
            where=case_id,
            got=f"prediction {prediction.shape}, reference {reference.shape}",
            expected=f"both (R, *S) with {len(regions)} regions ({', '.join(regions)})",
        )
    axes = reference.ndim - 1
    if axes not in (2, 3) or len(spacing) != axes or not all(0 < size < math.inf for size in spacing):
        raise DataError(
            "the spacing does not fit the masks",
            where=case_id,
            got=f"spacing {spacing} mm for masks of {axes} spatial axes",
            expected="one positive voxel size per spatial axis, two or three",
        )
    return spacing


def write_metrics_csv(path: Path, rows: Iterable[RegionRow], *, overwrite: bool = True) -> None:
    """Write the table atomically; undefined values stay blank, numbers keep full precision.

    Raises:
        OutputError: The file exists and may not be replaced, or cannot be written.
    """
    with (
        atomic_path(path, overwrite=overwrite) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            values = (getattr(row, column) for column in COLUMNS)
            writer.writerow("" if value != value else value for value in values)


def read_metrics_csv(path: Path) -> list[RegionRow]:
    """Read a table that :func:`write_metrics_csv` wrote; further columns are ignored.

    Raises:
        DataError: The file is missing, or is not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise KeyError(", ".join(missing))
            return [_parse(record) for record in reader]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(
            "not a table of region metrics",
            where=path,
            got=f"{type(error).__name__}: {error}",
            expected="a CSV file with the columns " + ", ".join(COLUMNS),
            remedy="point to the metrics.csv that fit or evaluate wrote",
        ) from error


def _parse(record: dict[str, str]) -> RegionRow:
    values: dict[str, Any] = {}
    for field in fields(RegionRow):
        text = record[field.name]
        if field.type == "float":
            values[field.name] = float(text) if text else math.nan
        else:
            values[field.name] = int(text) if field.type == "int" else text
    return RegionRow(**values)
