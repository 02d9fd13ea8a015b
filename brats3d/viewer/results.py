"""The result of a segmentation at chosen thresholds: numbers for the page, files to download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import ConfigError
from brats3d.imaging import PIXEL, write_image, write_label_map, write_mask_picture
from brats3d.viewer.offered_model import class_rows, region_rows
from brats3d.viewer.outcome import Outcome, Thresholds
from brats3d.viewer.sentences import alert

if TYPE_CHECKING:
    from brats3d.reporting import ReportedCase


class Result:
    """Labels of an outcome at thresholds.

    Args:
        outcome: What was segmented.
        thresholds: As :meth:`Outcome.complete` gives them.
    """

    def __init__(self, outcome: Outcome, thresholds: Thresholds) -> None:
        self.outcome = outcome
        self.thresholds = dict(thresholds)
        self._key = thresholds

    @property
    def classes(self) -> NDArray[np.uint8]:
        """Class indices, uint8 ``(X, Y, Z)`` on the grid of the files."""
        box, classes = self.outcome.classes_at(self._key)
        whole = np.zeros(self.outcome.geometry.shape, dtype=np.uint8)
        whole[box] = classes
        return whole

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Label values, uint8 ``(X, Y, Z)``, as ``brats3d predict`` writes them.

        Raises:
            LabelError: The convention of the case has no value for a predicted tissue.
        """
        return self.outcome.values.from_classes(self.classes)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content: counts and volumes, scores, and what there is to say."""
        outcome, model = self.outcome, self.outcome.model
        _, classes = outcome.classes_at(self._key)
        of_class = np.bincount(classes.ravel(), minlength=len(model.convention.class_table))
        of_region = of_class @ model.convention.class_table
        found = bool(of_class[1:].any())
        gate = outcome.gate
        return {
            "regions": [
                {**row, **self._size(of_region[index]), "threshold": self.thresholds.get(row["name"])}
                for index, row in enumerate(region_rows(model))
            ],
            "classes": [
                {**row, **self._size(of_class[row["value"]])}
                for row in class_rows(model.convention, outcome.values)
            ],
            "unit": "px" if outcome.geometry.unit == PIXEL else "mm",
            "tumour": found,
            "alert": None if found else alert(model.convention, gate, self.thresholds),
            "scores": outcome.scores_at(self._key),
            "reference_problem": outcome.reference_problem,
            "seconds": outcome.seconds,
            "gate": None if gate is None else dict(gate),
            "postprocessing": " ".join(model.rules.notes) or None,
        }

    def labels_file(self, ending: str = "nii.gz") -> Path:
        """Label map as ``brats3d predict`` writes it.

        Args:
            ending: ``nii.gz`` or ``nii``.

        Raises:
            LabelError: The convention of the case has no value for a predicted tissue.
        """
        return self._made("labels", ending, lambda path: self._write_labels(path, self.labels))

    def overlay_file(self) -> Path:
        """Class indices as NIfTI, to be laid over the images."""
        return self._made("overlay", "nii.gz", lambda path: self._write_labels(path, self.classes))

    def mask_picture(self) -> Path:
        """Mask of everything that was found, as PNG.

        Raises:
            ConfigError: The case is no picture.
        """
        if not self.outcome.is_plane:
            raise ConfigError(
                "only pictures have a mask picture",
                got=f"a volume of {self.outcome.geometry.shape} voxels",
                remedy="download the label map",
            )
        return self._made(
            "mask", "png", lambda path: write_mask_picture(path, self.classes[..., 0] > 0, overwrite=True)
        )

    def probabilities_file(self) -> Path:
        """Probabilities as NIfTI, a channel for each region; the same at all thresholds."""
        outcome = self.outcome

        def write(path: Path) -> None:
            voxels = np.moveaxis(outcome.whole_probabilities(), 0, -1)
            write_image(path, voxels, outcome.geometry, overwrite=True)

        return outcome.files.get("probabilities", (), "nii.gz", write)

    def reported_case(self) -> ReportedCase:
        """The case with its images and this result, for pages and figures.

        Raises:
            DataError: A file of the case is gone.
        """
        from brats3d.workflows.reported_cases import shown_case
        from brats3d.workflows.segmentation import SegmentedCase

        outcome, trained = self.outcome, self.outcome.model.convention
        case = replace(outcome.case, label=None) if outcome.reference is None else outcome.case
        segmented = SegmentedCase(
            case.case_id,
            trained.from_classes(self.classes),
            outcome.whole_probabilities(),
            outcome.geometry,
        )
        return shown_case(case, segmented, outcome.model.modalities, values=trained, trained=trained)

    def _size(self, voxels: np.intp) -> dict[str, Any]:
        geometry = self.outcome.geometry
        volume_ml = None if geometry.unit == PIXEL else float(voxels * geometry.voxel_volume_ml)
        return {"voxels": int(voxels), "volume_ml": volume_ml}

    def _write_labels(self, path: Path, labels: NDArray[np.uint8]) -> None:
        write_label_map(path, labels, self.outcome.geometry, overwrite=True)

    def _made(self, name: str, ending: str, write: Callable[[Path], None]) -> Path:
        return self.outcome.files.get(name, self._key, ending, write)
