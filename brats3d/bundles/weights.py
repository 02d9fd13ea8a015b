"""The weights of a run as files that need nothing of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from monai.data.torchscript_utils import save_net_with_metadata
from torch import nn

from brats3d.bundles.source import BundleSource

# MONAI's transformer cannot be scripted; a trace of it holds for the window it was made with.
_TRACED = ("swin_unetr",)


def write_state(network: nn.Module, path: Path) -> None:
    """Write ``{"model": state_dict}``, tensors on the CPU; it loads with ``weights_only=True``."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    torch.save({"model": state}, path)


def write_torchscript(network: nn.Module, path: Path, source: BundleSource, metadata: dict[str, Any]) -> None:
    """Write the network as TorchScript with the bundle's metadata inside, as MONAI's ``ckpt_export`` does."""
    network = network.cpu().eval()
    with torch.no_grad():
        if source.config.model.name in _TRACED:
            image = torch.zeros(1, len(source.modalities), *source.window)
            script = torch.jit.trace(network, image, check_trace=False)
        else:
            script = torch.jit.script(network)
    save_net_with_metadata(script, str(path), include_config_vals=False, meta_values=metadata)
