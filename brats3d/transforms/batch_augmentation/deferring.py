"""Samples that travel with a seed, to be augmented later as a batch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from torch.utils.data import default_collate


def defer(sample: Mapping[Hashable, Any], seed: int) -> dict[Hashable, Any]:
    """Put the ``seed`` of the augmentation beside a sample instead of augmenting it."""
    return {**sample, "seed": seed}


def collate_deferred(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch; ``seeds`` is a list of numbers, which stay on the CPU when the batch moves."""
    batch = default_collate([{key: sample[key] for key in ("image", "classes")} for sample in samples])
    return {**batch, "seeds": [int(sample["seed"]) for sample in samples]}
