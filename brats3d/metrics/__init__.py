"""Region metrics: NumPy masks in, dataclasses out; needs neither torch nor a configuration."""

from brats3d.metrics.counts import Counts, count_voxels
from brats3d.metrics.empty_policy import BRATS2023, EMPTY_POLICIES, EmptyPolicy
from brats3d.metrics.region_table import (
    METRICS,
    RegionRow,
    evaluate_case,
    read_metrics_csv,
    write_metrics_csv,
)
from brats3d.metrics.summary import format_table, summarise
from brats3d.metrics.surfaces import SURFACE_DEFINITIONS, SurfaceDistances, surface_distances

__all__ = [
    "BRATS2023",
    "EMPTY_POLICIES",
    "METRICS",
    "SURFACE_DEFINITIONS",
    "Counts",
    "EmptyPolicy",
    "RegionRow",
    "SurfaceDistances",
    "count_voxels",
    "evaluate_case",
    "format_table",
    "read_metrics_csv",
    "summarise",
    "surface_distances",
    "write_metrics_csv",
]
