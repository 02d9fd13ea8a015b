"""The scores of a cross-validation, over its cases and over its folds, as text and as JSON content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brats3d.metrics import RegionRow, Statistics, describe
from brats3d.metrics.text_table import lay_out

_PRINTED = {
    "dice": ("Dice", 3),
    "hd95_mm": ("HD95 (mm)", 1),
    "lesion_dice": ("lesion Dice", 3),
    "lesion_hd95_mm": ("lesion HD95 (mm)", 1),
}


def folds_as_dict(names: Sequence[str], by_fold: Sequence[Sequence[RegionRow]]) -> dict[str, Any]:
    """Return the mean scores of each fold, and their statistics over the folds.

    Args:
        names: Name of each fold's run.
        by_fold: Scores of the cases that each run held out.

    Returns:
        ``folds`` (per fold ``run``, ``cases`` and the means per region and metric) and ``over_folds``
        (per region and metric the fields of :class:`~brats3d.metrics.statistics.Statistics`).
    """
    rows = [row for own in by_fold for row in own]
    metrics, regions = tuple(rows[0].scores), tuple(dict.fromkeys(row.region for row in rows))
    means = {region: {name: _fold_means(by_fold, region, name) for name in metrics} for region in regions}
    folds = [
        {
            "run": name,
            "cases": list(dict.fromkeys(row.case_id for row in own)),
            "means": {
                region: {metric: means[region][metric][fold] for metric in metrics} for region in regions
            },
        }
        for fold, (name, own) in enumerate(zip(names, by_fold, strict=True))
    ]
    over_folds = {
        region: {metric: describe(means[region][metric]).as_dict() for metric in metrics}
        for region in regions
    }
    return {"folds": folds, "over_folds": over_folds}


def format_folds(by_fold: Sequence[Sequence[RegionRow]]) -> str:
    """Lay out the main scores per region: mean and spread over the cases, and over the folds' means."""
    rows = [row for own in by_fold for row in own]
    lines = []
    for region in dict.fromkeys(row.region for row in rows):
        own = [row for row in rows if row.region == region]
        for place, (metric, (title, places)) in enumerate(_PRINTED.items()):
            cases = describe([row[metric] for row in own])
            folds = describe(_fold_means(by_fold, region, metric))
            interval = f"[{cases.ci95_low:.{places}f}, {cases.ci95_high:.{places}f}]"
            cells = (str(cases.n), _spread(cases, places), interval, _spread(folds, places))
            lines.append(("" if place else region, title, *cells))
    header = ("Region", "Metric", "n", "mean ± SD, cases", "95 % interval", f"folds ({len(by_fold)})")
    return lay_out(header, lines, left=2)


def format_gain(selection: Mapping[str, Any]) -> str:
    """Say in a line what the choice of rules gains on cases it was not made with."""
    gain = selection["gain"]
    return (
        f"rules chosen by the other folds change {selection['score']} by {gain['mean']:+.4f} "
        f"[{gain['ci95_low']:+.4f}, {gain['ci95_high']:+.4f}] "
        f"({selection['configured']['mean']:.4f} to {selection['held_out']['mean']:.4f}, {gain['n']} cases)"
    )


def _fold_means(by_fold: Sequence[Sequence[RegionRow]], region: str, metric: str) -> list[float]:
    """Mean of the defined scores of each fold; NaN where there is none."""
    return [
        describe([row[metric] for row in own if row.region == region], resamples=1).mean for own in by_fold
    ]


def _spread(found: Statistics, places: int) -> str:
    return f"{found.mean:.{places}f} ± {found.sd:.{places}f}"
