# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Region metrics: NumPy masks in, dataclasses out; needs neither torch nor a configuration."""

from scripts.core.metrics.comparison import Comparison, compare, format_comparison
from scripts.core.metrics.counts import Counts, count_voxels
from scripts.core.metrics.empty_policy import BRATS2023, EMPTY_POLICIES, EmptyPolicy
from scripts.core.metrics.lesions import LesionRow, LesionRules, LesionScores, score_lesions
from scripts.core.metrics.metric import Metric, metrics_of
from scripts.core.metrics.profiles import DEFAULT_PROFILE, PROFILES, Profile
from scripts.core.metrics.region_table import CaseScores, RegionRow, evaluate_case
from scripts.core.metrics.statistics import Statistics, describe
from scripts.core.metrics.summary import format_table, summarise
from scripts.core.metrics.surfaces import SURFACE_DEFINITIONS, SurfaceDistances, surface_distances
from scripts.core.metrics.tables import read_metrics_csv, write_lesions_csv, write_metrics_csv

__all__ = [
    "BRATS2023",
    "DEFAULT_PROFILE",
    "EMPTY_POLICIES",
    "PROFILES",
    "SURFACE_DEFINITIONS",
    "CaseScores",
    "Comparison",
    "Counts",
    "EmptyPolicy",
    "LesionRow",
    "LesionRules",
    "LesionScores",
    "Metric",
    "Profile",
    "RegionRow",
    "Statistics",
    "SurfaceDistances",
    "compare",
    "count_voxels",
    "describe",
    "evaluate_case",
    "format_comparison",
    "format_table",
    "metrics_of",
    "read_metrics_csv",
    "score_lesions",
    "summarise",
    "surface_distances",
    "write_lesions_csv",
    "write_metrics_csv",
]
