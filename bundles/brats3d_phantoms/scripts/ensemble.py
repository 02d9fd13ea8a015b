# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Several networks in one bundle, whose probabilities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn
from torch.nn import functional

from scripts.inferer import InferredSegmenter
from scripts.core.inference.ensemble import EnsembleSegmenter


class EnsembleNetwork(nn.Module):
    """Networks with the same output channels, side by side.

    Args:
        members: Networks ``(B, C, *S)`` to logits ``(B, out, *S)``.
        head: ``sigmoid`` or ``softmax``: what turns the logits into probabilities.
    """

    def __init__(self, members: Sequence[nn.Module], head: str) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return logits whose probabilities are the mean of the members' probabilities."""
        found: list[Tensor] = []
        for member in self.members:
            logits = member(x)
            assert isinstance(logits, Tensor)
            found.append(logits.float())
        stacked = torch.stack(found)
        if self.head == "softmax":
            return torch.logsumexp(torch.log_softmax(stacked, dim=2), dim=0)
        inside = torch.logsumexp(functional.logsigmoid(stacked), dim=0)
        return inside - torch.logsumexp(functional.logsigmoid(-stacked), dim=0)


class EnsembleInferer(Inferer):
    """Mean of the probabilities that each member has of a whole volume.

    Args:
        members: The inferer of each network of an :class:`EnsembleNetwork`.
    """

    def __init__(self, members: Sequence[Inferer]) -> None:
        self.members = tuple(members)

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        """Segment a batch of prepared volumes; the result is float32 on the CPU."""
        assert isinstance(network, EnsembleNetwork)
        pairs = zip(self.members, network.members, strict=True)
        segmenter = EnsembleSegmenter([InferredSegmenter(*pair) for pair in pairs])
        return torch.stack([segmenter.segment(volume) for volume in inputs.as_subclass(Tensor)])
