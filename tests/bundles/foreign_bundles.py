"""Bundles with code of their own, for the tests of bundles of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brats3d.config import PredictConfig
from brats3d.imaging import read_volume

CASE = "BraTS2021_00001"
Config = dict[str, Any]


def metadata(inputs: object, outputs: object) -> Config:
    return {
        "network_data_format": {
            "inputs": {"image": {"num_channels": 4, "channel_def": inputs}},
            "outputs": {"pred": {"num_channels": 3, "channel_def": outputs}},
        }
    }


def write_bundle(folder: Path, config: Config, about: Config, network: torch.nn.Module) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(about))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


def job(bundle: Path, data: Path, output: Path, **changes: Any) -> PredictConfig:
    return PredictConfig(
        bundle=str(bundle), input=str(data), output=str(output), accelerator="cpu", **changes
    )


def change(bundle: Path, name: str, edit: Callable[[Config], object]) -> None:
    path = bundle / "configs" / name
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


MODULE = """
import torch

class Brightest(torch.nn.Module):
    '''Logits of regions: how far a channel is above a bound that is learnt.'''

    def __init__(self, channels):
        super().__init__()
        self.bound = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, image):
        return image - self.bound[None, :, None, None, None]
"""


def foreign_config(*, inverts: bool = True, steps: list[Config] | None = None) -> Config:
    """A bundle with code of its own, that turns, resamples and crops, and leads back."""
    turn = [
        {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "PIR", "labels": None},
        {"_target_": "CropForegroundd", "keys": "image", "source_key": "image"},
        {"_target_": "ScaleIntensityd", "keys": "image", "channel_wise": True},
    ]
    back = {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image"}
    masks: list[Config] = [{"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.0}]
    save: Config = {"_target_": "SaveImaged", "keys": "pred", "output_dir": "$@bundle_root + '/eval'"}
    after = [*(steps if steps is not None else masks), *([back] if inverts else []), save]
    return {
        "device": "$torch.device('cuda')",
        "network_def": {"_target_": "scripts.brightest.Brightest", "channels": 3},
        "preprocessing": {"_target_": "Compose", "transforms": turn},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Compose", "transforms": after},
    }


BOUNDS = (0.8, 0.5, 0.2)


def foreign_bundle(folder: Path, config: Config, outputs: object, inputs: object = None) -> Path:
    """A bundle whose regions are the voxels above a bound: of T1-Gd, T2 and T2-FLAIR."""
    module = torch.nn.Module()
    module.bound = torch.nn.Parameter(torch.tensor(BOUNDS))
    about = metadata(inputs or {"0": "T1-Gd", "1": "T2w", "2": "T2 FLAIR"}, outputs)
    bundle = write_bundle(folder, config, about, module)
    (bundle / "scripts").mkdir()
    (bundle / "scripts" / "__init__.py").write_text("")
    (bundle / "scripts" / "brightest.py").write_text(MODULE)
    return bundle


def brighter(case: Path) -> list[np.ndarray]:
    """Where each image is above its bound, once it is scaled from 0 to 1."""
    images = [read_volume(case / f"{case.name}_{name}.nii.gz")[0] for name in ("t1ce", "t2", "flair")]
    assert all(image.min() == 0 for image in images)
    return [image / image.max() >= bound for image, bound in zip(images, BOUNDS, strict=True)]
