"""A process that makes one augmented training patch, with one contender, whenever it is told to.

Run by path, as ``python worker.py CONTENDER JOB.json``.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brats3d.benchmarks.serving import Contender, Ready, serve
from brats3d.cases import MODALITIES, Case

_SEED = 0
# Contrast and brightness as in MONAI's bundle, on every patch, and nothing else but flips.
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
class Job:
    """What patches are made of.

    Attributes:
        root: Data set.
        store: Folder for prepared cases.
        patch: Voxels of a patch along each axis.
    """

    root: str
    store: str
    patch: tuple[int, ...]

    def cases(self) -> tuple[Case, ...]:
        """Cases with all modalities and a label map."""
        from brats3d.data.discovery import discover

        cases = discover(self.root).cases
        for case in cases:
            case.require(MODALITIES, label=True)
        return cases


def _ours(job: Job) -> Ready:
    return _prepared(_AS_IN_THE_BUNDLE, job)


def _ours_default(job: Job) -> Ready:
    return _prepared({}, job)


def _prepared(changes: Mapping[str, Any], job: Job) -> Ready:
    from brats3d.config import AugmentConfig, FitConfig
    from brats3d.data.datasets import PatchDataset
    from brats3d.data.store import PreparedStore
    from brats3d.transforms.augmentation import build_augmentation
    from brats3d.transforms.preprocessing import Preprocessing
    from brats3d.workflows.prepared_case import prepare_case

    cases, started = job.cases(), time.perf_counter()
    clip = FitConfig().preprocess.clip
    store, preprocessing = PreparedStore(Path(job.store)), Preprocessing(clip=clip)
    prepared = [prepare_case(case, preprocessing, store) for case in cases]
    settings = {**vars(AugmentConfig()), **changes}
    del settings["where"]
    patches = PatchDataset(
        prepared, size=job.patch, foreground=0.0, augmentation=build_augmentation(3, **settings), seed=_SEED
    )
    numbers = itertools.count()
    return _ready(lambda: patches[next(numbers)], len(cases), started)


def _monai(job: Job) -> Ready:
    from monai.data import Dataset

    return _bundle(Dataset, job)


def _monai_cache(job: Job) -> Ready:
    from monai.data import CacheDataset

    return _bundle(lambda items, chain: CacheDataset(items, chain, progress=False), job)


def _bundle(dataset: Callable[[Any, Any], Any], job: Job) -> Ready:
    from monai import transforms

    cases, started, both = job.cases(), time.perf_counter(), ["image", "label"]
    items = [{"image": [case.images[name] for name in MODALITIES], "label": case.label} for case in cases]
    chain = transforms.Compose(
        [
            transforms.LoadImaged(both),
            transforms.EnsureChannelFirstd(both),
            transforms.Orientationd(both, axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
            transforms.NormalizeIntensityd("image", nonzero=True, channel_wise=True),
            transforms.CropForegroundd(both, source_key="image", allow_smaller=True),
            transforms.SpatialPadd(both, job.patch),
            transforms.RandSpatialCropd(both, job.patch, random_size=False),
            *(transforms.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(3)),
            transforms.RandScaleIntensityd("image", factors=0.1, prob=1.0),
            transforms.RandShiftIntensityd("image", offsets=0.1, prob=1.0),
        ]
    ).set_random_state(_SEED)
    patches = dataset(items, chain)
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

CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "brats3d": Contender(
            "prepared cases (cropped, normalised, compressed), then the random changes of MONAI's bundle: "
            "flips, contrast, brightness",
            _OURS,
            _ours,
        ),
        "brats3d-default": Contender(
            "the same with the random changes that fit makes: rotation, zoom, noise, blur, gamma and "
            "resolution, too",
            _OURS,
            _ours_default,
        ),
        "monai": Contender(
            "Dataset with the transforms of MONAI's brain tumour bundle: loads, orients, normalises, "
            "crops to the foreground, crops at random, flips, contrast, brightness",
            _THEIRS,
            _monai,
        ),
        "monai-cache": Contender(
            "the same with CacheDataset: what is not random is done once and kept in memory",
            _THEIRS,
            _monai_cache,
        ),
    }
)


def main(name: str, file: str) -> None:
    """Answer until there is nothing more to read."""
    import torch

    torch.set_num_threads(1)
    serve(CONTENDERS[name], lambda: Job(**json.loads(Path(file).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
