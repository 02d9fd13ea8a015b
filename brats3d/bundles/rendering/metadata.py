"""The ``metadata.json`` of a bundle, by MONAI's schema."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from monai.utils import IgniteInfo

from brats3d import __version__
from brats3d.bundles.source import BundleSource
from brats3d.cases import MODALITIES
from brats3d.transforms.denoising import DENOISERS

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)

_LARGEST_NUMBERED = 9


def render_metadata(source: BundleSource) -> dict[str, Any]:
    """Metadata by MONAI's schema, with the scores of the run's held-out cases."""
    names = ", ".join(source.convention.region_names)
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": f"exported by brats3d {__version__}"},
        "monai_version": metadata.version("monai"),
        "pytorch_version": metadata.version("torch").partition("+")[0],
        "numpy_version": metadata.version("numpy"),
        "required_packages_version": _packages(source),
        "name": source.name,
        "task": f"Segmentation of brain tumours on MRI ({names})"
        if set(source.modalities) <= set(MODALITIES)
        else f"Segmentation of X-rays ({names})",
        "description": _description(source),
        "authors": "the authors of the run",
        "copyright": "scripts: the brats3d developers, Apache-2.0; weights: as their training data allow",
        "data_source": _data_source(source),
        "data_type": "nifti",
        "image_classes": f"{len(source.modalities)} channels: {', '.join(source.modalities)}",
        "label_classes": _words(source.label_values()),
        "pred_classes": _words(source.label_values()),
        "eval_metrics": eval_metrics(source),
        "intended_use": "Research only; not a medical device",
        "references": [],
        "network_data_format": _data_format(source),
    }


def eval_metrics(source: BundleSource) -> dict[str, float]:
    """Means over the held-out cases, such as ``ET_dice``; empty where nothing was scored.

    Of an ensemble, which nobody scored as a whole, those of its members: ``NAME_ET_dice``. Of networks
    behind a gate, which nobody scored there: ``without_gate_ET_dice``.
    """
    found = {}
    without = "" if source.gate is None else "without_gate_"
    for member in source.members:
        prefix = without + (f"{member.name}_" if source.is_ensemble else "")
        for region, metrics in member.summary.get("regions", {}).items():
            for metric, values in metrics.items():
                mean = values.get("mean") if isinstance(values, dict) else None
                if mean is not None:
                    found[f"{prefix}{region}_{metric}"] = mean
    return found


def _description(source: BundleSource) -> str:
    gate = source.gate
    if gate is None:
        return _networks(source)
    return (
        f"{_networks(source)}; behind the classifier {gate.name} ({gate.config.model.name} in "
        f"{gate.config.model.spatial_dims}-D), which skips {gate.judged} below the confidence "
        f"{gate.threshold:.4g}"
    )


def _networks(source: BundleSource) -> str:
    dims = source.config.model.spatial_dims
    if not source.is_ensemble:
        return f"{source.config.model.name} in {dims}-D, trained with brats3d"
    members = ", ".join(f"{member.name} ({member.config.model.name})" for member in source.members)
    return f"mean of the probabilities of {len(source.members)} networks in {dims}-D: {members}"


def _packages(source: BundleSource) -> dict[str, str]:
    """Packages besides MONAI and PyTorch: readers and connected components, which MONAI leaves to others."""
    names = ["nibabel", "scipy"]
    names += ["einops"] if any(member.config.model.name == "swin_unetr" for member in source.members) else []
    chosen = source.config.preprocess
    names += ["itk"] if chosen.bias_field or chosen.denoise in DENOISERS else []
    names += ["scikit-image"] if chosen.denoise == "non_local_means" else []
    # For training alone, which MONAI does with Ignite from that version on.
    training = {} if source.is_ensemble else {"pytorch-ignite": IgniteInfo.OPT_IMPORT_VERSION}
    return {name: metadata.version(name) for name in names} | training


def _data_source(source: BundleSource) -> str:
    if source.on_phantoms:
        return "phantoms: examinations made up by brats3d, no patient data"
    return f"a data set of the user's, files named as in {source.layout}"


def _without_gaps(values: dict[str, str]) -> dict[str, str]:
    """Names in the order of their values; 3D Slicer takes the n-th name of a label server for the value n.

    Values far apart, which only conventions of the user's own have, stay as they are.
    """
    largest = max(int(value) for value in values)
    if largest > _LARGEST_NUMBERED:
        return dict(sorted(values.items(), key=lambda item: int(item[0])))
    return {str(value): values.get(str(value), f"unused_{value}") for value in range(largest + 1)}


def _words(values: dict[str, str]) -> str:
    return ", ".join(f"{value} = {name}" for value, name in values.items())


def _data_format(source: BundleSource) -> dict[str, Any]:
    shared = {"spatial_shape": list(source.window), "dtype": "float32", "is_patch_data": True}
    return {
        "inputs": {
            "image": {
                "type": "image",
                "format": "magnitude",
                "modality": "MR" if set(source.modalities) <= set(MODALITIES) else "DX",
                "num_channels": len(source.modalities),
                **shared,
                "value_range": [],
                "channel_def": {str(i): name for i, name in enumerate(source.modalities)},
            }
        },
        "outputs": {
            "pred": {
                "type": "image",
                "format": "segmentation",
                "num_channels": source.out_channels,
                **shared,
                "value_range": [],
                "channel_def": _without_gaps(source.label_values()),
            }
        },
    }
