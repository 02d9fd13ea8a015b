"""Score label maps, of any tool, against references."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from brats3d.assembly import label_convention
from brats3d.config import DataConfig, EvaluateConfig
from brats3d.data.discovery import AUTO
from brats3d.errors import ConfigError, DataError, OutputError
from brats3d.files import write_json
from brats3d.imaging import read_geometry, read_volume
from brats3d.labels import LabelConvention, convention_named
from brats3d.metrics import (
    EMPTY_POLICIES,
    SURFACE_DEFINITIONS,
    EmptyPolicy,
    RegionRow,
    evaluate_case,
    format_table,
    summarise,
    write_metrics_csv,
)
from brats3d.metrics.boxes import bounding_box
from brats3d.registry import look_up
from brats3d.workflows.pairing import MISSING_CHOICES, Pair, find_predictions, find_references, pair

CSV_NAME, JSON_NAME = "metrics.csv", "metrics.json"
_MOST_LISTED = 5


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        rows: One row per case and region.
        summary: Content of ``metrics.json``.
        notes: What the user should know, one sentence each.
    """

    rows: tuple[RegionRow, ...]
    summary: dict[str, Any]
    notes: tuple[str, ...]

    def table(self) -> str:
        """Lay out the means per region as text."""
        return format_table(self.rows)


def evaluate(
    predictions: str | Path,
    references: str | Path,
    output: str | Path | None = None,
    *,
    prediction_pattern: str | None = None,
    reference_pattern: str | None = None,
    prediction_convention: LabelConvention | str | None = AUTO,
    reference_convention: LabelConvention | str | None = AUTO,
    missing: str = "error",
    check_affine: bool = True,
    definition: str = "area",
    policy: EmptyPolicy | str = "brats2023",
    overwrite: bool = False,
    jobs: int = 1,
    quiet: bool = False,
) -> Evaluation:
    """Score label maps against references and write the table and its summary.

    Args:
        predictions: Folder of predicted label maps, or one file.
        references: Data set, folder of label maps, or one file.
        output: Folder for ``metrics.csv`` and ``metrics.json``; None writes nothing.
        prediction_pattern: Which files are predictions, see
            :func:`~brats3d.workflows.pairing.match_pattern`; None finds them by the case ids.
        reference_pattern: Which files are references; None takes the label maps of a data set in a
            known layout, else all volumes (only those called ``seg`` or the like where some are).
        prediction_convention: Meaning of the predicted values; ``auto`` or None: what a
            ``dataset.json`` in the folder says, else that of the references.
        reference_convention: Meaning of the reference values; ``auto`` or None: that of the data set.
        missing: ``error``, ``skip``, or ``penalise`` (a missing prediction gets the worst scores).
        check_affine: Whether the headers must agree about the place in space; shapes always must.
        definition: Surface definition of the distances.
        policy: What a metric is worth when a mask is empty.
        overwrite: Whether existing results may be replaced.
        jobs: Cases scored at a time.
        quiet: Leave out the progress bar.

    Raises:
        LayoutError: A side without label maps, or with several for one case.
        DataError: Files without a partner, on different grids, or unreadable.
        LabelError: A value outside the convention.
        ConfigError: An unknown choice, or conventions that are not given or do not fit.
        OutputError: The results exist already or cannot be written.
    """
    policy = look_up(EMPTY_POLICIES, policy, "policy") if isinstance(policy, str) else policy
    look_up(SURFACE_DEFINITIONS, definition, "definition")
    look_up(dict.fromkeys(MISSING_CHOICES), missing, "missing")
    folder = None if output is None else _free(Path(output), overwrite)

    sides = [_absolute(predictions, "predictions"), _absolute(references, "references")]
    meanings = [
        _named(prediction_convention, "prediction_convention"),
        _named(reference_convention, "reference_convention"),
    ]
    expected = find_references(sides[1], reference_pattern, meanings[1])
    predicted = find_predictions(sides[0], expected.paths, prediction_pattern, meanings[0])
    pairs, notes = pair(predicted, expected, missing=missing)
    conventions = _fitting(predicted.convention, expected.convention)
    _check_grids(pairs, check_affine=check_affine)

    score = partial(score_pair, conventions=conventions, definition=definition, policy=policy)
    rows = tuple(row for case in _progress(score, pairs, jobs, quiet) for row in case)
    inputs = {
        "predictions": str(sides[0]),
        "references": str(sides[1]),
        "missing": missing,
        "prediction_convention": _described(conventions[0]),
        "reference_convention": _described(conventions[1]),
    }
    notes = (*expected.notes, *notes)
    summary = {**summarise(rows, definition=definition, policy=policy), "inputs": inputs, "notes": notes}
    if folder is not None:
        write_metrics_csv(folder / CSV_NAME, rows)
        write_json(folder / JSON_NAME, summary)
    return Evaluation(rows, summary, notes)


def evaluate_as_configured(config: EvaluateConfig) -> Evaluation:
    """Evaluate as the command line says; the results go beside the predictions unless it says where.

    Raises:
        Brats3dError: Anything the user can mend, see :func:`evaluate`.
    """
    if config.predictions is None or config.references is None:
        raise ConfigError(
            "two folders are needed",
            where="predictions, references",
            remedy="brats3d evaluate --predictions DIR --references DIR",
        )
    folder = Path(config.predictions)

    def meaning(convention: str) -> LabelConvention | str:
        return label_convention(
            DataConfig(convention=convention, labels=config.labels, regions=config.regions)
        )

    return evaluate(
        config.predictions,
        config.references,
        config.output or (folder if folder.is_dir() else folder.parent),
        prediction_pattern=config.prediction_pattern,
        reference_pattern=config.reference_pattern,
        prediction_convention=meaning(config.prediction_convention),
        reference_convention=meaning(config.reference_convention),
        missing=config.missing,
        check_affine=config.check_affine,
        definition=config.definition,
        policy=config.policy,
        overwrite=config.overwrite,
        jobs=config.jobs,
    )


def score_pair(
    pair: Pair,
    *,
    conventions: tuple[LabelConvention, LabelConvention],
    definition: str,
    policy: EmptyPolicy,
) -> list[RegionRow]:
    """Read both label maps of a case and score its regions.

    Raises:
        DataError: A file that cannot be read.
        LabelError: A value outside the convention of its side.
    """
    reference, geometry = read_volume(pair.reference)
    prediction = np.zeros_like(reference) if pair.prediction is None else read_volume(pair.prediction)[0]
    # Beyond the box both are background: a tenth of the volume is left to sort into regions.
    box = bounding_box(prediction, reference)
    masks = [
        convention.to_regions(convention.check(volume[box], path))
        for convention, volume, path in zip(
            conventions, (prediction, reference), (pair.prediction, pair.reference), strict=True
        )
    ]
    return evaluate_case(
        masks[0],
        masks[1],
        spacing_mm=geometry.spacing_mm,
        regions=conventions[1].region_names,
        case_id=pair.case_id,
        definition=definition,
        policy=policy,
        background_outside=reference.size - masks[1][0].size,
        missing=pair.prediction is None,
    )


def _progress(
    score: Callable[[Pair], list[RegionRow]], pairs: Sequence[Pair], jobs: int, quiet: bool
) -> Iterator[list[RegionRow]]:
    """Score the pairs in order; threads suffice, since unpacking and searching release the interpreter."""
    if jobs < 1:
        raise ConfigError("a number of jobs that cannot work", where="jobs", got=jobs, expected="1 or more")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True), disable=quiet) as progress,
        ThreadPoolExecutor(jobs) as pool,
    ):
        yield from progress.track(pool.map(score, pairs), total=len(pairs), description="evaluate")


def _free(folder: Path, overwrite: bool) -> Path:
    """Check before the work, not after it, that the results may be written."""
    for name in (CSV_NAME, JSON_NAME):
        if (folder / name).exists() and not overwrite:
            raise OutputError(
                "the output exists already",
                where=folder / name,
                remedy="pass --overwrite true, or choose another output folder",
            )
    return folder


def _absolute(path: str | Path, side: str) -> Path:
    found = Path(path).expanduser().absolute()
    if not found.exists():
        raise DataError(
            f"the {side} do not exist",
            where=found,
            expected="a folder with label maps, or one file",
            remedy="check the path",
        )
    return found


def _named(convention: LabelConvention | str | None, key: str) -> LabelConvention | None:
    if isinstance(convention, str):
        return None if convention == AUTO else convention_named(convention, key)
    return convention


def _fitting(
    prediction: LabelConvention | None, reference: LabelConvention | None
) -> tuple[LabelConvention, LabelConvention]:
    """Let either side mean what the other means where only one is known, and compare their regions."""
    first, second = prediction or reference, reference or prediction
    if first is None or second is None:
        raise ConfigError(
            "nothing tells what the label values mean",
            where="reference_convention",
            got="folders that are not in the layout of a known data set",
            expected="a convention such as brats2017 (ET is 4) or brats2023 (ET is 3)",
            remedy="set reference_convention, and prediction_convention where it differs",
        )
    if first.region_names != second.region_names:
        raise ConfigError(
            "the conventions of both sides do not have the same regions",
            where="prediction_convention",
            got=f"{first.name}: {', '.join(first.region_names)}",
            expected=f"those of {second.name}: {', '.join(second.region_names)}",
            remedy="give both sides the same regions",
        )
    return first, second


def _described(convention: LabelConvention) -> dict[str, Any]:
    return {
        "name": convention.name,
        "labels": dict(convention.tissues),
        "regions": {region.name: sorted(region.tissues) for region in convention.regions},
    }


def _check_grids(pairs: Sequence[Pair], *, check_affine: bool) -> None:
    """Compare headers before a voxel is read.

    Raises:
        DataError: A prediction that is not on the grid of its reference.
    """
    wrong = []
    for one in pairs:
        if one.prediction is None:
            continue
        prediction, reference = read_geometry(one.prediction), read_geometry(one.reference)
        if check_affine or prediction.shape != reference.shape:
            difference = reference.difference(prediction)
            wrong += [f"{one.case_id}: {difference}"] if difference else []
    if wrong:
        more = [f"and {len(wrong) - _MOST_LISTED} more"] if len(wrong) > _MOST_LISTED else []
        raise DataError(
            f"{len(wrong)} of {len(pairs)} predictions are not on the grid of their reference",
            got="; ".join([*wrong[:_MOST_LISTED], *more]),
            expected="the same shape and affine",
            remedy="resample the predictions to the references; where the headers differ but the voxels "
            "are known to line up, set check_affine to false",
        )
