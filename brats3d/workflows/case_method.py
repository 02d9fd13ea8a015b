"""What the page of a case says of how a run segmented it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from brats3d.config import FitConfig
from brats3d.postprocessing.postprocessing import DEFAULT_THRESHOLD
from brats3d.workflows.runs import RunFolder

_PARTS: Mapping[str, str] = MappingProxyType({"train": "training", "val": "validation", "test": "test"})


def model_of_run(run: RunFolder) -> str:
    """Name a run's model in a few words."""
    config = run.config()
    return f"{config.model.name} ({config.model.spatial_dims}-D), run {run.path.name}"


def thresholds_of_run(run: RunFolder) -> dict[str, float]:
    """Return the threshold of each region."""
    own = run.config().postprocess.thresholds
    return {name: own.get(name, DEFAULT_THRESHOLD) for name in run.convention().region_names}


def settings_of_run(run: RunFolder, checkpoint: str) -> dict[str, str]:
    """Settings that decide what a run makes of a case, by name.

    Args:
        run: The run.
        checkpoint: best or last.
    """
    config, split = run.config(), run.split()
    return {
        "Checkpoint": f"{checkpoint} ({run.checkpoint(checkpoint).name})",
        "Trained on": f"{len(split.train)} cases, {len(split.val)} for validation",
        "Modalities": ", ".join(config.data.modalities),
        "Preparation": _preparation(config),
        "Windows": _windows(config),
        "Thresholds": ", ".join(f"{name} {value:g}" for name, value in thresholds_of_run(run).items()),
        "After the thresholds": _rules(config) or "nothing is changed",
    }


def role_in_run(run: RunFolder, case_id: str) -> str:
    """Say whether a run was trained on a case."""
    split = run.split()
    part = next((part for part in _PARTS if case_id in getattr(split, part)), None)
    if part is None:
        return "The case had no part in the training of the model."
    if part == "train":
        return "The model was trained on this very case; its results on others are less good."
    return f"The case was one of the {_PARTS[part]} cases of the model, which was not trained on it."


def _preparation(config: FitConfig) -> str:
    chosen = config.preprocess
    steps = {
        "bias field removed": chosen.bias_field,
        f"denoised ({chosen.denoise})": chosen.denoise is not None,
        "local contrast equalised": chosen.clahe,
        "cropped to the brain": chosen.crop_to_brain,
        f"normalised ({chosen.normalise})": True,
    }
    spacing = chosen.spacing_mm
    grid = "" if spacing is None else f", on voxels of {' by '.join(f'{size:g}' for size in spacing)} mm"
    return ", ".join(step for step, taken in steps.items() if taken) + grid


def _windows(config: FitConfig) -> str:
    chosen = config.inference
    size = chosen.window or config.patch.size
    flips = ", averaged over mirror images" if chosen.flips else ""
    cells = "pixels" if config.model.spatial_dims == 2 else "voxels"
    return f"{' by '.join(map(str, size))} {cells}, overlapping by {chosen.overlap:.0%}{flips}"


def _rules(config: FitConfig) -> str:
    chosen = config.postprocess
    rules = [
        f"components of {name} below {volume_ml:g} ml are removed"
        for name, volume_ml in chosen.min_component_ml.items()
        if volume_ml > 0
    ]
    if chosen.et_to_ncr_below_ml > 0:
        rules.append(f"ET of less than {chosen.et_to_ncr_below_ml:g} ml altogether becomes NCR")
    if chosen.crf.iterations:
        rules.append("probabilities were refined by a conditional random field")
    return "; ".join(rules)
