"""The classifier of a gate: its threshold, its network, and whether it sees what is behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brats3d import assembly
from brats3d.config import FitConfig
from brats3d.errors import ConfigError, RunError
from brats3d.inference.classifying import Classifier
from brats3d.workflows.classify import GATE
from brats3d.workflows.runs import RunFolder


def read_threshold(run: RunFolder) -> float:
    """Confidence from which the run's classifier lets an image through.

    Raises:
        RunError: The training has not come to its end, or the file is torn.
    """
    path = run.path / GATE
    try:
        threshold = float(json.loads(path.read_text(encoding="utf-8"))["threshold"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            "the run has no threshold for a gate",
            where=path,
            got=type(error).__name__,
            expected="the file that the end of its training writes",
            remedy=f"let the training come to its end: brats3d fit --resume {run.path}",
        ) from error
    if not 0 <= threshold <= 1:
        raise RunError("not a threshold", where=path, got=threshold, expected="a number from 0 to 1")
    return threshold


def build_gate(config: FitConfig, load: Callable[[Any], None], *, accelerator: str = "auto") -> Classifier:
    """Build a classifier, have its weights loaded, and put it on the machine.

    Args:
        config: Configuration of its run.
        load: Loads the weights into the network.
        accelerator: auto, cpu or gpu.

    Raises:
        ConfigError: A setting that cannot work.
    """
    from brats3d.models import lay_out

    network = assembly.build_classifier_network(config)
    load(network)
    machine = assembly.hardware(accelerator, "auto")
    if (machine.device, config.trainer.precision) != ("cpu", "16-mixed"):
        machine = assembly.hardware(accelerator, config.trainer.precision)
    lay_out(network, config.model.spatial_dims, device=machine.device)
    return assembly.build_classifier(config, network.to(machine.device).eval(), machine.inference)


def check_agrees(gate: FitConfig, path: Path, config: FitConfig, where: Path) -> None:
    """Check that a gate and what is behind it see the same.

    Args:
        gate: Configuration of the gate.
        path: Where that is from, for the message.
        config: Configuration of what is behind it.
        where: Where that is from.

    Raises:
        ConfigError: They do not.
    """
    seen, behind = _seen(gate), _seen(config)
    if assembly.slice_axis(gate) is None:  # whole cases are skipped, whatever sees the others
        del seen["slices"], behind["slices"]
    for name in dict.fromkeys([*seen, *behind]):
        own, other = seen.get(name), behind.get(name)
        if own != other:
            raise ConfigError(
                f"the gate and the segmentation differ in {name}",
                where=path,
                got=own,
                expected=f"{other}, as in {where}",
                remedy="train the gate with these settings of the segmentation",
            )


def _seen(config: FitConfig) -> dict[str, Any]:
    """What a network sees of a case."""
    slices = f"{config.slices.axis} slices" if config.model.spatial_dims == 2 else "volumes"
    preprocessing = assembly.build_preprocessing(config).settings()
    return {
        "modalities": ", ".join(assembly.modalities(config)),
        **{f"preprocess.{name}": value for name, value in preprocessing.items()},
        "slices": slices,
    }
