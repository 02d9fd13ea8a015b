# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Random intensity changes that differ between the modalities of one image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, RandomizableTransform


class RandPerChanneld(RandomizableTransform, MapTransform):
    """Apply a random MONAI transform to single channels of ``image``, each with its own draw.

    Args:
        choices: MONAI random array transforms with ``prob=1``; each channel takes one of them.
        probability: Chance that the image is changed at all.
        channel_probability: Chance that a channel is, given that.
    """

    def __init__(
        self,
        choices: Sequence[RandomizableTransform],
        *,
        probability: float,
        channel_probability: float = 1.0,
    ) -> None:
        MapTransform.__init__(self, keys="image")
        RandomizableTransform.__init__(self, prob=probability)
        self.choices = tuple(choices)
        self.channel_probability = channel_probability

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> RandPerChanneld:
        """Seed this transform and, from it, its choices."""
        super().set_random_state(seed, state)
        for choice in self.choices:
            choice.set_random_state(int(self.R.randint(2**31)))
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Transform one sample with ``image`` ``(C, *S)``; the input is left as it is."""
        sample = dict(data)
        self.randomize(None)
        if not self._do_transform:
            return sample
        channels = []
        for channel in sample["image"].split(1):
            if self.R.uniform() < self.channel_probability:
                channel = self.choices[int(self.R.randint(len(self.choices)))](channel)
            channels.append(channel)
        sample["image"] = torch.cat(channels)
        return sample


class RandDropChannelsd(RandomizableTransform, MapTransform):
    """Blank some channels of ``image``, as if those modalities had not been acquired; one at least stays.

    A blanked channel is zero, the mean of the brain after z-scoring. How many go is drawn evenly.
    Source: Havaei et al. 2016 (HeMIS), who train with random subsets of the modalities.

    Args:
        probability: Chance that the image is changed at all.
    """

    def __init__(self, *, probability: float) -> None:
        MapTransform.__init__(self, keys="image")
        RandomizableTransform.__init__(self, prob=probability)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Transform one sample with ``image`` ``(C, *S)``; the input is left as it is."""
        sample = dict(data)
        self.randomize(None)
        channels = len(sample["image"])
        if not self._do_transform or channels == 1:
            return sample
        image = torch.as_tensor(sample["image"]).clone()
        dropped = self.R.permutation(channels)[: int(self.R.randint(1, channels))]
        image[dropped.tolist()] = 0
        sample["image"] = image
        return sample
