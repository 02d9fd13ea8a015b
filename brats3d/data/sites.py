"""Splits that hold out one site at a time, whose scanners and readers the model has not seen."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Mapping, Sequence
from os import PathLike
from pathlib import Path

from brats3d.cases import Case
from brats3d.data.splits import PARTS, Split, split_by_fractions
from brats3d.errors import ConfigError, DataError

_KEYS = ("case_id", "patient_id")


def split_by_site(
    cases: Sequence[Case],
    path: str | PathLike[str],
    *,
    fold: int,
    test: float | int = 0,
    seed: int,
    strata: Mapping[str, Hashable] | None = None,
) -> Split:
    """Validate with all patients of one site, and train on those of the others.

    Args:
        cases: All cases.
        path: Table, see :func:`sites_of`.
        fold: Number of the site to validate with, from 0, in the order of their names.
        test: Test patients set aside before, as in :func:`~brats3d.data.splits.split_by_fractions`.
        seed: Seed of that choice, the same for all sites.
        strata: Case id to a property whose share should be alike in the test.

    Raises:
        ConfigError: ``fold`` is out of range.
        DataError: The table does not fit the cases, or the test takes all cases of a site.
    """
    sites = sites_of(cases, path)
    names = sorted(set(sites.values()))
    if not 0 <= fold < len(names):
        raise ConfigError(
            "no such fold",
            where="split.fold",
            got=f"fold {fold} of {len(names)} sites",
            expected="one for each site, counted from 0: " + ", ".join(names),
        )
    aside = set(split_by_fractions(cases, val=0, test=test, seed=seed, strata=strata).test)
    ids: dict[str, list[str]] = {part: [] for part in PARTS}
    for case in sorted(cases, key=lambda case: case.case_id):
        held_out = "val" if sites[case.case_id] == names[fold] else "train"
        ids["test" if case.case_id in aside else held_out].append(case.case_id)
    if not ids["val"]:
        raise DataError(
            "the test takes all cases of a site",
            where=path,
            got=names[fold],
            remedy="make split.test smaller (0 for none)",
        )
    return Split(*(tuple(ids[part]) for part in PARTS))


def sites_of(cases: Sequence[Case], path: str | PathLike[str]) -> dict[str, str]:
    """Read the site of each case from a table with the columns ``case_id`` or ``patient_id``, and ``site``.

    Rows of other cases do no harm, so that one table serves all subsets of a data set.

    Returns:
        Case id to site.

    Raises:
        DataError: The file is missing or torn, leaves a case out, has fewer than two sites for the
            cases, or a patient of two sites.
    """
    key, rows = _read(Path(path))
    named = {case: case.case_id if key == "case_id" else case.patient for case in cases}
    missing = sorted({name for name in named.values() if name not in rows})
    if missing:
        raise DataError(
            "the table of the sites leaves cases out",
            where=path,
            got=f"no row for {', '.join(missing[:3])}" + (" and others" if len(missing) > 3 else ""),
            expected=f"a {key} and a site for each case of the data set",
            remedy="add these rows",
        )
    by_patient: dict[str, str] = {}
    for case, name in named.items():
        if by_patient.setdefault(case.patient, rows[name]) != rows[name]:
            raise DataError(
                "a patient of two sites, so a model would be tested on a patient it knows",
                where=path,
                got=f"{case.patient}: {by_patient[case.patient]} and {rows[name]}",
                expected="all visits of a patient at one site",
                remedy="give these rows one site",
            )
    if len(set(by_patient.values())) < 2:
        raise DataError(
            "one site cannot be held out from itself",
            where=path,
            got=", ".join(set(by_patient.values())) or "no case",
            expected="cases of two sites or more",
        )
    return {case.case_id: rows[name] for case, name in named.items()}


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """Which key the table has, and key to site."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            table = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            "cannot read the table of the sites",
            where=path,
            got=getattr(error, "strerror", None) or type(error).__name__,
            expected="a CSV file with the columns case_id (or patient_id), site",
        ) from error
    key = next((name for name in _KEYS if name in header), None)
    if key is None or "site" not in header:
        raise DataError(
            "not a table of sites",
            where=path,
            got="columns " + (", ".join(header) or "none"),
            expected="the columns case_id (or patient_id) and site, separated by commas",
        )
    rows: dict[str, str] = {}
    for line, row in enumerate(table, start=2):
        name, site = (row[key] or "").strip(), (row["site"] or "").strip()
        if not site or rows.setdefault(name, site) != site:
            raise DataError(
                "two sites in the table" if site else "a row without a site",
                where=f"{path}, line {line}",
                got=f"{name}, {site or 'nothing'}" + (f" (and {rows[name]})" if site else ""),
                expected=f"one site for each {key}",
            )
    return key, rows
