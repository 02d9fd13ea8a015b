"""A short training whose losses are kept: ways to train faster must train as well.

Run as a program it makes the reference again: ``python tests/workflows/short_training.py`` trains the
plain way (float32, nothing compiled, samples changed one by one, cases read from the disk) with several
seeds and writes what they have in common, and how much they differ, to ``short_training.json``.
"""

from __future__ import annotations

import csv
import json
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brats3d.config import load_config
from brats3d.workflows.fit import fit

REFERENCE = Path(__file__).with_suffix(".json")
SEEDS = range(6)
PLAIN: Mapping[str, Any] = {
    "trainer__precision": "32-true",
    "trainer__compile": "off",
    "augment__where": "sample",
    "data__residency": "disk",
}
_SETTINGS: Mapping[str, Any] = {
    "data__phantoms__cases": 10,
    "data__phantoms__size": [32, 32, 32],
    "data__phantoms__without_et": 0.0,
    "data__workers": 0,
    "split__val": 1,
    "split__test": 3,
    "patch__size": [24, 24, 24],
    "patch__per_epoch": 32,
    "model__params": {"filters": [8, 16]},
    "optim__lr": 0.02,
    "trainer__accelerator": "cpu",
    "trainer__max_epochs": 6,
    "trainer__check_val_every_n_epoch": 6,
    "report": False,
}


@dataclass(frozen=True)
class Course:
    """How a training went.

    Attributes:
        losses: Mean loss of each epoch.
        dice: Dice of the held-out cases, mean over cases and regions.
    """

    losses: tuple[float, ...]
    dice: float


def train(folder: Path, seed: int, **settings: Any) -> Course:
    """Train for six epochs of sixteen steps; takes some seconds."""
    name = f"seed{seed}"
    config = load_config(None, name=name, folder=str(folder), seed=seed, **{**_SETTINGS, **PLAIN, **settings})
    result = fit(config)
    with (result.run / "logs/csv/part-0/metrics.csv").open(encoding="utf-8") as file:
        losses = tuple(
            float(row["train/loss_epoch"]) for row in csv.DictReader(file) if row.get("train/loss_epoch")
        )
    return Course(losses, statistics.fmean(row.scores["dice"] for row in result.rows))


def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        courses = [train(Path(folder), seed) for seed in SEEDS]
    columns = list(zip(*(course.losses for course in courses), strict=True))
    content = {
        "seeds": len(SEEDS),
        "losses": {
            "mean": [round(statistics.fmean(column), 5) for column in columns],
            "sd": [round(statistics.stdev(column), 5) for column in columns],
        },
        "dice": {
            "mean": round(statistics.fmean(course.dice for course in courses), 5),
            "sd": round(statistics.stdev(course.dice for course in courses), 5),
        },
    }
    REFERENCE.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _main()
