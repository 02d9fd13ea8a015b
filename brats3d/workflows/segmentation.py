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
from brats3d.postprocessing.refinement import Refinement
from brats3d.transforms.preprocessing import PreparedCase, Preprocessing
from brats3d.transforms.restoration import Restoration


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


@dataclass(frozen=True)
class PredictedCase:
    """What a network says of a prepared case.

    Attributes:
        case_id: Name of the case.
        probabilities: Float32 ``(R, *S)`` on the prepared grid.
        brain: Bool ``(*S)``.
        restoration: Leads from this grid to that of the files.
    """

    case_id: str
    probabilities: NDArray[np.float32]
    brain: NDArray[np.bool_]
    restoration: Restoration


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
        refinement: Changes the probabilities by what the network saw, on the prepared grid.
    """

    preprocessing: Preprocessing
    segmenter: Segmenter
    postprocessing: Postprocessing
    convention: LabelConvention
    refinement: Refinement | None = None

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
        return self.finish(self.predict(self.prepare(case)), convention)

    def prepare(self, case: Case) -> PreparedCase:
        """Read a case and prepare it; the first of three parts of segmenting."""
        case.require(self.modalities)
        with case.here():
            return self.preprocessing.prepare(case, with_label=False)

    def predict(self, prepared: PreparedCase) -> PredictedCase:
        """Have the network predict a prepared case; the second part."""
        probabilities = self.segmenter.segment(torch.from_numpy(prepared.image)).numpy()
        if self.refinement is not None:
            spacing_mm = prepared.restoration.prepared_geometry.spacing_mm
            probabilities = self.refinement(probabilities, prepared.image, spacing_mm)
        return PredictedCase(prepared.case_id, probabilities, prepared.brain, prepared.restoration)

    def finish(self, predicted: PredictedCase, convention: LabelConvention) -> SegmentedCase:
        """Make labels of a prediction, on the grid of the files; the last part."""
        probabilities = self.restore(predicted)
        geometry = predicted.restoration.geometry
        labels = labelled(
            probabilities, self.postprocessing, self.convention, geometry.voxel_volume_ml, convention
        )
        return SegmentedCase(predicted.case_id, labels, probabilities, geometry)

    def restore(self, predicted: PredictedCase) -> NDArray[np.float32]:
        """Bring probabilities to the grid of the files, float32 ``(R, X, Y, Z)``."""
        # Outside the brain there is nothing to segment, whatever the network thinks of the padding.
        inside = predicted.probabilities * predicted.brain
        return predicted.restoration.restore(inside, order=1).astype(np.float32, copy=False)


def labelled(
    probabilities: NDArray[np.float32],
    postprocessing: Postprocessing,
    trained: LabelConvention,
    voxel_volume_ml: float,
    convention: LabelConvention,
) -> NDArray[np.uint8]:
    """Make labels of probabilities on the grid of the files, or on a part of it that holds them all.

    Args:
        probabilities: ``(R, *S)`` in [0, 1].
        postprocessing: Rules for the regions.
        trained: Names the regions.
        voxel_volume_ml: Volume of a voxel in millilitres.
        convention: Label values of the result.

    Returns:
        Label values, uint8 ``(*S)``.

    Raises:
        LabelError: ``convention`` has no value for a predicted tissue.
    """
    regions = postprocessing.regions(probabilities, trained, voxel_volume_ml)
    return convention.from_classes(trained.classes_from_regions(regions))
