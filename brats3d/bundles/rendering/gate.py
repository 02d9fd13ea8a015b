"""The part of ``inference.json`` that puts a classifier before the segmentation."""

from __future__ import annotations

from typing import Any

from brats3d.bundles.gate_source import GATE_WEIGHTS, GateSource


def render_behind(gate: GateSource | None, inferer: dict[str, Any]) -> dict[str, Any]:
    """Return an inferer that asks the gate first; without a gate, ``inferer`` itself."""
    if gate is None:
        return inferer
    path = f"@bundle_root + '/{GATE_WEIGHTS}'"
    return {
        "_target_": "scripts.gate.GatedInferer",
        "gate": {"_target_": "scripts.gate.gate_network", **gate.network()},
        "weights": f"$torch.load({path}, map_location='cpu', weights_only=True)['model']",
        "size": list(gate.config.patch.size),
        "slice_axis": gate.slice_axis,
        "window_batch": gate.config.inference.window_batch,
        "precision": gate.config.trainer.precision,
        "threshold": gate.threshold,
        "preprocessing": gate.preprocessing(),
        "prepared": "$@preprocessing.transforms[1].preprocessing.settings()",
        "labels": "@labels",
        "segmenter": inferer,
    }
