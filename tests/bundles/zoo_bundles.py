"""MONAI's brain tumour bundle, in its layout but small."""

from __future__ import annotations

from pathlib import Path

import torch
from foreign_bundles import Config, metadata, write_bundle
from monai.networks.nets.segresnet import SegResNet

CHANNELS = {"0": "T1c", "1": "T1", "2": "T2", "3": "FLAIR"}
REGIONS = {"0": "Tumor core", "1": "Whole tumor", "2": "Enhancing tumor"}


def zoo_config(tc: int = 0, wt: int = 1, et: int = 2) -> Config:
    rule = f"torch.where(x[[{tc}]] > 0, 1, torch.where(x[[{wt}]] > 0, 2, 0))"
    rule = f"torch.where(x[[{et}]] > 0, 4, {rule})"
    normalise = {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}
    invert = {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image"}
    return {
        "imports": ["$import glob"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cpu')",
        "amp": True,
        "network_def": {
            "_target_": "SegResNet",
            "blocks_down": [1, 2, 2, 4],
            "blocks_up": [1, 1, 1],
            "init_filters": 8,
            "in_channels": 4,
            "out_channels": 3,
            "dropout_prob": 0.2,
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "LoadImaged", "keys": "image"}, normalise],
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [24, 32, 40],
            "sw_batch_size": 1,
            "overlap": 0.5,
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
                invert,
                {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
                {"_target_": "Lambdad", "keys": "pred", "func": f"$lambda x: {rule}"},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
            ],
        },
    }


def zoo_network() -> SegResNet:
    """A network that has seen nothing, with outputs of either sign in every region."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        arguments = {k: v for k, v in zoo_config()["network_def"].items() if k != "_target_"}
        return SegResNet(**arguments).eval()


def zoo_bundle(folder: Path) -> Path:
    """Write such a bundle."""
    return write_bundle(folder, zoo_config(), metadata(CHANNELS, REGIONS), zoo_network())
