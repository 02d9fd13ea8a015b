"""The ``inference.json`` of a bundle: a case from its files to its label map, as ``predict`` does it."""

from __future__ import annotations

from typing import Any

from brats3d.bundles.source import BundleSource


def render_inference(source: BundleSource) -> dict[str, Any]:
    """Configuration that segments the cases below ``dataset_dir``."""
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
