"""Cases of label maps that any tool predicted, read back: labels, reference, images and probabilities."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.data.discovery import discover
from brats3d.errors import Brats3dError
from brats3d.imaging import read_volume
from brats3d.imaging.headers import read_stored_header
from brats3d.labels import LabelConvention
from brats3d.metrics import Calibration, count_calibration, pool_calibrations
from brats3d.reporting import LabelledCase, ReportedCase
from brats3d.workflows.conventions import Conventions, fitting_conventions, stated_convention
from brats3d.workflows.evaluate import existing_path
from brats3d.workflows.label_maps import PROBABILITIES_ENDING, checked_labels
from brats3d.workflows.pairing import Masks, find_predictions, find_references
from brats3d.workflows.report_cases import NO_IMAGE
from brats3d.workflows.reported_cases import shown_case
from brats3d.workflows.segmentation import SegmentedCase

logger = logging.getLogger(__name__)

_CONVENTIONS = ("prediction_convention", "reference_convention")


@dataclass(frozen=True)
class PredictedCases:
    """Label maps and, as far as there are any, their references.

    Attributes:
        predictions: Case id to label map.
        references: Case id to label map.
        conventions: Meaning of the values of both sides.
        data_set: Case id to the case of a data set, which has images; empty where there is none.
    """

    predictions: Masks
    references: Masks
    conventions: Conventions
    data_set: Mapping[str, Case]

    def read(self, case_id: str) -> LabelledCase:
        """Read a case that has a reference; see :meth:`show`."""
        shown = self.show(case_id)
        assert isinstance(shown, LabelledCase)
        return shown

    def show(self, case_id: str) -> ReportedCase:
        """Read a case; without images, tumour and errors are shown on black.

        Raises:
            DataError: A file is missing or torn, or the grids of the files differ.
            LabelError: Values outside the convention.
        """
        path = self.predictions.paths[case_id]
        values, regions = self.conventions
        voxels, geometry = read_volume(path, allow_plane=True)
        labels = checked_labels(voxels, values, "prediction", path)
        probabilities = self.probabilities(case_id, labels.shape)
        stand_in = np.zeros((1, *labels.shape), dtype=np.float32)
        result = SegmentedCase(
            case_id, labels, stand_in if probabilities is None else probabilities, geometry
        )
        case = self._case(case_id)
        shown = shown_case(case, result, tuple(case.images), values=values, trained=regions)
        if probabilities is None:
            shown = replace(shown, probabilities=None)
        if not shown.images:
            tumour = shown.prediction > 0
            if shown.reference is not None:
                tumour = tumour | (shown.reference > 0)
            shown = replace(shown, images={NO_IMAGE: tumour.astype(np.float32)})
        return shown

    def calibration(self) -> dict[str, Calibration]:
        """Compare the probabilities of all cases that have them with their references, region by region."""
        parts = []
        for case_id in sorted(set(self.predictions.paths) & set(self.references.paths)):
            if not self._probability_file(case_id).is_file():
                continue
            try:
                parts.append(self._calibration(case_id))
            except Brats3dError as error:
                logger.warning("%s is left out of the calibration: %s", case_id, error.what)
        return pool_calibrations(part for part in parts)

    def _calibration(self, case_id: str) -> dict[str, Calibration]:
        path = self.references.paths[case_id]
        voxels, _ = read_volume(path, allow_plane=True)
        convention = self.conventions[1]
        wanted = convention.to_regions(checked_labels(voxels, convention, "reference", path))
        probabilities = self.probabilities(case_id, voxels.shape)
        if probabilities is None:
            return {}
        brain = self._brain(case_id, voxels.shape)
        pairs = zip(convention.region_names, probabilities, wanted, strict=True)
        return {name: count_calibration(own, truth, brain) for name, own, truth in pairs}

    def probabilities(self, case_id: str, shape: Sequence[int]) -> NDArray[np.float32] | None:
        """Probability maps that lie beside a label map, float32 ``(R, X, Y, Z)``; None where there are none.

        Raises:
            DataError: A file that cannot be read.
        """
        path = self._probability_file(case_id)
        if not path.is_file():
            return None
        regions = len(self.conventions[1].regions)
        header = read_stored_header(path)
        found = None if header is None else tuple(header.shape)
        if found is None or (*found, 1)[:4] != (*shape, regions):
            logger.warning("%s: its channels are not those of the regions; it is left out", path)
            return None
        channels = range(regions) if len(found) == 4 else (None,)
        return np.stack([read_volume(path, channel=channel)[0] for channel in channels])

    def _probability_file(self, case_id: str) -> Path:
        return self.predictions.paths[case_id].parent / f"{case_id}{PROBABILITIES_ENDING}"

    def _case(self, case_id: str) -> Case:
        case = self.data_set.get(case_id)
        path = self.references.paths.get(case_id)
        images = {} if case is None else dict(case.images)
        channels = {} if case is None else dict(case.channels)
        return Case(case_id, case_id, images, self.conventions[1], label=path, channels=channels)

    def _brain(self, case_id: str, shape: Sequence[int]) -> NDArray[np.bool_]:
        """Voxels that are not background in the last image; all of them where there is no image."""
        case = self._case(case_id)
        if not case.images:
            return np.ones(tuple(shape), dtype=bool)
        name = list(case.images)[-1]
        image = read_volume(case.images[name], channel=case.channels.get(name))[0]
        brain: NDArray[np.bool_] = image > image.min()
        return brain


def find_predicted_cases(
    predictions: str | Path, references: str | Path, settings: Mapping[str, Any]
) -> PredictedCases:
    """Find label maps and their references, and the data set that the references belong to.

    Args:
        predictions: As of :func:`~brats3d.workflows.evaluate.evaluate`, whose ``settings`` the others are.
        references: The same.
        settings: Its keyword arguments: patterns, conventions, regions.

    Raises:
        Brats3dError: What that function raises where the folders cannot be paired.
    """
    stated = [stated_convention(settings[side], side) for side in _CONVENTIONS]
    sides = existing_path(predictions, "predictions"), existing_path(references, "references")
    expected = find_references(sides[1], settings["reference_pattern"], stated[1])
    found = find_predictions(sides[0], expected.paths, settings["prediction_pattern"], stated[0])
    conventions = fitting_conventions(found.convention, expected.convention, settings["regions"])
    return PredictedCases(found, expected, conventions, _data_set(sides[1], conventions[1]))


def _data_set(references: Path, convention: LabelConvention) -> dict[str, Case]:
    """Cases of a data set by id; none where the references are label maps alone."""
    try:
        return {case.case_id: case for case in discover(references, convention=convention).cases}
    except Brats3dError as error:
        logger.debug("no images beside the references: %s", error.what)
        return {}
