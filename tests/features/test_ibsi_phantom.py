"""Every feature that the IBSI has reference values for, on its digital phantom (source: the JSON file)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from brats3d.features import AGGREGATIONS, Discretisation, FeatureSettings, case_features

PUBLISHED = json.loads(Path(__file__).with_name("ibsi_digital_phantom.json").read_text())
ALL = FeatureSettings(glcm=tuple(AGGREGATIONS), discretisation=Discretisation(bins=6))


def measure(settings: FeatureSettings) -> dict[str, float]:
    image = np.array(PUBLISHED["image"], dtype=np.float32).T
    mask = np.array(PUBLISHED["mask"], dtype=bool).T
    affine = np.diag([*PUBLISHED["spacing_mm"], 1.0])
    rows = case_features({"ROI": mask}, {"image": image}, affine, settings).rows
    return {row.feature: row.value for row in rows}


def tolerance(value: float, published: float | None) -> float:
    """The published one, or half a unit of the last of the three digits that are published."""
    if published is not None:
        return published
    return 0.5 * 10 ** (math.floor(math.log10(abs(value))) - 2) * (1 + 1e-9)


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    return measure(ALL)


@pytest.mark.parametrize("feature", PUBLISHED["reference"])
def test_is_the_published_value(feature: str, measured: dict[str, float]) -> None:
    value, published = PUBLISHED["reference"][feature]
    assert measured[feature] == pytest.approx(value, rel=0, abs=tolerance(value, published))


def test_every_feature_of_an_ibsi_code_has_a_reference_value() -> None:
    coded = {**ALL.of_mask(brain=True), **ALL.of_image()}
    assert set(PUBLISHED["reference"]) == {name for name, definition in coded.items() if definition.ibsi}


def test_bins_of_size_one_are_the_same_six_levels() -> None:
    fixed_size = FeatureSettings(glcm=tuple(AGGREGATIONS), discretisation=Discretisation(bin_width=1.0))
    assert measure(fixed_size) == measure(ALL)
