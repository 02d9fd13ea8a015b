"""The report that compares runs, or folders of predictions, case by case."""

from __future__ import annotations

import itertools
import logging
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brats3d.config import ReportConfig
from brats3d.errors import ConfigError
from brats3d.files import write_json
from brats3d.metrics import Comparison, RegionRow, compare, read_metrics_csv
from brats3d.reporting import draw_paired, draw_ranks, draw_wins, files_in_index
from brats3d.reporting.page import Page, Part, place
from brats3d.reporting.page.comparison import (
    case_table,
    difference_table,
    failures_of,
    rank_difference_table,
    rank_tiles,
    ranking_table,
)
from brats3d.reporting.page.content import Details
from brats3d.workflows.comparing import COMPARISON_NAME, FolderComparison, compare_folders
from brats3d.workflows.evaluate import settings_of
from brats3d.workflows.evaluation_files import CSV_NAME
from brats3d.workflows.pairing import holds_volumes
from brats3d.workflows.report_files import check_replaceable, other_files, write_page
from brats3d.workflows.report_subject import scoring_words
from brats3d.workflows.staging import staged

logger = logging.getLogger(__name__)

PAGE = "compare.html"
_MOST_PAIRS = 10


@dataclass(frozen=True)
class _Compared:
    """What was compared.

    Attributes:
        tables: Model to its scores, in the order given.
        found: The comparison of all.
    """

    tables: Mapping[str, Sequence[RegionRow]]
    found: FolderComparison

    def pairs(self) -> list[Comparison]:
        """Every two models compared, on the cases that all have."""
        whole = self.found.comparison
        if len(self.tables) == 2:
            return [whole]
        common = _common(self.tables)
        pairs = itertools.islice(itertools.combinations(self.tables, 2), _MOST_PAIRS)
        return [compare({name: common[name] for name in pair}, metrics=dict(whole.metrics)) for pair in pairs]


def report_comparison(config: ReportConfig) -> Path:
    """Write the page that compares.

    Args:
        config: Two runs or folders or more, references for folders of label maps, and the output.

    Returns:
        The page; figures and ``comparison.json`` lie beside it.

    Raises:
        Brats3dError: Anything the user can mend, see
            :func:`~brats3d.workflows.comparing.compare_folders`.
    """
    if config.run is not None or config.predictions is not None:
        raise ConfigError(
            "compare names everything that is compared",
            where="compare",
            got=config.run or config.predictions,
            remedy="name it in compare, too: --compare '[A, B]'",
        )
    output = _output(config)
    check_replaceable(output, PAGE, overwrite=config.overwrite)
    with staged(output, remove=[*files_in_index(output), *other_files(output)]) as folder:
        compared = _compare(config)
        write_json(folder / COMPARISON_NAME, compared.found.summary)
        page = comparison_page(compared, config, folder)
        write_page(folder, PAGE, page, [COMPARISON_NAME], {"compared": list(compared.tables)})
    return output / PAGE


def _output(config: ReportConfig) -> Path:
    if config.output is not None:
        return Path(config.output)
    first = Path(config.compare[0]).expanduser().absolute()
    return first.parent / f"compare-{'-'.join(Path(name).name for name in config.compare)}"


def _compare(config: ReportConfig) -> _Compared:
    settings = settings_of(config.scoring)
    paths = [Path(name).expanduser().absolute() for name in config.compare]
    with tempfile.TemporaryDirectory() as scratch:
        found = compare_folders(
            paths,
            config.references,
            scratch,
            metrics=config.scoring.metrics,
            **{**settings, "overwrite": True},
        )
        tables = {}
        for name, path in zip(found.comparison.models, paths, strict=True):
            scored = config.references is not None and holds_volumes(path)
            tables[name] = read_metrics_csv((Path(scratch) / name if scored else path) / CSV_NAME)
    return _Compared(tables, found)


def _common(tables: Mapping[str, Sequence[RegionRow]]) -> dict[str, list[RegionRow]]:
    keys = [{(row.case_id, row.region) for row in rows} for rows in tables.values()]
    shared = set.intersection(*keys)
    return {
        name: [row for row in rows if (row.case_id, row.region) in shared] for name, rows in tables.items()
    }


def comparison_page(compared: _Compared, config: ReportConfig, folder: Path) -> Page:
    """Draw the figures and put the page together.

    Args:
        compared: What was found.
        config: What was asked for.
        folder: Where the files of the figures go.

    Raises:
        OutputError: A file cannot be written.
    """
    whole = compared.found.comparison
    common = _common(compared.tables)
    models = " and ".join(whole.models) if len(whole.models) == 2 else ", ".join(whole.models)
    return Page(
        title=f"Comparison of {models}",
        subtitle=_subtitle(whole),
        parts=[
            _ranking_part(whole, compared.found, folder),
            *(_pair_part(own, number, folder) for number, own in enumerate(compared.pairs())),
            Part(
                "paired",
                "Case by case",
                pictures=[place(draw_paired(common, whole, metric), folder) for metric in whole.metrics],
                details=[Details("Scores of each case", [case_table(common, whole)])],
                starts_page=True,
            ),
            _reproduction(config),
        ],
        tiles=rank_tiles(whole),
        failures=failures_of(compared.found.failed, whole.cases),
    )


def _subtitle(whole: Comparison) -> str:
    cases = f"{whole.cases} {'case' if whole.cases == 1 else 'cases'}"
    return f"{cases} that all have; {', '.join(whole.regions)}; by {', '.join(whole.metrics)}"


def _ranking_part(whole: Comparison, found: FolderComparison, folder: Path) -> Part:
    definitions = found.summary["definitions"]
    return Part(
        "ranking",
        "Ranking",
        text=[f"Mean rank: {definitions['mean_rank']}.", *found.notes],
        tables=[ranking_table(whole), rank_difference_table(whole)],
        pictures=[place(draw_ranks(whole), folder)],
        details=[Details("Definitions", terms=list(definitions.items()))],
    )


def _pair_part(own: Comparison, number: int, folder: Path) -> Part:
    first, second = own.models
    text = [
        f"Differences are {second} less {first}, case by case; intervals are bootstrap 95 % intervals of the "
        "mean difference, and p is that of a paired Wilcoxon signed-rank test, adjusted after Holm."
    ]
    drawing = draw_wins(own)
    if number:
        drawing = replace(drawing, kind=f"{drawing.kind}-{number + 1}")
    return Part(
        f"pair-{number + 1}",
        f"{first} and {second}",
        text=text,
        tables=[difference_table(own)],
        pictures=[place(drawing, folder)],
        starts_page=number == 0,
    )


def _reproduction(config: ReportConfig) -> Part:
    words = ["brats3d report --compare", *map(shlex.quote, config.compare)]
    if config.references is not None:
        words.append(f"--references {shlex.quote(config.references)}")
    command = " ".join([*words, *scoring_words(config), "--overwrite"])
    return Part("reproduce", "How to reproduce", commands=[("Write this page again:", command)])
