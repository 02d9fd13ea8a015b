"""What training steps are made on, and what is told of them; needs nothing but Python, NumPy and torch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 0
CHANNELS = ("t1", "t1ce", "t2", "flair")
_WARM_UP_STEPS_ON_GPU = 3


@dataclass(frozen=True)
class Job:
    """Patches that all contenders share.

    Attributes:
        patches: File with ``image``, float32 ``(B, 4, *S)``, and ``labels``, uint8 ``(B, 1, *S)``, whose
            values are those of nnU-Net's BraTS conversion.
        patch: Voxels of a patch along each axis.
        batch_size: Patches per step.
        folder: Where the contender may write.
    """

    patches: str
    patch: tuple[int, ...]
    batch_size: int
    folder: str

    def arrays(self) -> tuple[Any, Any]:
        """Image and labels."""
        import numpy as np

        with np.load(self.patches) as stored:
            return stored["image"], stored["labels"]


def load_job(file: str) -> Job:
    """Read what a process was given."""
    content = json.loads(Path(file).read_text(encoding="utf-8"))
    return Job(**{**content, "patch": tuple(content["patch"])})


def timed_work(step: Callable[[], Any]) -> Callable[[], float]:
    """Make of a step what is timed: the step to its very end, and its loss.

    A GPU makes some steps beforehand, in which kernels are compiled and chosen.

    Args:
        step: Returns the loss, a number or an array or tensor of one.
    """
    import torch

    on_gpu = torch.cuda.is_available()

    def work() -> float:
        loss = step()
        if on_gpu:
            torch.cuda.synchronize()
        return float(loss)

    for _ in range(_WARM_UP_STEPS_ON_GPU if on_gpu else 0):
        work()
    return work


def facts(network: Any, loss: float, arithmetic: str, *, compiled: bool) -> dict[str, dict[str, Any]]:
    """What is told of a contender after its first steps.

    Args:
        network: Torch module.
        loss: Of the last step.
        arithmetic: Numbers that the convolutions compute with.
        compiled: Whether the network was compiled by ``torch.compile``.

    Raises:
        RuntimeError: The loss is not finite: whatever took that long was no training.
    """
    import torch

    if not math.isfinite(loss):
        raise RuntimeError(f"the loss is {loss}")
    sizes = [(parameter.numel(), parameter.ndim) for parameter in network.parameters()]
    step = {
        "loss": loss,
        "arithmetic": f"{arithmetic} compiled" if compiled else arithmetic,
        "parameters": sum(count for count, _ in sizes),
        "in_kernels": sum(count for count, axes in sizes if axes > 1),
    }
    if torch.cuda.is_available():
        step["gpu_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return {"step": step}
