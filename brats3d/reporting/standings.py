"""What a comparison comes to: wins, ties and losses of two models, ranks of any number."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from brats3d.metrics import Comparison
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.metric_titles import metric_title
from brats3d.reporting.palette import MODELS, NEITHER
from brats3d.reporting.table import Table
from brats3d.reporting.texts import p_value, shortened

WINS_KIND, RANKS_KIND = "wins", "ranks"
_BAR_IN = 0.3
_LETTERS = 28


@styled
def draw_wins(comparison: Comparison) -> Drawing:
    """Draw in how many cases which of two models is better, a bar per metric and region.

    Args:
        comparison: A comparison of exactly two models.
    """
    assert len(comparison.models) == 2, comparison.models
    first, second = comparison.models
    found = comparison.differences
    figure = new_figure(6.4, _BAR_IN * len(found) + 1.1)
    axes = figure.subplots()
    for place, own in enumerate(found):
        _bar(axes, place, (own.wins, own.ties, own.losses))
        axes.annotate(
            p_value(own.p_holm), (1.01, place), va="center", fontsize="small", annotation_clip=False
        )
    axes.set_yticks(range(len(found)), [f"{metric_title(own.metric)}  {own.region}" for own in found])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of the cases")
    axes.axvline(0.5, color="black", linewidth=0.8, linestyle=":", zorder=0)
    names = (f"{shortened(first, _LETTERS)} better", "equal", f"{shortened(second, _LETTERS)} better")
    handles = [
        Patch(facecolor=colour, edgecolor="black", linewidth=0.4, label=name)
        for colour, name in zip(_colours(), names, strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize="small")
    rows = [
        [
            *(own.metric, own.region, own.wins, own.ties, own.losses, own.difference.undefined),
            *(own.difference.median, own.difference.mean, own.difference.ci95_low, own.difference.ci95_high),
            *(own.p, own.p_holm),
        ]
        for own in found
    ]
    columns = (
        *("metric", "region", "first_better", "equal", "second_better", "undefined"),
        *("median_difference", "mean_difference", "ci95_low", "ci95_high", "p", "p_holm"),
    )
    caption = "Numbers in the bars are cases; p of Wilcoxon's signed-rank test, adjusted after Holm."
    return Drawing(WINS_KIND, "Wins, ties and losses", caption, figure, Table(columns, rows))


def _colours() -> tuple[str, str, str]:
    return MODELS[0], NEITHER, MODELS[1]


def _bar(axes: Axes, place: int, counts: tuple[int, int, int]) -> None:
    total, left = sum(counts), 0.0
    for count, colour in zip(counts, _colours(), strict=True):
        if not count:
            continue
        share = count / total
        axes.barh(place, share, left=left, color=colour, edgecolor="black", linewidth=0.4, height=0.72)
        ink = "white" if colour == MODELS[0] else "black"
        axes.text(left + share / 2, place, str(count), ha="center", va="center", fontsize="small", color=ink)
        left += share


@styled
def draw_ranks(comparison: Comparison) -> Drawing:
    """Draw the mean rank of each model, the best on top."""
    ranking = comparison.ranking
    figure = new_figure(5.4, 0.34 * len(ranking) + 0.9)
    axes = figure.subplots()
    for place, own in enumerate(ranking):
        colour = MODELS[comparison.models.index(own.model) % len(MODELS)]
        axes.hlines(place, 1, own.mean_rank, color="0.7", linewidth=1.2)
        axes.scatter([own.mean_rank], [place], s=46, color=colour, edgecolor="black", linewidth=0.6, zorder=3)
        place_of_text = (own.mean_rank, place)
        axes.annotate(f"{own.mean_rank:.2f}", place_of_text, (7, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(ranking)), [shortened(own.model, _LETTERS) for own in ranking])
    axes.invert_yaxis()
    axes.margins(y=0.3 if len(ranking) < 4 else 0.1)
    axes.set_xlim(1, len(ranking) + 0.25)
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("mean rank (1 is best)")
    axes.grid(axis="x", alpha=0.3, linewidth=0.6)
    by_pair = {frozenset((own.first, own.second)): own for own in comparison.rank_differences}
    best = ranking[0].model
    rows: list[list[object]] = []
    for own in ranking:
        against = by_pair.get(frozenset((own.model, best)))
        p = (None, None) if against is None else (against.p, against.p_holm)
        rows.append([own.model, own.mean_rank, *p])
    columns = ("model", "mean_rank", "p_against_best", "p_holm")
    caption = (
        f"Ranks per case, region and metric, averaged within each of {comparison.cases} cases and over them "
        "(Bakas et al. 2018); p of a permutation test."
    )
    return Drawing(RANKS_KIND, "Mean ranks", caption, figure, Table(columns, rows))
