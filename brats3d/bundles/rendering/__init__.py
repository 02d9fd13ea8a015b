"""The configuration files of a bundle, all made here from the configuration of the run."""

from __future__ import annotations

from typing import Any

from brats3d.bundles.rendering.ensemble import render_whole_inference
from brats3d.bundles.rendering.logging_conf import LOGGING
from brats3d.bundles.rendering.metadata import render_metadata
from brats3d.bundles.rendering.overlays import render_evaluate
from brats3d.bundles.rendering.runtimes import render_onnx, render_torchscript
from brats3d.bundles.rendering.train import render_training
from brats3d.bundles.source import BundleSource

__all__ = ["LOGGING", "render_configs"]


def render_configs(source: BundleSource, *, onnx: bool) -> dict[str, Any]:
    """Return the JSON files of a bundle: name below ``configs/`` to content."""
    configs = {
        "metadata.json": render_metadata(source),
        "inference.json": render_whole_inference(source),
        "evaluate.json": render_evaluate(),
        "torchscript.json": render_torchscript(source),
        **render_training(source),
    }
    return configs | ({"onnx.json": render_onnx(source)} if onnx else {})
