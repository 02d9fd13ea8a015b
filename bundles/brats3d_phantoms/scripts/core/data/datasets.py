# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Torch datasets over prepared cases: random patches, random slices, whole volumes.

A training sample is a function of the seed and its running number alone, whichever worker or rank
makes it: epochs count on (:class:`RunningSampler`), so a resumed run sees the same samples as an
uninterrupted one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from scripts.core.data.store import StoredArray, StoredCase

Sample = dict[str, Tensor]
Augmentation = Callable[[Any, int], Any]
Mixing = Callable[[Any, Any, int], Any]

_MOST_DRAWS = 50


class RunningSampler(Sampler[int]):
    """Running numbers of samples: epoch ``e`` yields ``e * length`` and on, shared out over ranks.

    Every rank gets equally many, since ranks wait for each other: numbers that do not divide are left
    out.
    """

    def __init__(self, length: int, *, rank: int = 0, ranks: int = 1) -> None:
        """Yield ``length`` numbers per epoch, every ``ranks``-th of them from ``rank`` on."""
        self.length = length
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0
        self.skip = 0
        """Numbers of this rank that the next iteration leaves out, from the first on."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields (Lightning calls this)."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        start = self.epoch * self.length
        numbers = range(start + self.rank, start + len(self) * self.ranks, self.ranks)
        return iter(numbers[self.skip :])

    def __len__(self) -> int:
        return self.length // self.ranks


class _RandomSamples(Dataset[Sample], ABC):
    """Shared part of patch and slice sampling: which case, which centre, then augmentation."""

    def __init__(
        self,
        cases: Sequence[StoredCase],
        *,
        size: Sequence[int],
        foreground: float,
        empty: float = 1.0,
        augmentation: Augmentation,
        seed: int,
        mixing: Mixing | None = None,
        as_stored: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        """Sample ``cases``.

        Args:
            cases: Prepared cases.
            size: Size of a sample in voxels.
            foreground: Share of samples centred on a tumour voxel.
            empty: Share of the others that are kept where they show no tumour; instead of one that is
                not kept, another is drawn. Cases without tumour have their samples as they come.
            augmentation: Called with a sample and a seed.
            seed: Seed of everything drawn.
            mixing: Called before it with a sample, one of another case, and a seed.
            as_stored: Patches that are not mixed are handed to the augmentation as they are stored,
                float16, which is half as much to move; else float32.
            device: Where samples are handed over.
        """
        assert cases
        self.cases = list(cases)
        self.size = tuple(size)
        self.foreground = foreground
        self.empty = empty
        self.augmentation = augmentation
        self.seed = seed
        self.mixing = mixing
        self.dtype = np.float16 if as_stored and mixing is None else np.float32
        self.device = torch.device(device)

    def __getitem__(self, number: int) -> Sample:
        """Make sample ``number``: image float32 ``(C, *S)``, classes uint8 ``(1, *S)``."""
        generator = np.random.default_rng([self.seed, number])
        turn, position = divmod(number, len(self.cases))
        order = np.random.default_rng([self.seed, turn, 1]).permutation(len(self.cases))
        sample = self._draw(int(order[position]), generator)
        if self.mixing is not None and len(self.cases) > 1:
            other = int(order[position - 1 - int(generator.integers(len(self.cases) - 1))])
            sample = self.mixing(sample, self._draw(other, generator), int(generator.integers(2**31)))
        return self.augmentation(sample, int(generator.integers(2**31)))

    def _draw(self, index: int, generator: np.random.Generator) -> Sample:
        case = self.cases[index]
        centre = self._foreground_voxel(case, generator) if generator.random() < self.foreground else None
        place = self._place(case, centre, generator)
        if centre is None and self.empty < 1:
            place = self._thinned_out(case, place, generator)
        return self._read(case, place)

    def _thinned_out(self, case: StoredCase, place: Any, generator: np.random.Generator) -> Any:
        """Keep a place that shows tumour; one that shows none now and then, else choose another."""
        if not self._eligible(case):
            return place
        for _ in range(_MOST_DRAWS):
            if self._shows_tumour(case, place) or generator.random() < self.empty:
                return place
            place = self._place(case, None, generator)
        # Tumour so small that chance does not find it.
        return self._place(case, self._foreground_voxel(case, generator), generator)

    def _foreground_voxel(self, case: StoredCase, generator: np.random.Generator) -> NDArray[np.int16] | None:
        positions = self._eligible(case)
        if not positions:
            return None
        of_class = positions[int(generator.integers(len(positions)))]
        return of_class[int(generator.integers(len(of_class)))]

    def _eligible(self, case: StoredCase) -> list[NDArray[np.int16]]:
        return list(case.foreground.values())

    @abstractmethod
    def _place(
        self, case: StoredCase, centre: NDArray[np.int16] | None, generator: np.random.Generator
    ) -> Any:
        """Choose the place of a sample of a case: around ``centre``, or at random."""

    @abstractmethod
    def _shows_tumour(self, case: StoredCase, place: Any) -> bool:
        """Whether a sample from there has a voxel that is not background."""

    @abstractmethod
    def _read(self, case: StoredCase, place: Any) -> Sample:
        """Read one sample of a case."""


class PatchDataset(_RandomSamples):
    """Random 3-D patches; a share of them is centred on a tumour voxel."""

    def _place(
        self, case: StoredCase, centre: NDArray[np.int16] | None, generator: np.random.Generator
    ) -> list[int]:
        """Choose the first voxel of a patch along each axis."""
        return [
            _corner(extent, side, None if centre is None else int(centre[axis]), generator)
            for axis, (extent, side) in enumerate(zip(case.classes().shape, self.size, strict=True))
        ]

    def _shows_tumour(self, case: StoredCase, place: list[int]) -> bool:
        return bool(self._cut(case.classes(), place, np.uint8).any())

    def _read(self, case: StoredCase, place: list[int]) -> Sample:
        sample = {
            "image": _tensor(self._cut(case.image(), place, self.dtype)),
            "classes": _tensor(self._cut(case.classes(), place, np.uint8))[None],
        }
        return {key: value.to(self.device) for key, value in sample.items()}

    def _cut(self, array: Any, corner: list[int], dtype: DTypeLike) -> Any:
        cut = cut_box if isinstance(array, Tensor) else read_box
        return cut(array, corner, self.size, dtype)


class SliceDataset(_RandomSamples):
    """Random slices along one axis, resized to one size."""

    def __init__(
        self,
        cases: Sequence[StoredCase],
        *,
        axis: int,
        ranges: Sequence[tuple[int, int]],
        size: Sequence[int],
        foreground: float,
        empty: float = 1.0,
        augmentation: Augmentation,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Sample slices.

        Args:
            cases: Prepared cases.
            axis: Array axis that is sliced, 0 to 2.
            ranges: For each case, the first slice and the one after the last that may be drawn.
            size: Height and width that slices are resized to.
            foreground: Share of slices that go through a tumour voxel that was drawn; others may too.
            empty: Share of the others that are kept where they show no tumour.
            augmentation: Called with a sample and a seed.
            seed: Seed of everything drawn.
            device: Where samples are handed over.
        """
        super().__init__(
            cases,
            size=size,
            foreground=foreground,
            empty=empty,
            augmentation=augmentation,
            seed=seed,
            device=device,
        )
        self.axis = axis
        self.ranges = dict(zip((case.case_id for case in cases), ranges, strict=True))

    def _eligible(self, case: StoredCase) -> list[NDArray[np.int16]]:
        first, end = self.ranges[case.case_id]
        axis = self.axis
        kept = [p[(p[:, axis] >= first) & (p[:, axis] < end)] for p in case.foreground.values()]
        return [positions for positions in kept if len(positions)]

    def _place(
        self, case: StoredCase, centre: NDArray[np.int16] | None, generator: np.random.Generator
    ) -> int:
        """Choose a slice."""
        first, end = self.ranges[case.case_id]
        return int(generator.integers(first, end)) if centre is None else int(centre[self.axis])

    def _shows_tumour(self, case: StoredCase, place: int) -> bool:
        return bool(case.classes()[self._plane(place)].any())

    def _plane(self, place: int) -> tuple[Any, ...]:
        return tuple(place if axis == self.axis else slice(None) for axis in range(3))

    def _read(self, case: StoredCase, place: int) -> Sample:
        plane = self._plane(place)
        image, classes = (
            _tensor(part) for part in (case.image()[(slice(None), *plane)], case.classes()[plane])
        )
        resize = torch.nn.functional.interpolate
        image_1chw = image.to(self.device, torch.float32)[None]
        classes_11hw = classes.to(self.device).contiguous()[None, None]
        return {
            "image": resize(image_1chw, self.size, mode="bilinear", antialias=True)[0],
            "classes": resize(classes_11hw, self.size, mode="nearest-exact")[0],
        }


class CaseDataset(Dataset[StoredCase]):
    """Whole prepared cases, for validation by sliding window."""

    def __init__(self, cases: Sequence[StoredCase]) -> None:
        """Serve ``cases`` as they are; arrays are read by whoever uses them."""
        self.cases = list(cases)

    def __getitem__(self, index: int) -> StoredCase:
        return self.cases[index]

    def __len__(self) -> int:
        return len(self.cases)


def _tensor(array: NDArray[Any] | Tensor) -> Tensor:
    """Return an array as a tensor, copied unless it may be written to."""
    if isinstance(array, Tensor):
        return array
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def read_box(
    array: StoredArray | NDArray[Any], corner: Sequence[int], size: Sequence[int], dtype: DTypeLike
) -> NDArray[Any]:
    """Copy a box out of an array; what lies outside the array is zero.

    Args:
        array: Array ``(*S)`` or ``(C, *S)``, perhaps stored; only the box is read.
        corner: First voxel of the box along each spatial axis; may be negative.
        size: Extent of the box.
        dtype: Type of the copy.
    """
    leading = tuple(array.shape[: len(array.shape) - len(size)])
    source, target = _overlap(array.shape[len(leading) :], corner, size)
    everything = (slice(None),) * len(leading)  # an ellipsis would have a stored array read as a whole
    inside = array[(*everything, *source)]
    if inside.shape[len(leading) :] == tuple(size):
        return inside.astype(dtype, copy=isinstance(array, np.ndarray))  # else it is a copy already
    box = np.zeros((*leading, *size), dtype=dtype)
    box[(..., *target)] = inside
    return box


def cut_box(tensor: Tensor, corner: Sequence[int], size: Sequence[int], dtype: DTypeLike) -> Tensor:
    """Copy a box out of a tensor, on its device; see :func:`read_box`."""
    leading = tuple(tensor.shape[: tensor.ndim - len(size)])
    source, target = _overlap(tensor.shape[len(leading) :], corner, size)
    box = tensor.new_zeros((*leading, *size), dtype=getattr(torch, np.dtype(dtype).name))
    box[(..., *target)] = tensor[(..., *source)]
    return box


def _overlap(
    shape: Sequence[int], corner: Sequence[int], size: Sequence[int]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Where a box and an array of ``shape`` overlap: in the array, and in the box."""
    spans = [
        (max(0, low), max(0, low, min(extent, low + side)))
        for low, side, extent in zip(corner, size, shape, strict=True)
    ]
    source = tuple(slice(low, high) for low, high in spans)
    return source, tuple(
        slice(low - first, high - first) for (low, high), first in zip(spans, corner, strict=True)
    )


def _corner(extent: int, side: int, centre: int | None, generator: np.random.Generator) -> int:
    """First voxel of a patch: within the image where it fits, else the image centred in the patch."""
    if extent <= side:
        return -((side - extent) // 2)
    if centre is None:
        return int(generator.integers(extent - side + 1))
    return min(max(0, centre - side // 2), extent - side)
