# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Slices of the files as slices of a prepared case."""

from __future__ import annotations

from scripts.core.data.store import StoredCase
from scripts.core.errors import ConfigError
from scripts.core.transforms.restoration import Restoration


def slice_range(case: StoredCase, axis: int, first: int | None, last: int | None) -> tuple[int, int]:
    """First slice of a prepared case that may be drawn, and the one after the last.

    Args:
        case: Prepared case.
        axis: Array axis that is sliced, 0 to 2.
        first: First slice, counted in the original volume; None: its first.
        last: Last slice (inclusive), counted likewise; None: its last.

    Raises:
        ConfigError: No slice of the brain lies in that range.
    """
    way_back = Restoration.from_dict(case.record["restoration"])
    extent = way_back.prepared_shape[axis]
    full = way_back.original_shape[way_back.axes[axis]]
    first = 0 if first is None else first
    last = full - 1 if last is None else last
    start, stop = way_back.box_start[axis], way_back.box_stop[axis]
    scale = extent / (stop - start)
    low = max(0, int((first - start) * scale))
    high = min(extent, round((last + 1 - start) * scale))
    if low >= high:
        raise ConfigError(
            "the range of slices holds no brain",
            where="slices.first, slices.last",
            got=f"{first} to {last} in case {case.case_id}",
            expected=f"slices within {start} to {stop - 1}",
        )
    return low, high
