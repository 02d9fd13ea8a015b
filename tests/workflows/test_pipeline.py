"""Stages that overlap: order, bounds, errors of each stage, interruptions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from brats3d.config import PredictConfig
from brats3d.errors import DataError
from brats3d.workflows.fit import FitResult
from brats3d.workflows.pipeline import run_overlapping
from brats3d.workflows.predict import predict

ITEMS = list(range(6))
DEADLINE_S = 20.0
STAGES = ("read", "compute", "write")


class Work:
    """Three stages that note what they do, and raise where they are told to."""

    def __init__(
        self, failing: dict[str, int] | None = None, error: type[BaseException] = ValueError
    ) -> None:
        self.failing = failing or {}
        self.error = error
        self.lock = threading.Lock()
        self.log: list[tuple[str, int]] = []
        self.in_memory = self.most_in_memory = 0

    def note(self, stage: str, item: int, change: int = 0) -> None:
        with self.lock:
            self.log.append((stage, item))
            self.in_memory += change
            self.most_in_memory = max(self.most_in_memory, self.in_memory)
        if self.failing.get(stage) == item:
            raise self.error(f"{stage} {item}")

    def read(self, item: int) -> int:
        self.note("read", item, +1)
        return item

    def compute(self, item: int) -> int:
        assert threading.current_thread() is threading.main_thread()
        time.sleep(0.005)  # the others could run far ahead
        self.note("compute", item)
        return 10 * item

    def write(self, item: int, result: int) -> None:
        assert result == 10 * item
        time.sleep(0.005)
        self.note("write", item, -1)

    def run(self, items: list[int] = ITEMS, **other: Callable) -> None:
        stages = {"read": self.read, "compute": self.compute, "write": self.write, **other}
        run_overlapping(items, what="working", **stages)

    def done(self, stage: str) -> list[int]:
        return [item for name, item in self.log if name == stage]


def test_every_stage_keeps_the_order() -> None:
    work = Work()
    work.run()
    assert [work.done(stage) for stage in STAGES] == [ITEMS] * 3


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_items(count: int) -> None:
    work = Work()
    work.run(ITEMS[:count])
    assert work.done("write") == ITEMS[:count]


def test_stages_overlap() -> None:
    work = Work()
    next_read, last_written = threading.Event(), threading.Event()

    def read(item: int) -> int:
        if item == 2:
            next_read.set()
        return item

    def compute(item: int) -> int:
        if item == 1:  # goes on only when its neighbours are in the other stages
            assert next_read.wait(DEADLINE_S)
            assert last_written.wait(DEADLINE_S)
        return 10 * item

    def write(item: int, result: int) -> None:
        if item == 0:
            last_written.set()

    work.run(read=read, compute=compute, write=write)


def test_no_more_than_one_item_is_in_each_stage() -> None:
    work = Work()
    work.run(list(range(20)))
    assert work.most_in_memory <= 3


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("item", [0, 3, 5])
def test_an_error_leaves_what_came_before_written_and_nothing_after(stage: str, item: int) -> None:
    work = Work({stage: item})
    with pytest.raises(ValueError, match=f"{stage} {item}"):
        work.run()
    written = ITEMS[: item + (stage == "write")]  # noted before it failed
    assert work.done("write") == written
    time.sleep(0.02)
    assert work.done("write") == written


def test_of_two_errors_that_of_the_first_item_is_raised() -> None:
    with pytest.raises(ValueError, match="write 2"):
        Work({"write": 2, "compute": 3}).run()
    with pytest.raises(ValueError, match="write 2"):
        Work({"write": 2, "read": 3}).run()


def test_an_interruption_waits_for_the_writing_and_not_for_the_reading() -> None:
    work, never = Work(), threading.Event()
    begun = threading.Event()

    def read(item: int) -> int:
        if item == 3:
            begun.set()
            never.wait(DEADLINE_S)
        return item

    def compute(item: int) -> int:
        if item == 2:
            assert begun.wait(DEADLINE_S)
            raise KeyboardInterrupt
        return 10 * item

    def write(item: int, result: int) -> None:
        time.sleep(0.2)
        work.note("write", item)

    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            work.run(read=read, compute=compute, write=write)
        assert time.monotonic() - start < DEADLINE_S / 2
        assert work.done("write") == [0, 1]
    finally:
        never.set()


def test_an_interruption_while_waiting_for_a_stage() -> None:
    work = Work({"write": 2}, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        work.run()
    assert work.done("write") == [0, 1, 2]


def test_cases_before_a_spoilt_one_are_predicted(
    trained: FitResult, copied_set: Path, tmp_path: Path
) -> None:
    (spoilt,) = copied_set.glob("*00003/*_t1.nii.gz")
    spoilt.write_bytes(spoilt.read_bytes()[:200])
    config = PredictConfig(
        run=(str(trained.run),), input=str(copied_set), output=str(tmp_path / "p"), accelerator="cpu"
    )
    with pytest.raises(DataError) as caught:
        predict(config)
    assert Path(str(caught.value.where)) == spoilt
    written = sorted(path.name for path in (tmp_path / "p").iterdir())
    assert written == [f"BraTS2021_{number:05d}.nii.gz" for number in range(3)]
