"""The network of a run as files that need nothing of this package."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import torch
from monai.data.torchscript_utils import save_net_with_metadata
from torch import nn

from brats3d.bundles.source import BundleSource
from brats3d.errors import MissingExtraError

# MONAI's transformer cannot be scripted; a trace of it holds for the window it was made with.
_TRACED = ("swin_unetr",)
_OPSET = 18


def write_state(network: nn.Module, path: Path) -> None:
    """Write ``{"model": state_dict}``, tensors on the CPU; it loads with ``weights_only=True``."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    torch.save({"model": state}, path)


def write_torchscript(network: nn.Module, path: Path, source: BundleSource, metadata: dict[str, Any]) -> None:
    """Write a network on the CPU as TorchScript, with metadata inside as MONAI's ``ckpt_export`` does."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # on sizes that do not change
        if _takes_only_its_window(source):
            script = torch.jit.trace(network, _window(source), check_trace=False)
        else:
            script = torch.jit.script(network)
    save_net_with_metadata(script, str(path), include_config_vals=False, meta_values=metadata)


def write_onnx(network: nn.Module, path: Path, source: BundleSource) -> None:
    """Write a network on the CPU for ONNX Runtime: input ``image``, output ``logits``, any batch size.

    Spatial sizes are those that the network itself can take, or its window alone where it was traced
    with one (see :func:`write_torchscript`).
    """
    import onnx

    free = {0: "batch"}
    if not _takes_only_its_window(source):
        free |= {axis + 2: f"side_{axis}" for axis in range(len(source.window))}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on sizes that do not change, and on the age of this exporter
        torch.onnx.export(
            network,
            (_window(source),),
            str(path),
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": free, "logits": free},
            opset_version=_OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(str(path), full_check=True)


def require_onnx() -> None:
    """Check that networks can be written and run in ONNX.

    Raises:
        MissingExtraError: A package for it is not installed.
    """
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"--onnx needs the package {' and '.join(missing)}",
            where="onnx",
            remedy='pip install "brats3d[onnx]", or export without --onnx',
        )


def _takes_only_its_window(source: BundleSource) -> bool:
    return any(member.config.model.name in _TRACED for member in source.members)


def _window(source: BundleSource) -> torch.Tensor:
    return torch.zeros(1, len(source.modalities), *source.window)
