"""Compare tools case by case, on the same references."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brats3d.config import EvaluateConfig
from brats3d.errors import ConfigError, DataError, OutputError
from brats3d.files import write_json
from brats3d.metrics import DEFAULT_PROFILE, Profile, RegionRow, metrics_of, read_metrics_csv
from brats3d.metrics.comparison import Comparison, compare, format_comparison
from brats3d.registry import look_up
from brats3d.workflows.evaluate import evaluate, existing_path, settings_of
from brats3d.workflows.evaluation import check_complete
from brats3d.workflows.evaluation_files import CSV_NAME, JSON_NAME, versions
from brats3d.workflows.pairing import FAIL, SKIP, holds_volumes
from brats3d.workflows.scoring_rules import chosen_profile

COMPARISON_NAME = "comparison.json"
COMPARED_BY = ("dice", "hd95_mm")
_MOST_LISTED = 5


@dataclass(frozen=True)
class FolderComparison:
    """What a comparison found.

    Attributes:
        comparison: Differences, wins and ranks.
        summary: Content of ``comparison.json``.
        notes: What the user should know, one sentence each.
        failed: Case id to why it is not among those compared; empty when all are.
    """

    comparison: Comparison
    summary: dict[str, Any]
    notes: tuple[str, ...]
    failed: Mapping[str, str]

    def table(self) -> str:
        """Lay out differences and ranking as text."""
        return format_comparison(self.comparison)

    def check_complete(self) -> None:
        """Check that no case failed.

        Raises:
            DataError: Some did; the message lists them.
        """
        check_complete(self.failed, done=self.comparison.cases, what="compared", file=COMPARISON_NAME)


@dataclass(frozen=True)
class _Scored:
    """Scores of one folder, as its files say."""

    rows: Sequence[RegionRow]
    failed: Mapping[str, str]
    profile: Any
    notes: tuple[str, ...]


def compare_folders(
    folders: Sequence[str | Path],
    references: str | Path | None = None,
    output: str | Path | None = None,
    *,
    metrics: Sequence[str] = COMPARED_BY,
    overwrite: bool = False,
    **settings: Any,
) -> FolderComparison:
    """Score folders of predictions, or read what was scored, and compare them case by case.

    A folder with label maps is scored when references are given, into ``output`` (a folder of its own
    there) or, without, into itself, as :func:`~brats3d.workflows.evaluate.evaluate` does. Of any other
    folder the ``metrics.csv`` is read.

    Args:
        folders: Two folders or more.
        references: Data set, folder of label maps, or one file.
        output: Folder for ``comparison.json``; None: the first of the folders.
        metrics: Names of the metrics to compare by.
        overwrite: Whether results of other inputs or settings may be replaced.
        settings: Further arguments of :func:`~brats3d.workflows.evaluate.evaluate`.

    Raises:
        ConfigError: Unknown metrics, fewer than two folders, or scores by different rules or of different
            regions.
        DataError: No scores in a folder, scores against different references, or no case in common.
        Brats3dError: Anything that :func:`~brats3d.workflows.evaluate.evaluate` raises.
    """
    paths = _distinct(folders)
    inputs = {
        "folders": list(map(str, paths)),
        "references": None if references is None else str(existing_path(references, "references")),
        "metrics": list(metrics),
        "missing": settings.get("missing", FAIL),
    }
    known = metrics_of(_rules_of(settings))
    chosen = [look_up(known, name, "metrics") for name in metrics]
    target = paths[0] if output is None else Path(output)
    _check_replaceable(target / COMPARISON_NAME, inputs, overwrite=overwrite)
    found = {}
    for name, folder in zip(_names(paths), paths, strict=True):
        if references is None or not holds_volumes(folder):
            found[name] = _read(folder)
            continue
        place = folder if output is None else target / name
        result = evaluate(folder, references, place, overwrite=overwrite, **settings)
        found[name] = _read(place, result.notes)
    _check_comparable(found)
    comparison = compare({name: own.rows for name, own in found.items()}, metrics=chosen, common_only=True)
    failed = _failures(found, comparison, inputs["missing"])
    notes = tuple(f"{name}: {note}" for name, own in found.items() for note in own.notes)
    summary = {
        **comparison.as_dict(),
        "versions": versions(),
        "profile": next(iter(found.values())).profile,
        "inputs": inputs,
        "notes": notes,
        "partial": bool(failed),
        "failed": failed,
    }
    write_json(target / COMPARISON_NAME, summary)
    return FolderComparison(comparison, summary, notes, failed)


def compare_as_configured(config: EvaluateConfig) -> FolderComparison:
    """Compare as the command line says.

    Raises:
        Brats3dError: Anything the user can mend, see :func:`compare_folders`.
    """
    if config.predictions is not None:
        raise ConfigError(
            "predictions and compare exclude each other",
            where="predictions",
            got=config.predictions,
            remedy="name the folders of predictions in compare alone",
        )
    settings = settings_of(config)
    return compare_folders(
        config.compare, config.references, config.output, metrics=config.metrics, **settings
    )


def _distinct(folders: Sequence[str | Path]) -> list[Path]:
    """Return the absolute paths of the folders.

    Raises:
        ConfigError: Fewer than two, or one twice.
        DataError: One does not exist.
    """
    paths = [existing_path(folder, "folder to compare") for folder in folders]
    if len(set(paths)) < max(2, len(paths)):
        raise ConfigError(
            "a comparison needs two folders or more, each once",
            where="compare",
            got=", ".join(map(str, folders)) or "none",
            remedy="brats3d evaluate --compare DIR_A DIR_B --references DIR",
        )
    return paths


def _rules_of(settings: Mapping[str, Any]) -> Profile:
    parts = {key: settings.get(key) for key in ("definition", "policy", "penalty_mm", "tolerances_mm")}
    return chosen_profile(settings.get("profile", DEFAULT_PROFILE), **parts)


def _names(folders: Sequence[Path]) -> list[str]:
    """Name the folders by as few of their last parts as tell them apart."""
    deepest = max(len(folder.parts) for folder in folders)
    for parts in range(1, deepest + 1):
        names = ["_".join(part.strip("/\\:") for part in folder.parts[-parts:]) for folder in folders]
        if len(set(names)) == len(names):
            break
    return names


def _read(folder: Path, notes: tuple[str, ...] = ()) -> _Scored:
    """Read the scores in a folder.

    Raises:
        DataError: There are none, or not such tables.
    """
    table = folder / CSV_NAME
    if not table.exists():
        raise DataError(
            "nothing to compare in the folder",
            where=folder,
            expected=f"label maps to score against references, or a {CSV_NAME} written before",
            remedy="pass --references, or score it with brats3d evaluate first",
        )
    rows = read_metrics_csv(table)
    try:
        summary = json.loads((folder / JSON_NAME).read_text(encoding="utf-8"))
        return _Scored(rows, dict(summary.get("failed", {})), summary.get("profile"), notes)
    except FileNotFoundError:
        return _Scored(rows, {}, None, (*notes, f"no {JSON_NAME}: by which rules it was scored is not known"))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(
            "not a summary of scores",
            where=folder / JSON_NAME,
            got=f"{type(error).__name__}",
            expected=f"the {JSON_NAME} that evaluate wrote with {CSV_NAME}",
            remedy="score the folder again",
        ) from error


def _check_comparable(found: Mapping[str, _Scored]) -> None:
    """Check that all were scored by the same rules, against the same references (by their volumes).

    Raises:
        ConfigError: Other rules, or other regions.
        DataError: Other references.
    """
    known = {name: own.profile for name, own in found.items() if own.profile is not None}
    first = next(iter(known), "")
    for name, profile in known.items():
        if profile != known[first]:
            raise ConfigError(
                "the scores are by different rules",
                where=f"{first}, {name}",
                got="; ".join(_differing(known[first], profile)),
                expected="the same profile, with the same parts of your own",
                remedy="score both with the same settings",
            )
    regions = {name: frozenset(row.region for row in own.rows) for name, own in found.items() if own.rows}
    if len(set(regions.values())) > 1:
        raise ConfigError(
            "the scores are not of the same regions",
            got="; ".join(f"{name}: {', '.join(sorted(own))}" for name, own in regions.items()),
            remedy="score both with the same regions",
        )
    volumes: dict[tuple[str, str], int] = {}
    other = []
    for own in found.values():
        for row in own.rows:
            if volumes.setdefault((row.case_id, row.region), row.counts.referenced) != row.counts.referenced:
                other.append(f"{row.case_id} ({row.region})")
    if other:
        more = [f"and {len(other) - _MOST_LISTED} more"] if len(other) > _MOST_LISTED else []
        raise DataError(
            "the scores are against different references",
            where=", ".join(found),
            got="other reference volumes of " + ", ".join([*other[:_MOST_LISTED], *more]),
            remedy="score both against the same references",
        )


def _differing(first: Any, second: Any, key: str = "profile") -> Iterator[str]:
    if isinstance(first, dict) and isinstance(second, dict):
        for name in dict.fromkeys([*first, *second]):
            yield from _differing(first.get(name), second.get(name), f"{key}.{name}")
    elif first != second:
        yield f"{key} {first} and {second}"


def _failures(found: Mapping[str, _Scored], comparison: Comparison, missing: str) -> dict[str, str]:
    reasons: dict[str, list[str]] = {}
    for name, own in found.items():
        for case_id, message in own.failed.items():
            reasons.setdefault(case_id, []).append(f"{name}: {message}")
    for row in comparison.left_out if missing != SKIP else ():
        if row.case_id not in reasons:
            reasons[row.case_id] = [f"no scores in {' and '.join(row.missing_from)}"]
    return {case_id: "; ".join(reasons[case_id]) for case_id in sorted(reasons)}


def _check_replaceable(path: Path, inputs: Mapping[str, Any], *, overwrite: bool) -> None:
    """Check that no comparison of other folders is replaced unasked.

    Raises:
        OutputError: There is one.
    """
    if overwrite or not path.exists():
        return
    try:
        same = json.loads(path.read_text(encoding="utf-8")).get("inputs") == inputs
    except (OSError, ValueError, AttributeError):
        same = False
    if not same:
        raise OutputError(
            "the output exists already",
            where=path,
            got="a comparison of other folders, or with other settings",
            remedy="pass --overwrite, or choose another output folder",
        )
