"""Two processes with half a batch each compute what one computes with all of it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from brats3d.losses import LOSSES, build_loss

PROCESSES = 2
SHAPE = (4, 3, 6, 5, 4)
WEIGHTS = [1.0, 3.0, 0.5]
OVERLAP = [name for name in LOSSES if name not in ("cross_entropy", "focal", "boundary", "compound")]


def _parameters() -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for name, head in itertools.product(LOSSES, ("sigmoid", "softmax")):
        options: list[dict[str, Any]] = [{}]
        if name in OVERLAP:
            options = [{"batch_dice": True}, {"batch_dice": False}]
        if name != "generalized_dice":
            options += [{**option, "weights": WEIGHTS} for option in options]
        found += [(name, head, option) for option in options]
    return found


PARAMETERS = _parameters()


def _case(name: str, head: str, params: dict[str, Any]) -> dict[str, Any]:
    """The halves differ as much as patches do: one holds what the other hardly has."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(SHAPE, generator=generator)
    likely = torch.tensor([0.6, 0.4, 0.02, 0.1]).view(4, 1, 1, 1, 1)
    target = (torch.rand(SHAPE, generator=generator) < likely).float()
    if head == "softmax":
        classes = target.cumprod(dim=1).sum(dim=1).long().clamp(max=SHAPE[1] - 1)
        target = torch.nn.functional.one_hot(classes, SHAPE[1]).movedim(-1, 1).float()
    return {"name": name, "head": head, "params": params, "logits": logits, "target": target}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, torch.Tensor]]]:
    """What the processes found, of each case."""
    folder = tmp_path_factory.mktemp("processes")
    torch.save([_case(*parameters) for parameters in PARAMETERS], folder / "cases.pt")
    script = Path(__file__).with_name("rank.py")
    started = [
        subprocess.Popen([sys.executable, str(script), str(folder), str(rank), str(PROCESSES)])
        for rank in range(PROCESSES)
    ]
    try:
        assert [process.wait(timeout=300) for process in started] == [0] * PROCESSES
    finally:
        for process in started:
            process.kill()
    parts = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]
    return [list(case) for case in zip(*parts, strict=True)]


@pytest.mark.parametrize("number", range(len(PARAMETERS)), ids=[f"{n}-{h}-{p}" for n, h, p in PARAMETERS])
class TestTwoProcesses:
    def test_the_loss_is_that_of_the_whole_batch(self, number: int, shared: list[Any]) -> None:
        loss, _ = self._whole(number)
        torch.testing.assert_close(sum(part["loss"] for part in shared[number]) / PROCESSES, loss)

    def test_the_averaged_gradient_is_that_of_the_whole_batch(self, number: int, shared: list[Any]) -> None:
        _, expected = self._whole(number)
        # Each process's part of the logits reaches the weights through it alone; then DDP averages.
        found = torch.cat([part["gradient"] for part in shared[number]]) / PROCESSES
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)

    def test_a_process_may_compute_a_loss_alone_without_a_gradient(
        self, number: int, shared: list[Any]
    ) -> None:
        case = _case(*PARAMETERS[number])
        logits, target = (case[key].chunk(PROCESSES)[0] for key in ("logits", "target"))
        loss = build_loss(case["name"], head=case["head"], params=case["params"])
        torch.testing.assert_close(shared[number][0]["alone"], loss(logits, target))

    @staticmethod
    def _whole(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        case = _case(*PARAMETERS[number])
        logits = case["logits"].requires_grad_()
        loss = build_loss(case["name"], head=case["head"], params=case["params"])(logits, case["target"])
        loss.backward()
        return loss.detach(), logits.grad


@pytest.mark.parametrize("name", ["dice", "tversky", "focal_tversky", "generalized_dice"])
def test_the_halves_by_themselves_would_give_another_loss(name: str) -> None:
    case = _case(name, "sigmoid", {"batch_dice": True})
    loss = build_loss(name, head="sigmoid", params={"batch_dice": True})
    halves = [loss(*half) for half in zip(case["logits"].chunk(2), case["target"].chunk(2), strict=True)]
    assert abs(sum(halves) / 2 - loss(case["logits"], case["target"])) > 1e-2
