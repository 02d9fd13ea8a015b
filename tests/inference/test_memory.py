"""Batches sized to memory; a GPU is simulated where one is needed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from brats3d.errors import ConfigError
from brats3d.inference.memory import BatchRunner, is_out_of_memory

GPU = torch.device("cuda")


class SimulatedGpu:
    """Memory of a GPU on which each item takes ``item`` bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, free: int, item: int) -> None:
        self.free, self.item, self.peak = free, item, 0
        self.batches: list[int] = []
        self.done: list[int] = []
        answers = {
            "reset_peak_memory_stats": lambda device: None,
            "memory_allocated": lambda device: 1000,
            "memory_reserved": lambda device: 1000,
            "max_memory_allocated": lambda device: 1000 + self.peak,
            "mem_get_info": lambda device: (self.free, self.free),
            "empty_cache": lambda: None,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, answer)

    def step(self, items: Sequence[int], mirrors: int) -> None:
        self.batches.append(len(items))
        if len(items) * self.item > self.free:
            raise torch.OutOfMemoryError
        self.peak = len(items) * self.item
        self.done += items


@pytest.mark.parametrize(("free", "batches"), [(100, [1, 8, 1]), (1000, [1, 9]), (12, [1] * 10)])
def test_auto_measures_one_window_and_fills_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, free: int, batches: list[int]
):
    gpu = SimulatedGpu(monkeypatch, free=free, item=10)
    BatchRunner("auto", item_voxels=1, where="").run(range(10), gpu.step, device=GPU)
    assert gpu.batches == batches
    assert gpu.done == list(range(10))


def test_auto_counts_images_where_mirror_images_share_batches(monkeypatch: pytest.MonkeyPatch):
    gpu = SimulatedGpu(monkeypatch, free=100, item=10)
    steps: list[tuple[int, int]] = []

    def step(items: Sequence[int], mirrors: int) -> None:
        steps.append((len(items), mirrors))
        gpu.step([item for item in items for _ in range(mirrors)], 1)

    BatchRunner("auto", item_voxels=1, where="", mirrors=4).run(range(6), step, device=GPU)
    assert steps == [(1, 1), (2, 4), (2, 4), (1, 4)]


def test_memory_that_others_take_meanwhile(monkeypatch: pytest.MonkeyPatch):
    gpu = SimulatedGpu(monkeypatch, free=100, item=10)
    runner = BatchRunner("auto", item_voxels=1, where="")
    runner.run(range(1), gpu.step, device=GPU)
    gpu.free = 45
    runner.run(range(1, 10), gpu.step, device=GPU)
    assert gpu.batches == [1, 8, 4, 4, 1]
    assert gpu.done == list(range(10))


def test_relief_is_asked_for_when_one_item_does_not_fit(monkeypatch: pytest.MonkeyPatch):
    gpu = SimulatedGpu(monkeypatch, free=15, item=20)
    freed: list[int] = []

    def relieve() -> bool:
        freed.append(10)
        gpu.free += 10
        return True

    BatchRunner(2, item_voxels=1, where="").run(range(4), gpu.step, device=GPU, relieve=relieve)
    assert gpu.batches == [2, 1, 1, 1, 1, 1]
    assert freed == [10]
    assert gpu.done == list(range(4))


def test_nothing_left_to_free(monkeypatch: pytest.MonkeyPatch):
    gpu = SimulatedGpu(monkeypatch, free=15, item=20)
    with pytest.raises(ConfigError, match="free memory on cuda"):
        BatchRunner("auto", item_voxels=1, where="").run(range(4), gpu.step, device=GPU)
    assert gpu.done == []


@pytest.mark.parametrize(("voxels", "size"), [(1, 16), (64**3, 1), (240 * 240, 4), (128**3, 1)])
def test_batches_on_the_cpu(voxels: int, size: int):
    runner = BatchRunner("auto", item_voxels=voxels, where="")
    runner.run([0], lambda items, mirrors: None, device=torch.device("cpu"))
    assert runner.size == size


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_mean_that_memory_ran_out(error: Exception, expected: bool):
    assert is_out_of_memory(error) is expected
