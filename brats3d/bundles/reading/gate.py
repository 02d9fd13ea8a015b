"""The classifier before the segmentation of an exported bundle, read back into its configuration."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from brats3d.bundles.gate_source import GATE_WEIGHTS, GateSource
from brats3d.bundles.reading.folder import BundleFolder
from brats3d.bundles.reading.weights import load_weights, read_weights
from brats3d.bundles.source import BundleSource
from brats3d.config import FitConfig, from_dict, to_plain
from brats3d.config.data import PreprocessConfig
from brats3d.models.architecture import without_pretrained
from brats3d.models.classifiers import CLASSIFIERS
from brats3d.workflows.gate_loading import build_gate, check_agrees
from brats3d.workflows.gating import GatedSegmentation, put_before
from brats3d.workflows.segmentation import CaseSegmentation


def with_later_parameters(inferer: dict[str, Any]) -> dict[str, Any]:
    """Fill in parameters that a gate's network has been given since; their defaults change nothing."""
    if "gate" not in inferer:
        return inferer
    network = inferer["gate"]
    architecture = CLASSIFIERS.get(network["architecture"])
    defaults = {} if architecture is None else without_pretrained(architecture.complete({}))
    return {**inferer, "gate": {**to_plain(defaults), **network}}


def read_gate(inferer: dict[str, Any]) -> GateSource | None:
    """Read the gate of an inferer, or None: it has no gate."""
    if "gate" not in inferer:
        return None
    given = ("_target_", "in_channels", "size")
    network = {key: value for key, value in inferer["gate"].items() if key not in given}
    content = {
        "task": "classify",
        **read_preprocessing(inferer["preprocessing"]),
        "patch": {"size": inferer["size"]},
        "model": {
            "name": network.pop("architecture"),
            "spatial_dims": network.pop("spatial_dims"),
            "params": network,
        },
        "inference": {"window_batch": inferer["window_batch"]},
        "trainer": {"precision": inferer["precision"]},
    }
    if inferer["slice_axis"] is not None:
        content["slices"] = {"axis": inferer["slice_axis"]}
    return GateSource("", from_dict(FitConfig, content), float(inferer["threshold"]), {})


def read_preprocessing(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a preprocessing as the sections ``data`` and ``preprocess`` of a configuration."""
    of_preprocessing = [field.name for field in dataclasses.fields(PreprocessConfig)]
    return {
        "data": {key: settings[key] for key in ("modalities", "label_geometry")},
        "preprocess": {key: settings[key] for key in of_preprocessing if key in settings},
    }


def behind_own_gate(
    segmentation: CaseSegmentation, source: BundleSource, bundle: BundleFolder, *, accelerator: str
) -> GatedSegmentation:
    """Put the gate of a bundle before its segmentation.

    Raises:
        ConfigError: The two differ in what they see.
        RunError: The weights of the gate cannot be read, or belong to another network.
    """
    gate, path = source.gate, bundle.path / GATE_WEIGHTS
    assert gate is not None
    for member in source.members:
        check_agrees(gate.config, bundle.inference, member.config, bundle.inference)
    load = functools.partial(load_weights, weights=read_weights(path), path=path)
    classifier = build_gate(gate.config, load, accelerator=accelerator)
    return put_before(segmentation, classifier, gate.threshold, path)
