"""Training images of a classifier: slices or volumes, as many with tumour as without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from brats3d.data.datasets import Sample
from brats3d.data.store import StoredCase
from brats3d.errors import ConfigError
from brats3d.inference.classifying import resized
from brats3d.training.classification_labels import Labels

_LEAST = 2


class BalancedImages(Dataset[Sample]):
    """Images drawn evenly from those with tumour and those without.

    A sample is a function of the seed and its running number alone.

    Args:
        cases: Prepared cases.
        labels: Labels of each case's images, see
            :class:`~brats3d.training.classification_labels.Labelling`.
        axis: Array axis of the slices; None: volumes.
        size: Size that images are resized to.
        augmentation: Called with a sample and a seed.
        seed: Seed of everything drawn.

    Raises:
        ConfigError: A class has fewer than two images.
    """

    def __init__(
        self,
        cases: Sequence[StoredCase],
        labels: Sequence[Labels],
        *,
        axis: int | None,
        size: Sequence[int],
        augmentation: Callable[[Any, int], Any],
        seed: int,
    ) -> None:
        self.cases = list(cases)
        self.axis = axis
        self.size = tuple(size)
        self.augmentation = augmentation
        self.seed = seed
        self.members = [
            [
                (number, int(place))
                for number, of_case in enumerate(labels)
                for place in np.flatnonzero(of_case == label)
            ]
            for label in (0, 1)
        ]
        check_both_classes(len(self.members[0]), len(self.members[1]), "training", least=_LEAST)

    def __getitem__(self, number: int) -> Sample:
        """Make sample ``number``: image float32 ``(C, *size)``, label int64 ``()``."""
        generator = np.random.default_rng([self.seed, number])
        pair, position = divmod(number, 2)
        label = int(np.random.default_rng([self.seed, pair, 1]).permutation(2)[position])
        case, place = self.members[label][int(generator.integers(len(self.members[label])))]
        image = self._image(self.cases[case], place)
        shape = (1, *image.shape[1:])
        sample = {"image": image, "classes": torch.zeros(shape, dtype=torch.uint8)}
        changed: Tensor = self.augmentation(sample, int(generator.integers(2**31)))["image"]
        return {"image": changed, "label": torch.tensor(label)}

    def _image(self, case: StoredCase, place: int) -> Tensor:
        if self.axis is None:
            parts: tuple[Any, ...] = (slice(None),) * 4
        else:
            parts = (slice(None), *(place if axis == self.axis else slice(None) for axis in range(3)))
        image = torch.from_numpy(np.array(case.image()[parts], dtype=np.float32))
        return resized(image[None], self.size)[0]


def check_both_classes(without: int, with_tumour: int, part: str, *, least: int = 1) -> None:
    """Check that there are images of both classes.

    Raises:
        ConfigError: Of one there are fewer than ``least``.
    """
    if min(without, with_tumour) < least:
        raise ConfigError(
            f"a classifier cannot be trained on one class: {part} images",
            where="classify",
            got=f"{with_tumour} with tumour, {without} without",
            expected=f"{least} or more of each",
            remedy="classify slices (model.spatial_dims: 2), set classify.min_area_mm2 or "
            "classify.min_volume_ml, add cases without tumour, or split the cases otherwise",
        )
