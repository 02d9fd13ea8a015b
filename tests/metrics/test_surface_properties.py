"""What must hold for any two masks: Hausdorff distances, average and surface Dice, each definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brats3d.metrics import SURFACE_DEFINITIONS, surface_distances

SPACINGS = {2: [(1.0, 1.0), (0.6, 2.2)], 3: [(1.0, 1.0, 1.0), (0.7, 1.3, 2.5), (0.9, 0.9, 6.0)]}
TOLERANCES_MM = (0.0, 0.7, 1.0, 2.5, 6.0, 40.0)

Spacing = tuple[float, ...]
Case = tuple[np.ndarray, np.ndarray, Spacing]

quick = settings(deadline=None, max_examples=60)
each_definition = pytest.mark.parametrize("definition", SURFACE_DEFINITIONS)


@st.composite
def masks(draw: st.DrawFn, shape: tuple[int, ...]) -> np.ndarray:
    """Scattered voxels or a block with some of them, never empty."""
    mask = draw(arrays(bool, shape, elements=st.booleans(), fill=st.just(False)))
    for _ in range(draw(st.integers(0, 2))):
        ends = [sorted(draw(st.tuples(*[st.integers(0, size - 1)] * 2))) for size in shape]
        mask[tuple(slice(first, last + 1) for first, last in ends)] ^= True
    mask[tuple(draw(st.integers(0, size - 1)) for size in shape)] = True
    return mask


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = draw(st.sampled_from([(7, 9), (12, 4), (6, 7, 5), (3, 11, 4), (1, 6, 5)]))
    return draw(masks(shape)), draw(masks(shape)), draw(st.sampled_from(SPACINGS[len(shape)]))


def scores(prediction: np.ndarray, reference: np.ndarray, spacing: Spacing, definition: str) -> np.ndarray:
    """Distances: HD95, HD100, average; then the surface Dice at each tolerance."""
    measured = surface_distances(prediction, reference, spacing_mm=spacing, definition=definition)
    distances = [measured.hausdorff_mm(95), measured.hausdorff_mm(100), measured.average_mm()]
    return np.array([*distances, *(measured.nsd(tolerance) for tolerance in TOLERANCES_MM)])


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@each_definition
@quick
@given(case=cases())
def test_bounds(definition, case):
    prediction, reference, spacing = case
    hd95, hd100, average, *nsd = scores(prediction, reference, spacing, definition)
    diagonal = math.hypot(*(size * mm for size, mm in zip(prediction.shape, spacing, strict=True)))
    assert 0 <= hd95 <= hd100 <= diagonal
    assert 0 <= average <= hd100 * (1 + 1e-12)
    assert all(0 <= share <= 1 for share in nsd)
    assert nsd == sorted(nsd)
    assert nsd[-1] == 1  # the last tolerance is longer than any diagonal
    assert (hd100 == 0) == (average == 0) == (nsd[0] == 1)


@each_definition
@quick
@given(case=cases())
def test_prediction_and_reference_may_change_places(definition, case):
    prediction, reference, spacing = case
    assert_same(
        scores(reference, prediction, spacing, definition), scores(prediction, reference, spacing, definition)
    )


@each_definition
@quick
@given(case=cases())
def test_flips_and_turns_change_nothing(definition, case):
    prediction, reference, spacing = case
    expected = scores(*case, definition)
    axes = range(prediction.ndim)
    for axis in axes:
        assert_same(
            scores(np.flip(prediction, axis), np.flip(reference, axis), spacing, definition), expected
        )
    for order in itertools.permutations(axes):
        turned = (prediction.transpose(order), reference.transpose(order))
        assert_same(scores(*turned, tuple(spacing[axis] for axis in order), definition), expected)


@each_definition
@quick
@given(case=cases(), before=st.integers(0, 4), after=st.integers(0, 4))
def test_background_around_changes_nothing(definition, case, before, after):
    """Padding, cropping back and moving within the image."""
    prediction, reference, spacing = case
    padded = [np.pad(mask, (before, after)) for mask in (prediction, reference)]
    assert_same(scores(*padded, spacing, definition), scores(*case, definition))
    moved = [np.roll(mask, (after,) * mask.ndim, tuple(range(mask.ndim))) for mask in padded]
    assert_same(scores(*moved, spacing, definition), scores(*case, definition))


@each_definition
@quick
@given(case=cases(), factor=st.sampled_from([0.1, 0.5, 3.0, 7.3]))
def test_distances_scale_with_the_spacing(definition, case, factor):
    prediction, reference, spacing = case
    small = surface_distances(prediction, reference, spacing_mm=spacing, definition=definition)
    larger = tuple(factor * mm for mm in spacing)
    large = surface_distances(prediction, reference, spacing_mm=larger, definition=definition)
    for percent in (95, 100):
        assert large.hausdorff_mm(percent) == pytest.approx(factor * small.hausdorff_mm(percent))
    assert large.average_mm() == pytest.approx(factor * small.average_mm())
    for tolerance in TOLERANCES_MM:
        assert large.nsd(factor * tolerance) == pytest.approx(small.nsd(tolerance))


@each_definition
@quick
@given(case=cases())
def test_a_mask_agrees_with_itself(definition, case):
    prediction, _, spacing = case
    expected = [0.0] * 3 + [1.0] * len(TOLERANCES_MM)
    assert scores(prediction, prediction.copy(), spacing, definition).tolist() == expected


@each_definition
@quick
@given(case=cases(), side=st.integers(1, 3))
def test_a_far_false_positive_can_only_hurt(definition, case, side):
    """A block further from both masks than these reach: no distance shrinks, a long one joins."""
    prediction, _, spacing = case
    far = math.ceil(math.hypot(*np.multiply(prediction.shape, spacing)) / spacing[0])
    padded = [np.pad(mask, [(0, far + side + 1), *[(0, side)] * (mask.ndim - 1)]) for mask in case[:2]]
    worse = padded[0].copy()
    worse[(slice(-side, None), *[slice(0, side)] * (worse.ndim - 1))] = True
    _, hd100, average, *nsd = scores(*padded, spacing, definition)
    _, hd100_worse, average_worse, *nsd_worse = scores(worse, padded[1], spacing, definition)
    assert hd100_worse > hd100
    assert hd100_worse >= far * spacing[0] * (1 - 1e-12)
    assert average_worse > average
    assert all(now <= before + 1e-12 for now, before in zip(nsd_worse[:-1], nsd[:-1], strict=True))
