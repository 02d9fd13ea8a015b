"""The configuration files of a bundle, all made here from the configuration of the run."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from brats3d import __version__
from brats3d.bundles.source import BundleSource

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)

LOGGING = """\
[loggers]
keys=root

[handlers]
keys=console

[formatters]
keys=plain

[logger_root]
level=INFO
handlers=console

[handler_console]
class=StreamHandler
level=INFO
formatter=plain
args=(sys.stdout,)

[formatter_plain]
format=%(asctime)s %(levelname)s %(name)s: %(message)s
"""


def render_configs(source: BundleSource) -> dict[str, Any]:
    """Return the JSON files of a bundle: name below ``configs/`` to content."""
    return {
        "metadata.json": render_metadata(source),
        "inference.json": _inference(source),
        "evaluate.json": _evaluate(source),
        "torchscript.json": _torchscript(),
    }


def render_metadata(source: BundleSource) -> dict[str, Any]:
    """Metadata by MONAI's schema, with the scores of the run's held-out cases."""
    names, model = ", ".join(source.convention.region_names), source.config.model
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": f"exported by brats3d {__version__}"},
        "monai_version": metadata.version("monai"),
        "pytorch_version": metadata.version("torch").partition("+")[0],
        "numpy_version": metadata.version("numpy"),
        "required_packages_version": _packages(source),
        "name": source.name,
        "task": f"Segmentation of brain tumours on MRI ({names})",
        "description": f"{model.name} in {model.spatial_dims}-D, trained with brats3d",
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
    """Means over the held-out cases, such as ``ET_dice``; empty where nothing was scored."""
    found = {}
    for region, metrics in source.summary.get("regions", {}).items():
        for metric, values in metrics.items():
            mean = values.get("mean") if isinstance(values, dict) else None
            if mean is not None:
                found[f"{region}_{metric}"] = mean
    return found


def _packages(source: BundleSource) -> dict[str, str]:
    """Packages besides MONAI and PyTorch: readers and connected components, which MONAI leaves to others."""
    names = ["nibabel", "scipy"]
    names += ["einops"] if source.config.model.name == "swin_unetr" else []
    chosen = source.config.preprocess
    names += ["itk"] if chosen.bias_field or chosen.denoise is not None else []
    return {name: metadata.version(name) for name in names}


def _data_source(source: BundleSource) -> str:
    if source.on_phantoms:
        return "phantoms: examinations made up by brats3d, no patient data"
    return f"a data set of the user's, files named as in {source.layout}"


def _words(values: dict[str, str]) -> str:
    return ", ".join(f"{value} = {name}" for value, name in values.items())


def _data_format(source: BundleSource) -> dict[str, Any]:
    shared = {"spatial_shape": list(source.window), "dtype": "float32", "is_patch_data": True}
    return {
        "inputs": {
            "image": {
                "type": "image",
                "format": "magnitude",
                "modality": "MR",
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
                "channel_def": source.label_values(),
            }
        },
    }


def _inference(source: BundleSource) -> dict[str, Any]:
    return {
        "imports": ["$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/eval'",
        "ckpt_path": "$@bundle_root + '/models/model.pt'",
        "save_probabilities": False,
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "modalities": list(source.modalities),
        "labels": source.labels(),
        "precision": source.config.trainer.precision,
        "network_def": {"_target_": "scripts.network.segmentation_network", **source.network()},
        "network": "$@network_def.to(@device)",
        "weights": "$torch.load(@ckpt_path, map_location='cpu', weights_only=True)['model']",
        "datalist": {
            "_target_": "scripts.siblings.find_cases",
            "folder": "@dataset_dir",
            "modalities": "@modalities",
        },
        "preprocessing": _preprocessing(source),
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "inferer": _inferer(source),
        "postprocessing": _postprocessing(source),
        "evaluator": {
            "_target_": "scripts.runner.CaseRunner",
            "dataset": "@dataset",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "device": "@device",
        },
        "run": [
            "$@network.load_state_dict(@weights)",
            "$@evaluator.run()",
        ],
    }


def _preprocessing(source: BundleSource) -> dict[str, Any]:
    return {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "scripts.siblings.FindCased", "modalities": "@modalities", "labels": "@labels"},
            {"_target_": "scripts.transforms.PrepareCased", **source.preprocessing()},
        ],
    }


def _inferer(source: BundleSource) -> dict[str, Any]:
    chosen, model = source.config.inference, source.config.model
    return {
        "_target_": "scripts.inferer.RegionInferer",
        "head": model.head,
        "labels": "@labels",
        "window": list(source.window),
        "overlap": chosen.overlap,
        "window_batch": chosen.window_batch,
        "flips": chosen.flips,
        "precision": "@precision",
        "slice_axis": source.config.slices.axis if model.spatial_dims == 2 else None,
    }


def _postprocessing(source: BundleSource) -> dict[str, Any]:
    chosen = source.config.postprocess
    return {
        "_target_": "Compose",
        "transforms": [
            {
                "_target_": "scripts.transforms.RestoreLabelsd",
                "labels": "@labels",
                "thresholds": dict(chosen.thresholds),
                "min_component_ml": dict(chosen.min_component_ml),
                "et_to_ncr_below_ml": chosen.et_to_ncr_below_ml,
            },
            {
                "_target_": "scripts.transforms.SaveLabelsd",
                "output_dir": "@output_dir",
                "save_probabilities": "@save_probabilities",
            },
        ],
    }


def _evaluate(source: BundleSource) -> dict[str, Any]:
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


def _torchscript() -> dict[str, Any]:
    """Laid over ``inference.json``: the network as TorchScript, which computes in float32."""
    return {
        "network_def": "$torch.jit.load(@bundle_root + '/models/model.ts', map_location='cpu')",
        "precision": "32-true",
        "run": ["$@evaluator.run()"],
    }
