"""Training patches by the transforms of MONAI's brain tumour bundle."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from brats3d.benchmarks.loading.job import SEED, Job, ready
from brats3d.benchmarks.serving import Ready
from brats3d.cases import MODALITIES


def uncached(job: Job) -> Ready:
    """Everything for every patch."""
    from monai.data import Dataset

    return _bundle(Dataset, job)


def cached(job: Job) -> Ready:
    """What is not random once, kept in memory."""
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
    ).set_random_state(SEED)
    patches = dataset(items, chain)
    numbers = itertools.count()

    def work() -> list[Any]:
        return [patches[next(numbers) % len(items)] for _ in range(job.patches)]

    return ready(work, len(items), started)
