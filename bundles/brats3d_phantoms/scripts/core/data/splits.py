# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Splits into training, validation and test cases, always by patient.

A patient may have several visits (2023 on); all of them go to the same side. Every way of
splitting depends on the seed and the case names alone, not on the order of the cases.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from scripts.core.cases import Case
from scripts.core.errors import ConfigError, DataError, closest_first
from scripts.core.imaging import read_volume
from scripts.core.labels import Region

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Case ids of each part, sorted; no id is in two parts.

    Attributes:
        train: Cases to learn from.
        val: Cases to choose the best checkpoint with.
        test: Cases nothing is chosen with.
    """

    train: tuple[str, ...]
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parts do not overlap.

        Raises:
            DataError: A case id occurs twice.
        """
        seen: set[str] = set()
        for case_id in (*self.train, *self.val, *self.test):
            if case_id in seen:
                raise DataError("a case is in a split twice", where=case_id, expected="each case in one part")
            seen.add(case_id)

    def to_dict(self) -> dict[str, list[str]]:
        """Plain lists by part, for JSON and YAML."""
        return {part: list(ids) for part, ids in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Split:
        """Make a split from what :meth:`to_dict` returned.

        Raises:
            DataError: Other keys than the three parts, or a case twice.
        """
        if set(content) != set(PARTS):
            raise DataError(
                "not a split", got=", ".join(map(str, content)) or "nothing", expected=", ".join(PARTS)
            )
        return cls(**{part: tuple(str(case_id) for case_id in content[part]) for part in PARTS})

    def of(self, case_id: str) -> str:
        """Name of the part that ``case_id`` is in.

        Raises:
            DataError: The case is in none.
        """
        for part, ids in asdict(self).items():
            if case_id in ids:
                return str(part)
        raise DataError(
            "a case that is in no part of the split",
            where=case_id,
            remedy="split the data set again, or leave the case out",
        )

    def select(self, cases: Iterable[Case], part: str) -> list[Case]:
        """Cases of one part, in the order of the split.

        Raises:
            DataError: A case of the part is not among ``cases``.
        """
        by_id = {case.case_id: case for case in cases}
        ids: tuple[str, ...] = getattr(self, part)
        missing = [case_id for case_id in ids if case_id not in by_id]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(ids)} {part} cases of the split are not in the data set",
                where=missing[0],
                remedy="name the data set the split was made for (data.root)",
            )
        return [by_id[case_id] for case_id in ids]


def split_by_fractions(
    cases: Sequence[Case],
    *,
    val: float | int,
    test: float | int,
    seed: int,
    strata: Mapping[str, Hashable] | None = None,
) -> Split:
    """Split at random by patient.

    Args:
        cases: All cases.
        val: Validation patients, as a fraction below 1 or a whole number; 0 for none. A fraction
            above 0 is at least one patient.
        test: Test patients, likewise.
        seed: Seed of the choice.
        strata: Case id to a property whose share should be alike in all parts.

    Raises:
        ConfigError: A size that cannot be.
        DataError: Too few patients to leave one for training, or a case id twice.
    """
    patients = _patients(cases)
    counts = _counts(len(patients), {"val": val, "test": test})
    labels = [part for part in PARTS for _ in range(counts[part])]
    rng = random.Random(seed)
    order = _by_stratum(patients, strata, rng)
    parts = dict(zip(order, _spread(labels, rng), strict=True))
    return _split(patients, parts)


def split_into_folds(
    cases: Sequence[Case],
    *,
    folds: int,
    fold: int,
    test: float | int = 0,
    seed: int,
    strata: Mapping[str, Hashable] | None = None,
) -> Split:
    """Split for cross-validation: the same test patients in each fold, the others validate once.

    Args:
        cases: All cases.
        folds: Number of folds, at least 2.
        fold: Fold to validate with, from 0.
        test: Test patients set aside before, as in :func:`split_by_fractions`.
        seed: Seed of the choice, the same for all folds.
        strata: Case id to a property whose share should be alike in all folds.

    Raises:
        ConfigError: ``folds`` or ``fold`` out of range.
        DataError: Fewer patients than folds, or a case id twice.
    """
    if folds < 2 or not 0 <= fold < folds:
        raise ConfigError(
            "no such fold",
            where="split.folds" if folds < 2 else "split.fold",
            got=f"fold {fold} of {folds}",
            expected="at least 2 folds, counted from 0",
        )
    aside = split_by_fractions(cases, val=0, test=test, seed=seed, strata=strata)
    patients = _patients(cases)
    tested = {case.patient for case in cases if case.case_id in set(aside.test)}
    rest = {patient: ids for patient, ids in patients.items() if patient not in tested}
    if len(rest) < folds:
        raise _too_few_for_folds(len(rest), len(tested), folds)
    rng = random.Random(f"{seed} folds")
    order = _by_stratum(rest, strata, rng)
    # Neighbours in the order share a stratum, so dealing them out in turn balances every stratum.
    parts = {patient: "val" if index % folds == fold else "train" for index, patient in enumerate(order)}
    return _split(patients, {**dict.fromkeys(tested, "test"), **parts})


def split_from_csv(cases: Sequence[Case], path: str | PathLike[str]) -> Split:
    """Read a split from a table with the columns ``case_id`` and ``split`` (train, val or test).

    Raises:
        DataError: The file is missing or torn, names an unknown case or part, leaves a case out,
            puts a case or a patient on two sides, or has nothing to train on.
    """
    patients = _patients(cases)
    rows = _read_rows(Path(path))
    _check_same_cases({case.case_id for case in cases}, rows, path)
    for patient, ids in patients.items():
        if len({rows[case_id] for case_id in ids}) > 1:
            raise DataError(
                "the table parts the visits of a patient, so a model would be tested on a patient it knows",
                where=path,
                got=f"{patient}: " + ", ".join(f"{case_id} in {rows[case_id]}" for case_id in ids),
                expected="all visits of a patient in one part",
                remedy="move these rows to one part",
            )
    if "train" not in rows.values():
        raise DataError("the table has no case to train on", where=path, expected="rows with split = train")
    return _split(patients, {patient: rows[ids[0]] for patient, ids in patients.items()})


def _check_same_cases(known: set[str], rows: Mapping[str, str], path: str | PathLike[str]) -> None:
    for case_id in rows:
        if case_id not in known:
            raise DataError(
                "the table names a case that the data set does not have",
                where=path,
                got=case_id,
                expected="ids as they were found, such as " + ", ".join(closest_first(case_id, known)[:2]),
                remedy="correct or remove the row, or add the case",
            )
    missing = sorted(known - set(rows))
    if missing:
        raise DataError(
            f"the table leaves out {len(missing)} of {len(known)} cases",
            where=path,
            got=f"no row for {', '.join(missing[:3])}",
            expected="one row for each case of the data set",
            remedy="add these rows, or move these cases out of the data set",
        )


def strata_by_presence(
    cases: Iterable[Case], region: Region, known: Callable[[Case, Region], bool | None] | None = None
) -> dict[str, bool]:
    """Tell for each labelled case whether ``region`` occurs in it.

    Args:
        cases: Cases.
        region: Region of the convention of each.
        known: Tells what is known of a case, or None where its label map must be read.

    Returns:
        Case id to presence; cases without a label map are left out.

    Raises:
        DataError: A label map cannot be read (LabelError: or has a value outside its convention).
        ConfigError: The convention of a case does not have the region.
    """
    presence = {}
    for case in cases:
        if case.label is None:
            continue
        if region.name not in case.convention.region_names:
            raise ConfigError(
                f"no region {region.name!r} to stratify by",
                where=case.case_id,
                expected="one of " + ", ".join(case.convention.region_names),
            )
        found = None if known is None else known(case, region)
        if found is not None:
            presence[case.case_id] = found
            continue
        with case.here(label_only=True):
            voxels, _ = read_volume(case.label)
        # Sorting the few voxels that are not background is far quicker than sorting all.
        values = case.convention.check(np.unique(voxels[voxels != 0]), case.label)
        index = case.convention.region_names.index(region.name)
        presence[case.case_id] = bool(case.convention.to_regions(values)[index].any())
    return presence


def _patients(cases: Sequence[Case]) -> dict[str, list[str]]:
    """Sorted case ids of each patient, patients sorted."""
    patients: defaultdict[str, list[str]] = defaultdict(list)
    seen: set[str] = set()
    for case in cases:
        if case.case_id in seen:
            raise DataError("two cases with the same id", where=case.case_id, remedy="remove one of them")
        seen.add(case.case_id)
        patients[case.patient].append(case.case_id)
    return {patient: sorted(patients[patient]) for patient in sorted(patients)}


def _counts(patients: int, sizes: Mapping[str, float | int]) -> dict[str, int]:
    """Patients of each part; fractions give way when rounding would leave none for training."""
    counts = {}
    for part, size in sizes.items():
        whole = isinstance(size, int) and not isinstance(size, bool)
        if isinstance(size, bool) or size < 0 or (not whole and not size < 1):
            raise ConfigError(
                "a size of a part that cannot be",
                where=f"split.{part}",
                got=size,
                expected="a fraction from 0 to below 1, or a whole number of patients",
            )
        counts[part] = int(size) if whole else max(round(size * patients), 1 if size > 0 else 0)
    if all(isinstance(size, float) for size in sizes.values()) and sum(sizes.values()) >= 1:
        raise ConfigError(
            "the fractions leave nothing to train on",
            where="split.val, split.test",
            got=" + ".join(f"{size:g}" for size in sizes.values()),
            expected="a sum below 1",
        )
    while sum(counts.values()) >= patients:
        shrinkable = [part for part, size in sizes.items() if isinstance(size, float) and counts[part] > 1]
        if not shrinkable:
            raise _too_few(patients, counts)
        counts[max(shrinkable, key=lambda part: counts[part])] -= 1
    return {"train": patients - sum(counts.values()), **counts}


def _too_few(patients: int, counts: Mapping[str, int]) -> DataError:
    wanted = ", ".join(f"{count} for {part}" for part, count in counts.items() if count)
    return DataError(
        "too few patients to split",
        got=f"{patients} patient{'' if patients == 1 else 's'}, {wanted or 'none for val or test'}",
        expected="at least one more, for training",
        remedy="make split.val or split.test smaller (0 for none), or add cases",
    )


def _too_few_for_folds(patients: int, tested: int, folds: int) -> DataError:
    return DataError(
        "too few patients for the folds",
        got=f"{patients} patients" + (f" besides {tested} for testing" if tested else ""),
        expected=f"at least one for each of {folds} folds",
        remedy="ask for fewer folds or fewer test patients, or add cases",
    )


def _by_stratum(
    patients: Mapping[str, Sequence[str]], strata: Mapping[str, Hashable] | None, rng: random.Random
) -> list[str]:
    """Patients in random order within each stratum, the strata one after the other.

    A patient's stratum is the set of what its cases have; cases that ``strata`` lacks have None.
    """
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for patient in sorted(patients):
        values = {repr(strata.get(case_id)) for case_id in patients[patient]} if strata else set()
        groups[tuple(sorted(values))].append(patient)
    order = []
    for key in sorted(groups):
        rng.shuffle(groups[key])
        order += groups[key]
    return order


def _spread(labels: Sequence[str], rng: random.Random) -> list[str]:
    """Order ``labels`` so that each recurs at even distances, from a random start.

    A stretch of the result has every label in nearly its overall share (systematic sampling), so
    every stratum has, however small it is. The random start gives each patient the same chance.
    """
    total = {label: labels.count(label) for label in dict.fromkeys(labels)}
    shift = {label: rng.random() for label in total}
    places = [((k + shift[label]) / count, label) for label, count in total.items() for k in range(count)]
    spread = [label for _, label in sorted(places)]
    start = rng.randrange(len(spread))
    return spread[start:] + spread[:start]


def _split(patients: Mapping[str, Sequence[str]], parts: Mapping[str, str]) -> Split:
    ids: dict[str, list[str]] = {part: [] for part in PARTS}
    for patient, case_ids in patients.items():
        ids[parts[patient]] += case_ids
    return Split(*(tuple(sorted(ids[part])) for part in PARTS))


def _read_rows(path: Path) -> dict[str, str]:
    """Case id to part."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            table = list(reader) if {"case_id", "split"} <= set(header) else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            "cannot read the table of the split",
            where=path,
            got=getattr(error, "strerror", None) or type(error).__name__,
            expected="a CSV file with the columns case_id, split",
        ) from error
    if not table:
        raise DataError(
            "not a table of a split",
            where=path,
            got="columns " + (", ".join(header) or "none"),
            expected="the columns case_id, split (separated by commas), and a row per case",
        )
    rows: dict[str, str] = {}
    for line, row in enumerate(table, start=2):
        case_id, part = (row["case_id"] or "").strip(), (row["split"] or "").strip()
        if part not in PARTS or case_id in rows:
            raise DataError(
                "a case twice in the table" if part in PARTS else f"unknown part {part!r}",
                where=f"{path}, line {line}",
                got=f"{case_id}, {part}",
                expected="each case once, with split = " + ", ".join(PARTS),
            )
        rows[case_id] = part
    return rows
