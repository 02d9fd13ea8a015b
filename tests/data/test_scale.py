"""Ten thousand cases on 64 processes: what each process holds and does stays small."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brats3d.cases import Case
from brats3d.data.datasets import PatchDataset, RunningSampler
from brats3d.data.discovery import discover
from brats3d.data.splits import split_by_fractions, split_into_folds
from brats3d.data.store import StoredCase
from brats3d.labels import CONVENTIONS

CASES, RANKS = 10_000, 64
ENDINGS = ("flair", "seg")
MOST_SECONDS = 60.0
MIB = 2**20


class Timed:
    """Checks that what is inside ends within a minute, however slow the machine."""

    def __enter__(self) -> None:
        self.since = time.monotonic()

    def __exit__(self, *error: object) -> None:
        assert time.monotonic() - self.since < MOST_SECONDS


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Ten thousand case folders of empty files."""
    root = tmp_path / "data"
    for number in range(CASES):
        case_id = f"BraTS2021_{number:05d}"
        os.makedirs(root / case_id)
        for ending in ENDINGS:
            os.close(os.open(root / case_id / f"{case_id}_{ending}.nii.gz", os.O_CREAT))
    yield root
    shutil.rmtree(root)


def made_up_cases() -> list[Case]:
    """Two visits of each of five thousand patients."""
    return [
        Case(f"p{number // 2:05d}-{number % 2}", f"p{number // 2:05d}", {}, CONVENTIONS["brats2023"])
        for number in range(CASES)
    ]


def test_cases_are_found(folder: Path) -> None:
    with Timed():
        found = discover(folder)
    assert len(found.cases) == CASES
    assert all(case.images and case.label is not None for case in found.cases)


def test_patients_are_split() -> None:
    cases = made_up_cases()
    with Timed():
        splits = [split_into_folds(cases, folds=5, fold=fold, test=0.1, seed=0) for fold in range(5)]
        splits.append(split_by_fractions(cases, val=0.1, test=0.1, seed=0))
    for split in splits:
        parts = (split.train, split.val, split.test)
        assert sum(len(part) for part in parts) == CASES
        patients = [{case_id.partition("-")[0] for case_id in part} for part in parts]
        assert sum(map(len, patients)) == len(set.union(*patients)) == CASES // 2
        assert len(split.test) == CASES // 10


def test_numbers_are_shared_out_once_and_take_no_memory() -> None:
    samplers = [RunningSampler(CASES, rank=rank, ranks=RANKS) for rank in range(RANKS)]
    tracemalloc.start()
    with Timed():
        for epoch in range(3):
            for sampler in samplers:
                sampler.set_epoch(epoch)
            numbers = Counter(number for sampler in samplers for number in sampler)
            start = epoch * CASES
            assert set(numbers) == set(range(start, start + CASES // RANKS * RANKS))
            assert set(numbers.values()) == {1}
            del numbers
    iterators = [iter(sampler) for sampler in samplers]
    before, _ = tracemalloc.get_traced_memory()
    taken = [next(iterator) for iterator in iterators]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken == list(range(start, start + RANKS))
    assert after - before < 0.1 * MIB


class Drawn(PatchDataset):
    """Samples that are the indices of their cases."""

    def _draw(self, index: int, generator: np.random.Generator) -> Any:
        return index


def dataset() -> Drawn:
    cases = [StoredCase(f"BraTS2021_{number:05d}", Path(f"/store/{number}")) for number in range(CASES)]
    return Drawn(cases, size=(8, 8, 8), foreground=0.5, augmentation=lambda sample, seed: sample, seed=1)


def test_what_a_process_holds_is_small_and_does_not_grow_with_use() -> None:
    tracemalloc.start()
    made = dataset()
    held, _ = tracemalloc.get_traced_memory()
    sampler = RunningSampler(CASES, rank=RANKS - 1, ranks=RANKS)
    for number in sampler:
        made[number]
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 20 * MIB
    assert after - held < 1 * MIB
    assert peak - held < 2 * MIB


def test_every_case_once_over_all_processes() -> None:
    made = dataset()
    length = -(-CASES // RANKS) * RANKS
    with Timed():
        drawn = Counter(
            int(made[number])
            for rank in range(RANKS)
            for number in RunningSampler(length, rank=rank, ranks=RANKS)
            if number < CASES
        )
    assert set(drawn) == set(range(CASES))
    assert set(drawn.values()) == {1}
