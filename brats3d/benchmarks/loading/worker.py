"""A process that makes one augmented training patch, with one contender, whenever it is told to.

Run by path, as ``python worker.py CONTENDER SUBJECT.json``, where the file names the data set (``root``),
a folder for what is prepared (``store``) and the size of a patch (``patch``).
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from monai import transforms
from monai.data import CacheDataset, Dataset

from brats3d.benchmarks.scoring.worker import Ready, serve
from brats3d.cases import MODALITIES, Case
from brats3d.config import AugmentConfig
from brats3d.data.datasets import PatchDataset
from brats3d.data.discovery import discover
from brats3d.data.store import PreparedStore
from brats3d.transforms.augmentation import build_augmentation
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.workflows.prepared_case import prepare_case

_SEED = 0
# Brightness and contrast as in MONAI's bundle, on every patch, and nothing else but flips.
_AS_IN_THE_BUNDLE = {
    "brightness_probability": 1.0,
    "brightness_offset": 0.1,
    "contrast_probability": 1.0,
    "contrast_range": (0.9, 1.1),
    "rotation_probability": 0.0,
    "scaling_probability": 0.0,
    "noise_probability": 0.0,
    "blur_probability": 0.0,
    "gamma_probability": 0.0,
    "low_resolution_probability": 0.0,
}


@dataclass(frozen=True)
class Subject:
    """What patches are made of.

    Attributes:
        root: Data set.
        store: Folder for prepared cases.
        patch: Voxels of a patch along each axis.
    """

    root: str
    store: str
    patch: tuple[int, int, int]

    def cases(self) -> tuple[Case, ...]:
        """Cases with all modalities and a label map."""
        cases = discover(self.root).cases
        for case in cases:
            case.require(MODALITIES, label=True)
        return cases


def _ours(changes: Mapping[str, Any], subject: Subject) -> Ready:
    store, preprocessing, started = PreparedStore(Path(subject.store)), Preprocessing(), time.perf_counter()
    prepared = [prepare_case(case, preprocessing, store) for case in subject.cases()]
    settings = vars(AugmentConfig()) | changes
    settings.pop("where")
    patches = PatchDataset(
        prepared,
        size=subject.patch,
        foreground=0.0,
        augmentation=build_augmentation(3, **settings),
        seed=_SEED,
    )
    numbers = itertools.count()
    return _ready(lambda: patches[next(numbers)], len(prepared), started)


def _monai(cached: bool, subject: Subject) -> Ready:
    cases, started, both = subject.cases(), time.perf_counter(), ["image", "label"]
    items = [{"image": [case.images[name] for name in MODALITIES], "label": case.label} for case in cases]
    flips = [transforms.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(3)]
    chain = transforms.Compose(
        [
            transforms.LoadImaged(both),
            transforms.EnsureChannelFirstd(both),
            transforms.Orientationd(both, axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
            transforms.NormalizeIntensityd("image", nonzero=True, channel_wise=True),
            transforms.CropForegroundd(both, source_key="image", allow_smaller=True),
            transforms.SpatialPadd(both, subject.patch),
            transforms.RandSpatialCropd(both, subject.patch, random_size=False),
            *flips,
            transforms.RandScaleIntensityd("image", factors=0.1, prob=1.0),
            transforms.RandShiftIntensityd("image", offsets=0.1, prob=1.0),
        ]
    ).set_random_state(_SEED)
    patches = CacheDataset(items, chain, progress=False) if cached else Dataset(items, chain)
    numbers = itertools.count()
    return _ready(lambda: patches[next(numbers) % len(items)], len(items), started)


def _ready(work: Callable[[], Any], cases: int, started: float) -> Ready:
    seconds = (time.perf_counter() - started) / cases

    def read(sample: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        channels, *size = sample["image"].shape
        return {
            "patch": {"channels": channels, **dict(zip("xyz", size, strict=True))},
            "beforehand": {"seconds_per_case": seconds},
        }

    return work, read


_OURS = ("brats3d", "blosc2", "monai", "torch", "numpy")
_THEIRS = ("monai", "torch", "nibabel", "numpy")
_LOADERS: Mapping[str, tuple[Sequence[str], Callable[[Subject], Ready]]] = MappingProxyType(
    {
        "brats3d": (_OURS, lambda subject: _ours(_AS_IN_THE_BUNDLE, subject)),
        "brats3d-default": (_OURS, lambda subject: _ours({}, subject)),
        "monai": (_THEIRS, lambda subject: _monai(False, subject)),
        "monai-cache": (_THEIRS, lambda subject: _monai(True, subject)),
    }
)
"""Contender to the packages that it needs and what makes it ready."""


def main(name: str, file: str) -> None:
    """Answer until there is nothing more to read."""
    torch.set_num_threads(1)
    content = json.loads(Path(file).read_text(encoding="utf-8"))
    x, y, z = content["patch"]
    packages, prepare = _LOADERS[name]
    serve(packages, lambda: prepare(Subject(content["root"], content["store"], (x, y, z))))


if __name__ == "__main__":
    main(*sys.argv[1:])
