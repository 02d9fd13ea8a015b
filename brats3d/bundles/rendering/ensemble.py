"""The ``inference.json`` of a bundle, whether it averages several runs or stands behind a gate."""

from __future__ import annotations

from typing import Any

from brats3d.bundles.rendering.gate import render_behind
from brats3d.bundles.rendering.inference import render_inference
from brats3d.bundles.source import BundleSource


def render_whole_inference(source: BundleSource) -> dict[str, Any]:
    """Configuration that segments with the run, or with the mean of an ensemble, behind the gate if any."""
    config = render_inference(source.members[0])
    if source.is_ensemble:
        members = [render_inference(member) for member in source.members]
        config["network_def"] = {
            "_target_": "scripts.ensemble.EnsembleNetwork",
            "members": [member["network_def"] for member in members],
            "head": source.config.model.head,
        }
        config["inferer"] = {
            "_target_": "scripts.ensemble.EnsembleInferer",
            "members": [_inferer(member, config["precision"]) for member in members],
        }
    config["inferer"] = render_behind(source.gate, config["inferer"])
    return config


def _inferer(member: dict[str, Any], precision: str) -> dict[str, Any]:
    """The inferer of a member, in its own precision where that is not the one of the bundle."""
    own = member["precision"]
    return member["inferer"] | ({} if own == precision else {"precision": own})
