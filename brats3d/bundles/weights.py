"""The weights of a run as files that need nothing of this package."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from monai.data.torchscript_utils import save_net_with_metadata
from torch import nn

from brats3d.bundles.source import BundleSource
from brats3d.models import cpu_kernels

# MONAI's transformer cannot be scripted; a trace of it holds for the window it was made with.
_TRACED = ("swin_unetr",)


def write_state(network: nn.Module, path: Path) -> None:
    """Write ``{"model": state_dict}``, tensors on the CPU; it loads with ``weights_only=True``."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    torch.save({"model": state}, path)


def with_plain_layers(network: nn.Module) -> nn.Module:
    """Return a copy whose layers are PyTorch's own, as they are in TorchScript.

    The layers of :mod:`brats3d.models.cpu_kernels` sum up in another order; after a few of them the
    probabilities of a trained network were up to 1e-3 apart, which is no matter of the export.
    """
    plain = copy.deepcopy(network).cpu().eval()
    for module in plain.modules():
        if type(module).__module__ == cpu_kernels.__name__:
            module.__class__ = type(module).__mro__[1]
    return plain


def write_torchscript(network: nn.Module, path: Path, source: BundleSource, metadata: dict[str, Any]) -> None:
    """Write a network on the CPU as TorchScript, with metadata inside as MONAI's ``ckpt_export`` does."""
    with torch.no_grad():
        if source.config.model.name in _TRACED:
            image = torch.zeros(1, len(source.modalities), *source.window)
            script = torch.jit.trace(network, image, check_trace=False)
        else:
            script = torch.jit.script(network)
    save_net_with_metadata(script, str(path), include_config_vals=False, meta_values=metadata)
