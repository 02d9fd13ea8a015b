"""Features as CSV files, written case by case."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from brats3d.features.extraction import FeatureRow
from brats3d.files import atomic_path

TIDY_COLUMNS = ("case_id", "region", "modality", "feature", "value", "unit", "reason")

Cases = Iterable[tuple[str, Sequence[FeatureRow]]]
"""Case ids with their rows; all cases have rows of the same regions, modalities and features."""


def _tidy(cases: Cases) -> Iterator[Sequence[object]]:
    yield TIDY_COLUMNS
    for case_id, rows in cases:
        for row in rows:
            value = "" if row.reason else row.value
            yield (case_id, row.region, row.modality, row.feature, value, row.unit, row.reason)


def _wide(cases: Cases) -> Iterator[Sequence[object]]:
    header: list[str] | None = None
    for case_id, rows in cases:
        regions: dict[str, list[FeatureRow]] = {}
        for row in rows:
            regions.setdefault(row.region, []).append(row)
        for region, of_region in regions.items():
            if header is None:
                header = [_column(row) for row in of_region]
                yield ("case_id", "region", *header, "reason")
            reasons = dict.fromkeys(row.reason for row in of_region if row.reason)
            values = ["" if row.reason else row.value for row in of_region]
            yield (case_id, region, *values, "; ".join(reasons))


def _column(row: FeatureRow) -> str:
    return f"{row.modality}_{row.feature}" if row.modality else row.feature


FORMS: Mapping[str, Callable[[Cases], Iterator[Sequence[object]]]] = MappingProxyType(
    {"tidy": _tidy, "wide": _wide}
)


def write_features_csv(path: Path, cases: Cases, form: str, *, overwrite: bool = True) -> None:
    """Write the table atomically; undefined values stay blank, numbers keep full precision.

    Args:
        path: File.
        cases: Taken one by one; an error they raise leaves no file behind.
        form: ``tidy``: a row per case, region, image and feature; ``wide``: a row per case and region, with
            columns ``FEATURE`` or ``MODALITY_FEATURE``.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputError: The file exists and may not be replaced, or cannot be written.
    """
    with (
        atomic_path(path, overwrite=overwrite) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows(FORMS[form](cases))
