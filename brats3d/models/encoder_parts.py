"""The encoder of any registered network, to freeze it or to train it alone."""

from __future__ import annotations

from torch import nn

from brats3d.models import MODELS
from brats3d.registry import look_up


def encoder_parts(name: str, network: nn.Module) -> list[nn.Module]:
    """Return the parts of a network that lead from the image to its coarsest features.

    Args:
        name: Key of :data:`~brats3d.models.MODELS`.
        network: A network of that name.
    """
    children = dict(network.named_children())
    parts = [children[part] for part in look_up(MODELS, name, "model.name").encoder if part in children]
    assert any(True for part in parts for _ in part.parameters()), f"{name} has no encoder"
    return parts


def freeze(parts: list[nn.Module]) -> None:
    """Leave the weights of some parts out of a training."""
    for part in parts:
        part.requires_grad_(False)
