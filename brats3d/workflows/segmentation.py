"""One case through a trained model: from files to a label map on the grid of the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.imaging import Geometry
from brats3d.inference.segmenter import Segmenter
from brats3d.labels import LabelConvention
from brats3d.postprocessing import Postprocessing
from brats3d.transforms.preprocessing import Preprocessing


@dataclass(frozen=True)
class SegmentedCase:
    """Result of one case, on the grid of its files.

    Attributes:
        case_id: Name of the case.
        labels: Label values, uint8 ``(X, Y, Z)``.
        probabilities: Float32 ``(R, X, Y, Z)``.
        geometry: Grid of the files.
    """

    case_id: str
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    geometry: Geometry


class Segmentation(Protocol):
    """Anything that segments a case: a trained model of this package, or of another."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities a case must have."""
        ...

    @property
    def convention(self) -> LabelConvention:
        """Regions of the model, and the label values it was trained with."""
        ...

    def __call__(self, case: Case, convention: LabelConvention) -> SegmentedCase:
        """Segment one case, with the label values of ``convention``."""
        ...


@dataclass(frozen=True)
class CaseSegmentation:
    """A trained model with all that surrounds it.

    Attributes:
        preprocessing: As in training.
        segmenter: Network or ensemble.
        postprocessing: Rules for the regions.
        convention: Regions the model was trained on.
    """

    preprocessing: Preprocessing
    segmenter: Segmenter
    postprocessing: Postprocessing
    convention: LabelConvention

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities the model was trained on, in channel order."""
        return self.preprocessing.modalities

    def __call__(self, case: Case, convention: LabelConvention) -> SegmentedCase:
        """Segment one case.

        Args:
            case: Case with the modalities the model was trained on; a label map is not read.
            convention: Label values of the result.

        Raises:
            DataError: A file of the case is missing, torn or inconsistent.
            LabelError: ``convention`` has no value for a predicted tissue.
        """
        case.require(self.modalities)
        prepared = self.preprocessing.prepare(case, with_label=False)
        restoration = prepared.restoration
        predicted = self.segmenter.segment(torch.from_numpy(prepared.image)).numpy()
        # Outside the brain there is nothing to segment, whatever the network thinks of the padding.
        predicted *= prepared.brain
        probabilities = restoration.restore(predicted, order=1).astype(np.float32, copy=False)
        geometry = restoration.geometry
        regions = self.postprocessing.regions(probabilities, self.convention, geometry.voxel_volume_ml)
        classes = self.convention.classes_from_regions(regions)
        return SegmentedCase(case.case_id, convention.from_classes(classes), probabilities, geometry)
