"""Batches one ahead: the same ones, in order, and no more read than is asked for."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

from brats3d.data.datasets import RunningSampler
from brats3d.training.prefetch import Prefetcher


class Counted(torch.utils.data.Dataset):
    """Numbers, and how many were read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __getitem__(self, number: int) -> dict[str, object]:
        self.read.append(number)
        return {"image": torch.tensor([float(number)]), "seed": number}


def prefetcher(data: Counted, length: int, batch_size: int = 2) -> Prefetcher:
    loader = DataLoader(data, batch_size=batch_size, sampler=RunningSampler(length), collate_fn=list)
    return Prefetcher(loader, torch.device("cpu"))


@pytest.mark.parametrize("length", [1, 2, 6])
def test_every_batch_once_and_in_order(length: int) -> None:
    data = Counted()
    batches = prefetcher(data, length, batch_size=1)
    assert len(batches) == length
    for _ in range(2):
        assert [batch[0]["seed"] for batch in batches] == list(range(length))


def test_one_ahead() -> None:
    data = Counted()
    batches = iter(prefetcher(data, 8))
    assert data.read == []
    next(batches)
    assert data.read == [0, 1, 2, 3]
    next(batches)
    assert data.read == [0, 1, 2, 3, 4, 5]


def test_the_epoch_reaches_the_sampler() -> None:
    batches = prefetcher(Counted(), 4)
    batches.sampler.set_epoch(3)
    assert [sample["seed"] for batch in batches for sample in batch] == [12, 13, 14, 15]


def test_nothing_to_read() -> None:
    assert list(prefetcher(Counted(), 0)) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_batches_arrive_on_the_gpu() -> None:
    data = [{"image": torch.full((64, 64), float(number)), "seed": number} for number in range(20)]
    loader = DataLoader(data, batch_size=2, sampler=range(20), pin_memory=True)
    arrived = list(Prefetcher(loader, torch.device("cuda")))
    for number, batch in enumerate(arrived):
        assert batch["image"].is_cuda
        assert batch["image"][:, 0, 0].tolist() == [2.0 * number, 2.0 * number + 1]
