"""Parts of a mask that are far apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.metrics.islands import islands


@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from([(40, 33, 27), (61, 5, 30), (50, 47), (3, 3, 3)]),
    gap=st.sampled_from([1, 3, 7, 8, 9, 15]),
)
@settings(deadline=None, max_examples=60)
def test_parts_cover_the_mask_once_and_keep_their_distance(seed: int, shape: tuple[int, ...], gap: int):
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    for _ in range(rng.integers(0, 6)):
        start = [rng.integers(0, size) for size in shape]
        mask[tuple(slice(a, a + rng.integers(1, 6)) for a in start)] = True
    owner = np.zeros(shape, dtype=int)
    for number, (box, own) in enumerate(islands(mask, gap), start=1):
        assert own.shape == mask[box].shape
        part = mask[box] & own
        assert part.any()
        assert not owner[box][part].any()
        owner[box][part] = number
    assert ((owner > 0) == mask).all()
    for number in range(1, owner.max() + 1):
        own, others = np.argwhere(owner == number), np.argwhere((owner > 0) & (owner != number))
        if len(others):
            apart = np.abs(own[:, None] - others[None]).max(axis=2)
            assert apart.min() > gap


def test_an_empty_mask_has_none():
    assert list(islands(np.zeros((9, 9, 9), dtype=bool), 3)) == []
    assert list(islands(np.zeros((0, 4, 4), dtype=bool), 3)) == []


@pytest.mark.parametrize("gap", [7, 20])
def test_far_parts_are_told_apart(gap: int):
    mask = np.zeros((100, 10, 10), dtype=bool)
    mask[2:5, 2:5, 2:5] = mask[90:95, 2:5, 2:5] = True
    boxes = [box[0] for box, _ in islands(mask, gap)]
    assert len(boxes) == 2
    assert all(box.stop - box.start <= 48 for box in boxes)
