"""Co-occurrence matrices against counting voxel by voxel, and bins at their bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats3d.errors import ConfigError
from brats3d.features import AGGREGATIONS, Discretisation, FeatureSettings
from brats3d.features.cooccurrence import DIRECTIONS, Neighbours
from brats3d.features.discretisation import Levels
from brats3d.features.glcm import glcm


def counted(levels: np.ndarray, count: int, distance: int) -> np.ndarray:
    """Merged matrix of all 26 neighbours, by looking at each voxel (0: not in the region)."""
    matrix = np.zeros((count, count))
    steps = [s for s in itertools.product((-distance, 0, distance), repeat=3) if any(s)]
    for place in np.argwhere(levels):
        for step in steps:
            other = place + step
            if (other >= 0).all() and (other < levels.shape).all() and levels[tuple(other)]:
                matrix[levels[tuple(place)] - 1, levels[tuple(other)] - 1] += 1
    return matrix


@given(st.integers(0, 10_000), st.integers(1, 2))
def test_matrices_are_those_counted_one_by_one(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, size=tuple(rng.integers(1, 5, size=3)))
    neighbours = Neighbours(levels > 0, Levels(levels[levels > 0], 4), distance=distance)
    expected = counted(levels, 4, distance)
    merged = list(neighbours.matrices(AGGREGATIONS["3d_merged"]))
    assert np.array_equal(sum(merged, np.zeros((4, 4))), expected)
    by_direction = list(neighbours.matrices(AGGREGATIONS["3d_averaged"]))
    assert np.array_equal(sum(by_direction, np.zeros((4, 4))), expected)
    in_slices = sum(neighbours.matrices(AGGREGATIONS["25d_merged"]), np.zeros((4, 4)))
    one_by_one = [counted(levels[:, :, [z]], 4, distance) for z in range(levels.shape[2])]
    assert np.array_equal(in_slices, sum(one_by_one))
    by_slice = list(neighbours.matrices(AGGREGATIONS["2d_slice_merged"]))
    assert np.array_equal(by_slice, [matrix for matrix in one_by_one if matrix.any()])


def test_directions_are_half_of_all_neighbours() -> None:
    assert len(DIRECTIONS) == 13
    both = {*DIRECTIONS, *(tuple(-step for step in direction) for direction in DIRECTIONS)}
    assert len(both) == 26


@given(st.integers(0, 10_000))
def test_entropies_and_moments_hold_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(1, 7, size=(5, 4, 3))
    found = glcm(Neighbours(levels > 0, Levels(levels.ravel(), 6)), "3d_merged")
    of = {name.removeprefix("cm_").removesuffix("_3d_merged"): value for name, value in found.items()}
    assert of["sum_average"] == pytest.approx(2 * of["joint_average"])
    assert of["cluster_tendency"] == pytest.approx(of["sum_variance"])
    assert of["cluster_tendency"] + of["contrast"] == pytest.approx(4 * of["joint_variance"])
    assert of["dissimilarity"] == of["difference_average"]
    assert of["contrast"] == pytest.approx(of["difference_variance"] + of["difference_average"] ** 2)
    assert of["autocorrelation"] == pytest.approx(
        of["correlation"] * of["joint_variance"] + of["joint_average"] ** 2
    )
    assert -1 <= of["correlation"] <= 1
    assert 0 < of["angular_second_moment"] <= of["joint_maximum"] <= 1
    assert of["joint_entropy"] <= 2 * np.log2(6) + 1e-12


def test_a_slice_of_one_level_has_no_part_in_the_correlation() -> None:
    levels = np.ones((3, 3, 2), dtype=np.int64)
    levels[:, :, 1] = [[1, 2, 1], [2, 1, 2], [1, 2, 1]]
    averaged = glcm(Neighbours(levels > 0, Levels(levels.ravel(), 2)), "2d_averaged")
    alone = levels[:, :, 1:]
    expected = glcm(Neighbours(alone > 0, Levels(alone.ravel(), 2)), "2d_averaged")
    assert averaged["cm_correlation_2d_averaged"] == expected["cm_correlation_2d_averaged"]
    assert averaged["cm_contrast_2d_averaged"] == expected["cm_contrast_2d_averaged"] / 2


def test_a_fixed_number_of_bins() -> None:
    levels = Discretisation(bins=4).levels(np.array([0.0, 0.9, 1.0, 2.5, 3.0, 4.0]))
    assert levels is not None
    assert (levels.values.tolist(), levels.count) == ([1, 1, 2, 3, 4, 4], 4)


def test_a_fixed_size_of_bins() -> None:
    intensities = np.array([-3.0, 0.0, 24.9, 25.0, 60.0])
    from_minimum = Discretisation(bin_width=25.0).levels(intensities)
    from_zero = Discretisation(bin_width=25.0, bin_start=0.0).levels(intensities)
    assert from_minimum is not None
    assert from_zero is not None
    assert from_minimum.values.tolist() == [1, 1, 2, 2, 3]
    assert (from_zero.values.tolist(), from_zero.count) == ([1, 1, 1, 2, 3], 3)


def test_too_many_bins_are_refused_before_memory_is_spent() -> None:
    assert Discretisation(bin_width=1e-6).levels(np.array([0.0, 1.0])) is None


@pytest.mark.parametrize(
    "settings", [{"bins": 1}, {"bins": 5000}, {"bin_width": 0.0}, {"bin_width": -1.0}, {"bin_start": 0.0}]
)
def test_bins_that_cannot_work(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as caught:
        Discretisation(**settings)  # type: ignore[arg-type]  # a mapping of either
    assert caught.value.where in settings


@pytest.mark.parametrize(
    "settings",
    [{"families": ("shapes",)}, {"families": ()}, {"glcm": ("3d", "3d_merged")}, {"glcm_distance": 0}],
)
def test_settings_that_cannot_work(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        FeatureSettings(**settings)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.where in settings
