"""The scores of a sweep, a line for each run, as CSV and as text."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brats3d.metrics.text_table import lay_out
from brats3d.workflows.runs import RunFolder

METRICS = ("dice", "iou", "accuracy")
_PLACES = {"dice": 3, "iou": 3, "accuracy": 4}
_TITLES = {"dice": "Dice", "iou": "IoU", "accuracy": "accuracy"}
_MEAN = "mean"


@dataclass(frozen=True)
class VariantScores:
    """What one run reached.

    Attributes:
        run: Name of the run.
        settings: Dotted key to value.
        split: Which cases were scored, ``test`` or ``val``; None: none was held out.
        cases: How many these are.
        training_minutes: Time of the training.
        means: Region, or ``mean`` over regions, to metric to mean over cases.
    """

    run: str
    settings: Mapping[str, Any]
    split: str | None
    cases: int
    training_minutes: float
    means: Mapping[str, Mapping[str, float]]


def read_scores(settings: Mapping[str, Any], run: RunFolder) -> VariantScores:
    """Read the scores of a finished run."""
    summary = json.loads(run.metrics_json.read_text(encoding="utf-8"))
    parts = {**summary["regions"], _MEAN: summary[_MEAN]} if summary["regions"] else {}
    means = {
        name: {metric: _number(part[metric]["mean"]) for metric in METRICS} for name, part in parts.items()
    }
    return VariantScores(
        run.path.name,
        settings,
        summary["split"],
        summary["cases"],
        summary["training_minutes"],
        means,
    )


def variants_csv(scores: Sequence[VariantScores]) -> str:
    """Lay out all scores as CSV: run, settings, then the metrics of each region and their mean."""
    text = io.StringIO()
    keys = list(scores[0].settings) if scores else []
    parts = _parts(scores)
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"{part}_{metric}" for part in parts for metric in METRICS]
    writer.writerow(["run", *keys, "split", "cases", "training_minutes", *columns])
    for own in scores:
        values = [_mean(own, part, metric) for part in parts for metric in METRICS]
        about = [own.split or "", own.cases, own.training_minutes]
        writer.writerow([own.run, *own.settings.values(), *about, *values])
    return text.getvalue()


def format_variants(scores: Sequence[VariantScores]) -> str:
    """Lay out the mean scores as text; columns of settings have the last part of their keys."""
    keys = list(scores[0].settings) if scores else []
    regions = [part for part in _parts(scores) if part != _MEAN]
    header = [key.rsplit(".", 1)[-1] for key in keys]
    header += [_TITLES[metric] for metric in METRICS] + [f"Dice {region}" for region in regions]
    lines = []
    for own in scores:
        cells = [(_MEAN, metric) for metric in METRICS] + [(region, "dice") for region in regions]
        numbers = [_text(_mean(own, part, metric), _PLACES[metric]) for part, metric in cells]
        lines.append(
            [*map(str, own.settings.values()), *numbers, f"{own.training_minutes:.1f}", str(own.cases)]
        )
    return lay_out([*header, "minutes", "cases"], lines, left=len(keys))


def _parts(scores: Sequence[VariantScores]) -> list[str]:
    return list(dict.fromkeys(part for own in scores for part in own.means))


def _mean(own: VariantScores, part: str, metric: str) -> float:
    return own.means.get(part, {}).get(metric, math.nan)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _text(value: float, places: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{places}f}"
