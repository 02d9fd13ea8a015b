"""Configuration files that are laid over ``inference.json``."""

from __future__ import annotations

from typing import Any


def render_evaluate() -> dict[str, Any]:
    """Laid over ``inference.json``: score against label maps."""
    return {
        "scores_path": "$@output_dir + '/dice.csv'",
        "evaluator": {
            "_target_": "scripts.runner.CaseEvaluator",
            "labels": "@labels",
            "output": "@scores_path",
            "dataset": "@dataset",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "device": "@device",
        },
    }


def render_torchscript() -> dict[str, Any]:
    """Laid over ``inference.json``: the network as TorchScript, which computes in float32."""
    return {
        "network_def": "$torch.jit.load(@bundle_root + '/models/model.ts', map_location='cpu')",
        "precision": "32-true",
        "run": ["$@evaluator.run()"],
    }
