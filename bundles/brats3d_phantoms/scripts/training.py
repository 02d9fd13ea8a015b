# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Loss, precision and scoring of a training."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.inferers import SimpleInferer
from monai.transforms import MapTransform
from torch import Tensor, nn

from scripts.inferer import precision_on
from scripts.siblings import convention_of
from scripts.core.losses import DeepSupervisionLoss, build_loss
from scripts.core.models.heads import Head
from scripts.core.postprocessing.postprocessing import Postprocessing


class RegionLoss(nn.Module):
    """The loss of the run, on logits and class indices.

    Args:
        name: Name of the loss.
        params: Its parameters.
        head: ``sigmoid`` or ``softmax``.
        labels: Label convention in its JSON form.
    """

    def __init__(self, name: str, params: Mapping[str, Any], head: str, labels: Mapping[str, Any]) -> None:
        super().__init__()
        self.head = Head(head, convention_of(labels).class_table)
        self.loss = DeepSupervisionLoss(build_loss(name, head=head, params=params))

    def forward(self, logits: Tensor | list[Tensor], classes: Tensor) -> Tensor:
        """Return the loss of logits ``(B, out, *S)``, or a list of them, and classes ``(B, 1, *S)``."""
        loss: Tensor = self.loss(logits, self.head.target(classes))
        return loss


class AutocastInferer(SimpleInferer):
    """Runs the network in bfloat16 where the run did and the machine can, CPUs included.

    MONAI's trainers know mixed precision on GPUs alone; float16, which needs its gradients scaled, is
    left to them.

    Args:
        precision: As in training (``32-true``, ``bf16-mixed``, ``16-mixed``), or ``auto``.
    """

    def __init__(self, precision: str) -> None:
        super().__init__()
        self.precision = precision

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Return the logits of a batch."""
        device = inputs.device.type
        bf16 = precision_on(device, self.precision) == "bf16"
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            return network(inputs)


def float16_on_gpu(device: str | torch.device, precision: str) -> dict[str, Any]:
    """``amp`` and ``amp_kwargs`` of MONAI's trainers: on for float16 on a GPU.

    Args:
        device: Where the network is.
        precision: As in training, or ``auto``.
    """
    kind = torch.device(device).type
    on = kind != "cpu" and precision_on(kind, precision) == "fp16"
    return {"amp": on, "amp_kwargs": {"dtype": torch.float16} if on else {}}


class AsRegionsd(MapTransform):
    """Turn ``pred`` (probabilities) and ``label`` (class indices) into masks of the regions.

    Both become float32 ``(R, *S)`` of zeros and ones, on the CPU.

    Args:
        labels: Label convention in its JSON form.
        thresholds: Region to threshold.
    """

    def __init__(self, labels: Mapping[str, Any], thresholds: Mapping[str, float]) -> None:
        super().__init__(keys=("pred", "label"))
        self.convention = convention_of(labels)
        # Rules in millilitres do not apply to prepared grids.
        self.postprocessing = Postprocessing(thresholds)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convert one case."""
        sample = dict(data)
        probabilities, classes = (_array(sample[key]) for key in self.keys)
        found = self.postprocessing.regions(probabilities, self.convention, 1e-3)
        expected = np.moveaxis(self.convention.class_table[classes[0]], -1, 0)
        sample["pred"], sample["label"] = (
            torch.from_numpy(mask.copy()).float() for mask in (found, expected)
        )
        return sample


def _array(value: Any) -> np.ndarray:
    return torch.as_tensor(value).as_subclass(Tensor).cpu().numpy()
