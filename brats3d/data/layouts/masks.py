"""What masks of one thing mean: 0 is the background, and the rest, however it is written, that thing."""

from __future__ import annotations

from brats3d.labels import LabelConvention, Region

TUMOR_MASK = LabelConvention(
    "tumor-mask", {1: "tumor", 255: "tumor"}, (Region("tumor", frozenset({"tumor"})),)
)
# The second of two lungs in masks of their own has the value 2.
LUNG_MASK = LabelConvention(
    "lung-mask", {1: "lung", 2: "lung", 255: "lung"}, (Region("lung", frozenset({"lung"})),)
)
