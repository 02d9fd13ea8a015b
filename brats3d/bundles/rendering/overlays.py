"""Configuration files that are laid over ``inference.json``."""

from __future__ import annotations

from typing import Any

from brats3d.metrics import DEFAULT_PROFILE


def render_evaluate() -> dict[str, Any]:
    """Laid over ``inference.json``: score against label maps, by the rules of a profile."""
    return {
        "profile": DEFAULT_PROFILE.name,
        "check_affine": True,
        "evaluator": {
            "_target_": "scripts.runner.CaseEvaluator",
            "labels": "@labels",
            "profile": "@profile",
            "check_affine": "@check_affine",
            "output_dir": "@output_dir",
            "dataset": "@dataset",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "device": "@device",
        },
    }
