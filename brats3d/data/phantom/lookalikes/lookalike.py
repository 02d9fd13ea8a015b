"""What a look-alike of a public data set is."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from brats3d.data.phantom.parameters import PhantomParameters
from brats3d.extras import import_extra

T = TypeVar("T", bound=np.generic)

Files = Mapping[str, bytes]
"""Path below the root of the data set to content."""


@dataclass(frozen=True)
class Wanted:
    """One case to make.

    Attributes:
        number: Running number of the case, from 0.
        seed: Seed of the data set.
        size: Voxels along each axis; pictures have the first two.
        labelled: Whether there are masks.
        parameters: Ranges that brain phantoms are drawn from.
    """

    number: int
    seed: int
    size: tuple[int, int, int]
    labelled: bool
    parameters: PhantomParameters

    def seed_of(self, patient: int) -> int:
        """Seed of a patient; data sets with different seeds share none."""
        return int(np.random.SeedSequence([self.seed, patient]).generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class Lookalike:
    """How a look-alike is written.

    Attributes:
        home: Folder or first file of a case below the root, from its number.
        files: Files of one case.
        tables: Files about all cases, from their number.
    """

    home: Callable[[int], str]
    files: Callable[[Wanted], Files]
    tables: Callable[[int], Files] = lambda cases: {}


def as_seen(slice_xy: NDArray[T]) -> NDArray[T]:
    """Turn a slice ``(X, Y)`` of a phantom, left and to the back, into pixels ``(rows, columns)``."""
    return np.ascontiguousarray(slice_xy.T)


def encoded(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """Content of a picture file, from ``(rows, columns)`` or ``(rows, columns, 3)``; kind PNG or TIFF."""
    image = import_extra("PIL.Image", "writing pictures", "images")
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def mask_pixels(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pixels of a mask: 0 and 255."""
    return mask.astype(np.uint8) * np.uint8(255)
