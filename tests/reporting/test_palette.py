"""Colours that are compared with each other differ for everybody."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from brats3d.reporting.palette import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    MODELS,
    NEITHER,
    OTHER_TISSUE,
    REGION_COLOURS,
    TISSUE_COLOURS,
    TRAINING,
    TRUE_POSITIVE,
    VALIDATION,
    region_colours,
    rgb,
    tissue_colours,
)

# Machado, Oliveira and Fernandes 2009, severity 1.0, for linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
FAR = 30
"""Difference in CIELAB; neighbouring colours that only just differ have 2."""


def lab(colour: str, sight: np.ndarray) -> np.ndarray:
    values = np.array(rgb(colour))
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    x, y, z = TO_XYZ @ np.clip(sight @ linear, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = [np.cbrt(v) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(
    "colours",
    [
        tuple(TISSUE_COLOURS.values()),
        tuple(REGION_COLOURS.values()),
        (FALSE_POSITIVE, FALSE_NEGATIVE, OTHER_TISSUE),
        (TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE, "#FFFFFF"),
        (TRAINING, VALIDATION, "#FFFFFF"),
        (*MODELS[:2], NEITHER, "#FFFFFF"),
    ],
    ids=["tissues", "regions", "errors", "lesions", "curves", "two models"],
)
def test_they_can_be_told_apart(colours: tuple[str, ...], sight: str) -> None:
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(lab(one, SIGHT[sight]) - lab(other, SIGHT[sight])) > FAR, (one, other)


def test_the_measure_finds_colours_that_look_alike() -> None:
    # Okabe and Ito's purple and green are 18 apart without the medium-wave cones.
    one, other = (lab(colour, SIGHT["deuteranopia"]) for colour in ("#CC79A7", "#009E73"))
    assert np.linalg.norm(one - other) < FAR


def test_a_region_has_the_colour_of_the_tissue_that_it_adds() -> None:
    assert (REGION_COLOURS["ET"], REGION_COLOURS["TC"], REGION_COLOURS["WT"]) == tuple(
        TISSUE_COLOURS[name] for name in ("ET", "NCR", "ED")
    )


def test_names_beside_brats_have_colours_of_their_own() -> None:
    assert len(set(region_colours(["ET", "left lung", "right lung"]).values())) == 3
    assert tissue_colours(["NET", "RC"])["NET"] == TISSUE_COLOURS["NCR"]
