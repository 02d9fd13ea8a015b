"""Region metrics: NumPy masks in, dataclasses out; needs neither torch nor a configuration."""

from brats3d.metrics.bland_altman import BlandAltman, bland_altman
from brats3d.metrics.calibration import (
    Calibration,
    count_calibration,
    pool_calibrations,
    read_calibration_csv,
    write_calibration_csv,
)
from brats3d.metrics.comparison import Comparison, compare, format_comparison
from brats3d.metrics.counts import Counts, count_voxels
from brats3d.metrics.empty_policy import BRATS2023, EMPTY_POLICIES, EmptyPolicy
from brats3d.metrics.lesion_table import read_lesions_csv, write_lesions_csv
from brats3d.metrics.lesions import LesionRow, LesionRules, LesionScores, score_lesions
from brats3d.metrics.metric import Metric, metrics_of
from brats3d.metrics.profiles import DEFAULT_PROFILE, PROFILES, Profile
from brats3d.metrics.region_table import CaseScores, RegionRow, evaluate_case
from brats3d.metrics.statistics import Statistics, describe
from brats3d.metrics.summary import format_table, summarise
from brats3d.metrics.surfaces import SURFACE_DEFINITIONS, SurfaceDistances, surface_distances
from brats3d.metrics.tables import read_metrics_csv, write_metrics_csv
from brats3d.metrics.text_table import lay_out

__all__ = [
    "BRATS2023",
    "DEFAULT_PROFILE",
    "EMPTY_POLICIES",
    "PROFILES",
    "SURFACE_DEFINITIONS",
    "BlandAltman",
    "Calibration",
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
    "bland_altman",
    "compare",
    "count_calibration",
    "count_voxels",
    "describe",
    "evaluate_case",
    "format_comparison",
    "format_table",
    "lay_out",
    "metrics_of",
    "pool_calibrations",
    "read_calibration_csv",
    "read_lesions_csv",
    "read_metrics_csv",
    "score_lesions",
    "summarise",
    "surface_distances",
    "write_calibration_csv",
    "write_lesions_csv",
    "write_metrics_csv",
]
