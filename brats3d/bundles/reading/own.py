"""Bundles that ``brats3d export`` wrote: the configuration read back into that of the run.

The one place that knows what such a bundle says is its renderer. What is read back is rendered again,
and only a bundle that says the same from the first key to the last is taken for one of this package's.
Nothing of it is executed: its targets are known to mean the modules of this package.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from brats3d.bundles.reading import gate as gates
from brats3d.bundles.reading.folder import BundleFolder, UnfamiliarError
from brats3d.bundles.reading.programs import difference, holds_programs
from brats3d.bundles.reading.weights import load_weights, of_another_network, read_weights
from brats3d.bundles.rendering.ensemble import render_whole_inference
from brats3d.bundles.scripts.siblings import convention_of
from brats3d.bundles.source import BundleSource
from brats3d.config import FitConfig, PredictConfig, from_dict, to_plain
from brats3d.models import MODELS
from brats3d.models.architecture import without_pretrained
from brats3d.workflows.loading import build_segmenter, surround
from brats3d.workflows.segmentation import CaseSegmentation

# Where things lie and what they run on is a user's to set; `predict` has settings of its own for it.
_PLACES = ("bundle_root", "dataset_dir", "output_dir", "device", "save_probabilities")


def own_segmentation(bundle: BundleFolder, config: PredictConfig) -> CaseSegmentation:
    """Segmentation with a bundle that this package exported, as ``predict`` does it with the run.

    Raises:
        UnfamiliarError: The bundle says something else than the export writes.
        ConfigError: A setting in it cannot work.
        RunError: Its weights cannot be read, or belong to another network.
    """
    source = read_source(bundle.config)
    segmenters = [
        build_segmenter(
            member.config,
            member.convention,
            functools.partial(load_weights, weights=weights, path=bundle.weights),
            accelerator=config.accelerator,
            flips=config.flips,
            overlap=config.overlap,
        )
        for member, weights in zip(source.members, _weights(bundle.weights, source), strict=True)
    ]
    segmentation = surround(segmenters, source.config, source.convention)
    if source.gate is None:
        return segmentation
    return gates.behind_own_gate(segmentation, source, bundle, accelerator=config.accelerator)


def _weights(path: Path, source: BundleSource) -> list[dict[str, Tensor]]:
    """Weights of each member of an ensemble, or of the one network."""
    weights = read_weights(path)
    if not source.is_ensemble:
        return [weights]
    prefixes = tuple(f"members.{index}." for index in range(len(source.members)))
    stray = [name for name in weights if not name.startswith(prefixes)]
    if stray:
        raise of_another_network(path, f"{stray[0]}, with {len(prefixes)} networks in the configuration")
    return [
        {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        for prefix in prefixes
    ]


def read_source(inference: dict[str, Any] | None) -> BundleSource:
    """Read ``inference.json`` back into what it was rendered from, as far as that says how to segment.

    Raises:
        UnfamiliarError: It says something else than the export writes.
    """
    if inference is None:
        raise UnfamiliarError("its configuration is YAML")
    try:
        inference = {
            **inference,
            "network_def": _with_later_parameters(inference["network_def"]),
            "inferer": gates.with_later_parameters(inference["inferer"]),
        }
        source = _whole_source(inference)
        # A value that is an expression would come back unchanged.
        values = [[to_plain(member.config), member.labels()] for member in source.members]
        values += [] if source.gate is None else [[to_plain(source.gate.config)]]
        executed = holds_programs(values)
        rendered = json.loads(json.dumps(render_whole_inference(source)))
    except KeyError as error:
        raise UnfamiliarError(f"{error} is missing") from error
    except (IndexError, TypeError, AttributeError, ValueError) as error:
        raise UnfamiliarError("a part of it has another form") from error
    if executed:
        raise UnfamiliarError("an expression stands where the export writes a value")
    places = {
        key: rendered[key] for key in _PLACES if key in inference and not holds_programs(inference[key])
    }
    said = difference({**inference, **places}, rendered)
    if said is not None:
        raise UnfamiliarError(said)
    return source


def _with_later_parameters(network: dict[str, Any]) -> dict[str, Any]:
    """Fill in parameters that a network has been given since the export; their defaults change nothing."""
    if "members" in network:
        return {**network, "members": [_with_later_parameters(member) for member in network["members"]]}
    architecture = MODELS.get(network["architecture"])
    defaults = {} if architecture is None else without_pretrained(architecture.complete({}))
    return {**to_plain(defaults), **network}


def _whole_source(inference: dict[str, Any]) -> BundleSource:
    gate = gates.read_gate(inference["inferer"])
    if gate is not None:
        behind = {**inference, "inferer": inference["inferer"]["segmenter"]}
        return dataclasses.replace(_of_networks(behind), gate=gate)
    return _of_networks(inference)


def _of_networks(inference: dict[str, Any]) -> BundleSource:
    networks = inference["network_def"].get("members")
    if networks is None:
        return _source(inference)
    members = []
    for network, inferer in zip(networks, inference["inferer"]["members"], strict=True):
        own = inferer["precision"]
        alone = {"network_def": network, "inferer": inferer}
        # The precision of the bundle is that of its first member; others may have one of their own.
        members.append(_source(inference | alone | ({} if holds_programs(own) else {"precision": own})))
    return dataclasses.replace(members[0], averaged=tuple(members))


def _source(inference: dict[str, Any]) -> BundleSource:
    network = {key: value for key, value in inference["network_def"].items() if key != "_target_"}
    _, prepare = inference["preprocessing"]["transforms"]
    restore, _ = inference["postprocessing"]["transforms"]
    inferer = inference["inferer"]
    content = {
        **gates.read_preprocessing(prepare),
        "patch": {"size": inferer["window"]},
        "model": {
            "name": network.pop("architecture"),
            "spatial_dims": network.pop("spatial_dims"),
            "head": inferer["head"],
            "params": {key: network[key] for key in network if key not in ("in_channels", "out_channels")},
        },
        "inference": {key: inferer[key] for key in ("window", "overlap", "flips", "window_batch")},
        "postprocess": {
            key: restore[key] for key in ("thresholds", "min_component_ml", "et_to_ncr_below_ml")
        },
        "trainer": {"precision": inference["precision"]},
    }
    if inferer["slice_axis"] is not None:
        content["slices"] = {"axis": inferer["slice_axis"]}
    return BundleSource(
        name="",
        config=from_dict(FitConfig, content),
        convention=convention_of(inference["labels"]),
        summary={},
        cases={},
        layout="",
        on_phantoms=False,
    )
