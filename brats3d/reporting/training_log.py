"""What a training logged after each epoch, joined over its sessions."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brats3d.errors import DataError
from brats3d.reporting.table import Table

EPOCH = "epoch"
_EVERY_STEP = "train/loss_step"


@dataclass(frozen=True)
class TrainingLog:
    """Values per epoch.

    Attributes:
        epochs: Numbers of the epochs, ascending, from 0 as in the logs.
        values: Name of a curve to its value in each of them; NaN where there is none.
    """

    epochs: tuple[int, ...]
    values: Mapping[str, tuple[float, ...]]

    def points(self, name: str) -> tuple[list[int], list[float]]:
        """Epochs in which a curve has a value, and these values."""
        pairs = [
            (epoch, value)
            for epoch, value in zip(self.epochs, self.values[name], strict=True)
            if not math.isnan(value)
        ]
        return [epoch for epoch, _ in pairs], [value for _, value in pairs]

    def table(self, names: Sequence[str]) -> Table:
        """Curves as a table with a row per epoch."""
        rows = [
            [epoch, *(self.values[name][place] for name in names)] for place, epoch in enumerate(self.epochs)
        ]
        return Table((EPOCH, *names), rows)


def read_training_log(folder: Path) -> TrainingLog:
    """Join the logs of all sessions; of an epoch that was trained twice the later session counts.

    Args:
        folder: Holds ``part-0``, ``part-1`` and so on, each with a ``metrics.csv``.

    Raises:
        DataError: There is no log, or none has an epoch.
    """
    by_epoch: dict[int, dict[str, float]] = {}
    columns: dict[str, None] = {}
    for file in sorted(folder.glob("part-*/metrics.csv"), key=_session):
        for epoch, values in _session_values(file).items():
            by_epoch.setdefault(epoch, {}).update(values)
            columns.update(dict.fromkeys(values))
    if not columns:
        raise DataError(
            "no epoch has been logged",
            where=folder,
            expected="part-*/metrics.csv as a training writes them",
            remedy="let the training finish its first epoch",
        )
    epochs = tuple(sorted(by_epoch))
    return TrainingLog(
        epochs,
        {name: tuple(by_epoch[epoch].get(name, math.nan) for epoch in epochs) for name in sorted(columns)},
    )


def _session(file: Path) -> tuple[int, str]:
    number = file.parent.name.removeprefix("part-")
    return (int(number) if number.isdecimal() else -1, number)


def _session_values(file: Path) -> dict[int, dict[str, float]]:
    """Epoch to the values of one session."""
    values: dict[int, dict[str, float]] = {}
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            epoch = row.get(EPOCH) or ""
            if not epoch.isdecimal():  # the line in the middle of which a session was killed
                continue
            found = dict(_numbers(row))
            if found:
                values.setdefault(int(epoch), {}).update(found)
    return values


def _numbers(row: Mapping[str | None, str | None]) -> Iterator[tuple[str, float]]:
    for name, text in row.items():
        if name is None or "/" not in name or name == _EVERY_STEP or not text:
            continue
        try:
            yield name, float(text)
        except ValueError:
            continue
