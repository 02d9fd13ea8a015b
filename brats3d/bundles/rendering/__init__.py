"""The configuration files of a bundle, all made here from the configuration of the run."""

from __future__ import annotations

from typing import Any

from brats3d.bundles.rendering.inference import render_inference
from brats3d.bundles.rendering.logging_conf import LOGGING
from brats3d.bundles.rendering.metadata import render_metadata
from brats3d.bundles.rendering.overlays import render_evaluate, render_torchscript
from brats3d.bundles.source import BundleSource

__all__ = ["LOGGING", "render_configs"]


def render_configs(source: BundleSource) -> dict[str, Any]:
    """Return the JSON files of a bundle: name below ``configs/`` to content."""
    return {
        "metadata.json": render_metadata(source),
        "inference.json": render_inference(source),
        "evaluate.json": render_evaluate(),
        "torchscript.json": render_torchscript(),
    }
