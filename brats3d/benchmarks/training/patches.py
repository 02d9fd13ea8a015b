"""The patches that are trained on: whole heads of phantoms, normalised."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brats3d.benchmarks.nnunet.plans import LABELS
from brats3d.benchmarks.training.job import CHANNELS, SEED
from brats3d.data.phantom import make_phantom

_NCR, _ED, _ET = 1, 2, 4  # label values of phantoms, those of brats2017


def write_patches(file: Path, patch: tuple[int, int, int], batch_size: int) -> None:
    """Write what :class:`~brats3d.benchmarks.training.job.Job` describes."""
    table = np.zeros(256, np.uint8)
    table[[_NCR, _ED, _ET]] = LABELS["necrosis"], LABELS["edema"], LABELS["enhancing"]
    images, labels = [], []
    for number in range(batch_size):
        phantom = make_phantom(SEED + number, patch)
        image = np.stack([phantom.images[name] for name in CHANNELS])
        inside = image[:, phantom.brain]
        mean, deviation = inside.mean(1)[:, None, None, None], inside.std(1)[:, None, None, None]
        images.append(np.where(phantom.brain, (image - mean) / deviation, 0).astype(np.float32))
        labels.append(table[phantom.labels][None])
    with file.open("wb") as opened:
        np.savez(opened, image=np.stack(images), labels=np.stack(labels))
