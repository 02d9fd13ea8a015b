"""Regions with nothing to measure: a blank and its reason, never a crash."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from brats3d.features import AGGREGATIONS, Brain, Discretisation, FeatureRow, FeatureSettings, case_features
from brats3d.features.extraction import EMPTY, NO_IMAGE, NOT_FINITE, TOO_MANY_LEVELS, UNDEFINED

Pattern = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]
SETTINGS = FeatureSettings(glcm=tuple(AGGREGATIONS))
BRAIN = Brain((0.0, 0.0, 0.0), 100)


def measure(
    mask: NDArray[np.bool_],
    image: NDArray[np.float32] | None,
    settings: FeatureSettings = SETTINGS,
) -> dict[str, FeatureRow]:
    found = case_features({"ET": mask}, {"t1": image}, np.eye(4), settings, BRAIN)
    assert all(math.isfinite(row.value) == (not row.reason) for row in found.rows)
    return {row.feature: row for row in found.rows}


def test_rows_depend_on_the_settings_alone(pattern: Pattern) -> None:
    image, mask, _ = pattern
    names = list(measure(mask, image))
    assert names == [*SETTINGS.of_mask(brain=True), *SETTINGS.of_image()]
    assert list(measure(np.zeros_like(mask), image)) == names
    assert list(measure(mask, None)) == names


def test_an_empty_region(pattern: Pattern) -> None:
    image, mask, _ = pattern
    assert {row.reason for row in measure(np.zeros_like(mask), image).values()} == {EMPTY}


def test_a_modality_that_the_case_lacks(pattern: Pattern) -> None:
    rows = measure(pattern[1], None)
    assert {rows[name].reason for name in SETTINGS.of_image()} == {NO_IMAGE}
    assert not any(rows[name].reason for name in SETTINGS.of_mask(brain=True))


def test_a_single_voxel() -> None:
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[0, 2, 1] = True
    rows = measure(mask, np.full((3, 3, 3), 5, dtype=np.float32))
    blank = {name for name, row in rows.items() if row.reason}
    axes = {"major_axis_length", "minor_axis_length", "least_axis_length", "elongation", "flatness"}
    of_axes = {f"morph_{name}" for name in axes} | {"morph_volume_density_aee"}
    assert blank == of_axes | {name for name in rows if name.startswith("cm_")}
    assert {rows[name].reason for name in blank} == {UNDEFINED}
    assert rows["morph_voxels"].value == 1
    assert rows["morph_volume_mesh"].value == pytest.approx(1 / 6)  # an octahedron of diameter 1
    assert rows["morph_maximum_3d_diameter"].value == pytest.approx(1)
    assert rows["stat_mean"].value == rows["stat_median"].value == 5
    assert rows["stat_variance"].value == rows["stat_kurtosis"].value == rows["ih_entropy"].value == 0


def test_two_voxels_in_a_row() -> None:
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[0, 0, :2] = True
    image = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    rows = measure(mask, image)
    assert rows["morph_least_axis_length"].value == rows["morph_flatness"].value == 0
    assert rows["morph_volume_density_aee"].reason == UNDEFINED
    assert rows["cm_joint_maximum_3d_merged"].value == 0.5
    assert rows["cm_correlation_3d_merged"].value == -1
    assert rows["cm_joint_maximum_2d_averaged"].reason == UNDEFINED  # one voxel in each slice


def test_a_region_of_one_intensity(pattern: Pattern) -> None:
    rows = measure(pattern[1], np.full(pattern[1].shape, 0.1, dtype=np.float32))
    blank = {name for name, row in rows.items() if row.reason}
    assert blank == {
        f"cm_{name}_{aggregation}"
        for name in ("correlation", "information_correlation_1")
        for aggregation in AGGREGATIONS
    }
    assert rows["stat_coefficient_of_variation"].value == 0
    assert rows["cm_angular_second_moment_3d_merged"].value == 1
    assert rows["morph_centre_of_mass_shift"].value == pytest.approx(0, abs=1e-5)


def test_intensities_that_are_zero_have_no_ratios(pattern: Pattern) -> None:
    rows = measure(pattern[1], np.zeros(pattern[1].shape, dtype=np.float32))
    for name in ("stat_coefficient_of_variation", "morph_centre_of_mass_shift"):
        assert rows[name].reason == UNDEFINED
    assert rows["morph_integrated_intensity"].value == 0


def test_voxels_that_are_not_finite_are_left_out_and_noted(pattern: Pattern) -> None:
    image, mask, affine = pattern
    torn = image.copy()
    lost = np.argwhere(mask)[::7]
    torn[tuple(lost.T)] = np.nan
    torn[tuple(lost[0])] = np.inf
    found = case_features({"WT": mask}, {"t1": torn}, affine, SETTINGS)
    assert found.notes == (f"WT in t1: {len(lost)} voxels are not finite and are left out",)
    kept = mask.copy()
    kept[tuple(lost.T)] = False
    rows = {row.feature: row.value for row in found.rows}
    without = {
        row.feature: row.value for row in case_features({"WT": kept}, {"t1": image}, affine, SETTINGS).rows
    }
    for name in SETTINGS.of_image():
        if not name.startswith("morph_"):  # those compare with the whole mask
            assert rows[name] == without[name]
    whole = {row.feature: row.value for row in case_features({"WT": mask}, {}, affine, SETTINGS).rows}
    assert whole.items() <= rows.items()


def test_a_region_without_any_finite_voxel(pattern: Pattern) -> None:
    rows = measure(pattern[1], np.full(pattern[1].shape, np.nan, dtype=np.float32))
    assert {rows[name].reason for name in SETTINGS.of_image()} == {NOT_FINITE}


def test_bins_far_too_narrow(pattern: Pattern) -> None:
    image, mask, _ = pattern
    rows = measure(mask, image, FeatureSettings(discretisation=Discretisation(bin_width=1e-9)))
    assert rows["ih_mean"].reason == rows["cm_contrast_3d_merged"].reason == TOO_MANY_LEVELS
    assert rows["stat_mean"].reason == ""


def test_outside_of_the_region_does_not_count(pattern: Pattern) -> None:
    image, mask, _ = pattern
    other = np.where(mask, image, np.float32(1e6))
    other[~mask] = np.nan
    assert measure(mask, other) == measure(mask, image)
