"""Which slices or volumes of prepared cases show tumour, by their label maps or by a table."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from brats3d.data.store import StoredCase
from brats3d.transforms.restoration import Restoration

UNLABELLED = -1

Labels = NDArray[np.int8]
LabelTable = Mapping[str, Mapping[int | None, bool]]
"""Case id to slice, counted in the volume of the files, to whether it shows tumour; None: all of the case."""


class Labelling:
    """Labels of prepared cases.

    Args:
        axis: Array axis of the slices, 0 to 2; None: volumes are labelled.
        min_area_mm2: Tumour of less area in a slice counts as none.
        min_volume_ml: Tumour of less volume in a volume counts as none.
        table: Says what is labelled instead of the label maps; what it does not name has no label.
    """

    def __init__(
        self,
        axis: int | None,
        *,
        min_area_mm2: float = 0.0,
        min_volume_ml: float = 0.0,
        table: LabelTable | None = None,
    ) -> None:
        self.axis = axis
        self.min_area_mm2 = min_area_mm2
        self.min_volume_ml = min_volume_ml
        self.table = table
        self._known: dict[str, Labels] = {}

    def __call__(self, case: StoredCase) -> Labels:
        """Return 1 (tumour), 0 (none) or -1 (without label, or zero throughout) for each image of a case.

        Returns:
            int8 ``(n,)`` of n slices, or ``(1,)`` of the volume.
        """
        if case.case_id not in self._known:
            found = self._by_mask(case) if self.table is None else self._by_table(case)
            found[~self._filled(case)] = UNLABELLED
            self._known[case.case_id] = found
        return self._known[case.case_id]

    def _by_mask(self, case: StoredCase) -> Labels:
        tumour = np.asarray(case.classes()) > 0
        spacing_mm = _restoration(case).prepared_geometry.spacing_mm
        if self.axis is None:
            extent, least = np.array([tumour.sum()]) * math.prod(spacing_mm) / 1000, self.min_volume_ml
        else:
            inside = tuple(axis for axis in range(3) if axis != self.axis)
            area_mm2 = math.prod(spacing_mm[axis] for axis in inside)
            extent, least = tumour.sum(axis=inside) * area_mm2, self.min_area_mm2
        return ((extent > 0) & (extent >= least)).astype(np.int8)

    def _by_table(self, case: StoredCase) -> Labels:
        assert self.table is not None
        rows = self.table.get(case.case_id, {})
        places = [None] if self.axis is None else original_slices(case, self.axis)
        told = [rows.get(place, rows.get(None)) for place in places]
        return np.array([UNLABELLED if label is None else int(label) for label in told], dtype=np.int8)

    def _filled(self, case: StoredCase) -> NDArray[np.bool_]:
        image = np.asarray(case.image())
        if self.axis is None:
            return np.array([image.any()])
        others = tuple(axis for axis in range(image.ndim) if axis != self.axis + 1)
        return np.asarray(image.any(axis=others))


def original_slices(case: StoredCase, axis: int) -> list[int]:
    """Which slice of the oriented volume of the files each slice of a prepared case lies in."""
    return sliced_from(_restoration(case), axis)


def sliced_from(way_back: Restoration, axis: int) -> list[int]:
    """The same for a prepared grid, see :func:`original_slices`."""
    start, extent = way_back.box_start[axis], way_back.prepared_shape[axis]
    step = (way_back.box_stop[axis] - start) / extent
    return [start + int((index + 0.5) * step) for index in range(extent)]


def _restoration(case: StoredCase) -> Restoration:
    return Restoration.from_dict(case.record["restoration"])
