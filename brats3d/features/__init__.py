"""Quantitative features of regions by the definitions of the IBSI (arXiv:1612.07003)."""

from brats3d.features.cooccurrence import AGGREGATIONS
from brats3d.features.discretisation import Discretisation
from brats3d.features.extraction import CaseFeatures, FeatureRow, case_features
from brats3d.features.families import FAMILIES, FeatureSettings
from brats3d.features.location import Brain

__all__ = [
    "AGGREGATIONS",
    "FAMILIES",
    "Brain",
    "CaseFeatures",
    "Discretisation",
    "FeatureRow",
    "FeatureSettings",
    "case_features",
]
