"""Training patches of brats3d: prepared cases, random changes as one or the other tool makes them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d.benchmarks.loading.job import SEED, Job, ready
from brats3d.benchmarks.serving import Ready

if TYPE_CHECKING:
    from brats3d.data.datasets import PatchDataset
    from brats3d.data.store import StoredCase

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
# The probabilities and ranges of nnU-Net's trainer. Of its two power laws one acts on the inverted image.
AS_IN_NNUNET = {
    "noise_probability": 0.1,
    "noise_std": 0.1,
    "blur_probability": 0.2,
    "blur_sigma_range": (0.5, 1.0),
    "brightness_probability": 0.15,
    "contrast_probability": 0.15,
    "contrast_range": (0.75, 1.25),
    "low_resolution_probability": 0.25,
    "low_resolution_range": (0.5, 1.0),
    "gamma_probability": 0.4,
    "gamma_range": (0.7, 1.5),
    "rotation_probability": 0.2,
    "rotation_degrees": 30.0,
    "scaling_probability": 0.2,
    "scaling_range": (0.7, 1.4),
    "flip_probability": 0.5,
}
_FOREGROUND_OF_NNUNET = 0.33


def list_of_bundle(job: Job) -> Ready:
    """The random changes of MONAI's bundle."""
    return _prepared(_AS_IN_THE_BUNDLE, job)


def default_list(job: Job) -> Ready:
    """The random changes that fit makes by default."""
    return _prepared({}, job)


def list_of_nnunet(job: Job) -> Ready:
    """The random changes of nnU-Net, patch by patch."""
    return _prepared(AS_IN_NNUNET, job, _FOREGROUND_OF_NNUNET)


def reading_alone(job: Job) -> Ready:
    """Patches as they are stored, unchanged."""
    started = time.perf_counter()
    cases = _store(job)
    patches = _patches(job, cases, 0.0, lambda sample, seed: sample, as_stored=True)
    numbers = itertools.count()
    return ready(lambda: [patches[next(numbers)] for _ in range(job.patches)], len(cases), started)


def _prepared(changes: Mapping[str, Any], job: Job, foreground: float = 0.0) -> Ready:
    from brats3d.transforms.augmentation import build_augmentation

    started = time.perf_counter()
    cases = _store(job)
    augmentation = build_augmentation(3, **settings(changes))
    patches = _patches(job, cases, foreground, augmentation)
    numbers = itertools.count()
    return ready(lambda: [patches[next(numbers)] for _ in range(job.patches)], len(cases), started)


def list_of_nnunet_in_batches(job: Job) -> Ready:
    """The random changes of nnU-Net, on whole batches."""
    from brats3d.transforms.batch_augmentation.batch import build_batch_augmentation
    from brats3d.transforms.batch_augmentation.deferring import collate_deferred, defer

    started = time.perf_counter()
    cases = _store(job)
    patches = _patches(job, cases, _FOREGROUND_OF_NNUNET, defer, as_stored=True)
    augmentation = build_batch_augmentation(3, **settings(AS_IN_NNUNET))
    numbers = itertools.count()

    def work() -> list[dict[str, Any]]:
        batch = collate_deferred([patches[next(numbers)] for _ in range(job.patches)])
        images, classes = augmentation(**batch)
        return [{"image": image, "classes": own} for image, own in zip(images, classes, strict=True)]

    return ready(work, len(cases), started)


def _store(job: Job) -> list[StoredCase]:
    """The prepared form of all cases."""
    from brats3d.config import FitConfig
    from brats3d.data.store import PreparedStore
    from brats3d.transforms.preprocessing import Preprocessing
    from brats3d.workflows.prepared_case import prepare_case

    store, preprocessing = PreparedStore(Path(job.store)), Preprocessing(clip=FitConfig().preprocess.clip)
    return [prepare_case(case, preprocessing, store) for case in job.cases()]


def settings(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The augmentation that fit makes by default, but for ``changes``."""
    from brats3d.config import AugmentConfig

    settings = {**vars(AugmentConfig()), **changes}
    del settings["where"]
    return settings


def _patches(
    job: Job,
    cases: Sequence[StoredCase],
    foreground: float,
    augmentation: Callable[[Any, int], Any],
    *,
    as_stored: bool = False,
) -> PatchDataset:
    from brats3d.data.datasets import PatchDataset

    return PatchDataset(
        cases,
        size=job.patch,
        foreground=foreground,
        augmentation=augmentation,
        seed=SEED,
        as_stored=as_stored,
    )
