"""Logs of several sessions, joined."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from brats3d.errors import DataError
from brats3d.reporting import read_training_log


def write(folder: Path, session: int, *lines: str) -> None:
    file = folder / f"part-{session}" / "metrics.csv"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(lines))


def test_the_later_session_counts(tmp_path: Path) -> None:
    header = "epoch,step,train/loss_epoch,train/loss_step,val/dice"
    write(tmp_path, 2, header, "1,9,0.25,,", "1,9,,,0.7", "2,14,0.125,,")
    write(tmp_path, 10, header, "2,14,0.0625,,")
    write(tmp_path, 0, header, "0,4,,3.0,", "0,4,1.0,,", "1,9,0.5,,0.1", ",,0.")
    log = read_training_log(tmp_path)
    assert log.epochs == (0, 1, 2)
    assert log.values["train/loss_epoch"] == (1.0, 0.25, 0.0625)
    assert log.points("val/dice") == ([1], [0.7])
    assert set(log.values) == {"train/loss_epoch", "val/dice"}


def test_a_table_has_a_row_per_epoch(tmp_path: Path) -> None:
    write(tmp_path, 0, "epoch,train/lr,val/dice", "0,0.5,", "4,0.1,0.9")
    table = read_training_log(tmp_path).table(["val/dice", "train/lr"])
    assert table.columns == ("epoch", "val/dice", "train/lr")
    assert math.isnan(table.rows[0][1])
    assert table.rows[1] == [4, 0.9, 0.1]


def test_nothing_logged(tmp_path: Path) -> None:
    write(tmp_path, 0, "epoch,train/loss_step", "0,1.0")
    with pytest.raises(DataError, match="no epoch has been logged"):
        read_training_log(tmp_path)
