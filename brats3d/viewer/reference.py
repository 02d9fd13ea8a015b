"""The reference of a case, and how well a result agrees with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.errors import DataError, output_error
from brats3d.imaging import PIXEL, Geometry, read_volume
from brats3d.labels import LabelConvention
from brats3d.metrics import evaluate_case
from brats3d.metrics.boxes import bounding_box
from brats3d.viewer.kept import Box

_METRICS = ("dice", "hd95_mm")


@dataclass(frozen=True, eq=False)
class Reference:
    """Class indices on the grid of a case.

    Attributes:
        path: File of an array uint8 ``(X, Y, Z)``.
        convention: Names the classes and regions.
        geometry: Grid.
    """

    path: Path
    convention: LabelConvention
    geometry: Geometry

    @classmethod
    def read(cls, case: Case, geometry: Geometry, path: Path) -> Reference:
        """Read the label map of a case.

        Args:
            case: Has a label map; its convention names the values and regions.
            geometry: Grid that it must lie on.
            path: File to keep it in.

        Raises:
            DataError: It cannot be read, or lies on another grid.
            LabelError: Values that are not of the convention.
            OutputError: The disk is full.
        """
        assert case.label is not None
        with case.here():
            labels, grid = read_volume(case.label, allow_plane=True)
        difference = geometry.difference(grid)
        if difference is not None:
            raise DataError(
                "the reference does not lie on the grid of the images",
                where=case.label.name,
                got=difference,
                expected="the grid of the images of the case",
                remedy="resample the label map with nearest-neighbour interpolation",
            )
        classes = case.convention.to_classes(case.convention.check(labels, case.label.name))
        try:
            np.save(path, classes, allow_pickle=False)
        except OSError as error:
            raise output_error(path, error) from error
        return cls(path, case.convention, geometry)

    def scores(self, box: Box, classes: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Dice and 95th percentile of the Hausdorff distance of each region.

        Args:
            box: Where in the grid ``classes`` lie; elsewhere there is background.
            classes: Predicted class indices, uint8 ``(*box)``.

        Returns:
            Region, ``dice`` in [0, 1], and ``hd95_mm`` in the unit of the grid; None where undefined.
        """
        reference = np.load(self.path, mmap_mode="r", allow_pickle=False)
        prediction = np.zeros(reference.shape, dtype=np.uint8)
        prediction[box] = classes
        spacing: tuple[float, ...] = self.geometry.spacing_mm
        if self.geometry.unit == PIXEL and reference.shape[2] == 1:
            reference, prediction, spacing = reference[..., 0], prediction[..., 0], spacing[:2]
        both = bounding_box(prediction, reference)
        membership = self.convention.class_table
        predicted, expected = (
            np.moveaxis(membership[volume[both]], -1, 0) for volume in (prediction, reference)
        )
        scored = evaluate_case(
            predicted,
            expected,
            spacing_mm=spacing,
            regions=self.convention.region_names,
            case_id="case",
            background_outside=prediction.size - predicted[0].size,
            only=_METRICS,
        )
        return [
            {"region": row.region, **{name: _defined(row[name]) for name in _METRICS}} for row in scored.rows
        ]


def _defined(score: Any) -> float | None:
    return float(score) if score is not None and math.isfinite(score) else None
