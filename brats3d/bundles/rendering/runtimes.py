"""Overlays that run the network of a bundle outside PyTorch's own Python code."""

from __future__ import annotations

from typing import Any

from brats3d.bundles.rendering.gate import render_behind
from brats3d.bundles.rendering.inference import render_inference
from brats3d.bundles.source import BundleSource


def render_torchscript(source: BundleSource) -> dict[str, Any]:
    """Laid over ``inference.json``: the network as TorchScript, which computes in float32."""
    loaded = "$torch.jit.load(@bundle_root + '/models/model.ts', map_location='cpu')"
    return {"network_def": loaded, **_as_one_network(source)}


def render_onnx(source: BundleSource) -> dict[str, Any]:
    """Laid over ``inference.json``: the network in ONNX Runtime, which computes in float32."""
    session = {
        "_target_": "scripts.onnx_network.OnnxNetwork",
        "path": "$@bundle_root + '/models/model.onnx'",
        "providers": ["CPUExecutionProvider"],
    }
    return {"network_def": session, **_as_one_network(source)}


def _as_one_network(source: BundleSource) -> dict[str, Any]:
    """What surrounds a network that has its weights inside, those of all members of an ensemble.

    A gate before it stays what it is: a network in PyTorch, in its own precision.
    """
    inferer = render_behind(source.gate, render_inference(source.members[0])["inferer"])
    return {
        **({"inferer": inferer} if source.is_ensemble else {}),
        "precision": "32-true",
        "run": ["$@evaluator.run()"],
    }
