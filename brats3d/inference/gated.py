"""Segmentation behind a classifier: what surely shows no tumour is not segmented."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from brats3d.inference.classifying import Classifier
from brats3d.inference.progress import part
from brats3d.inference.segmenter import Segmenter

_PARTS = 10
"""Judging counts as one of so many parts of the work."""


@dataclass(frozen=True)
class GateDecision:
    """What the gate decided about one image, and how long both parts took.

    Attributes:
        confidences: Of each slice, or of the volume: float32 ``(n,)``.
        segmented: Which of them were segmented, bool ``(n,)``.
        filled: Which of them hold anything but zeros, bool ``(n,)``.
        gate_s: Seconds of the classifier.
        segmentation_s: Seconds of the segmenter.
    """

    confidences: Tensor
    segmented: Tensor
    filled: Tensor
    gate_s: float
    segmentation_s: float


class GatedSegmenter:
    """Has a segmenter segment only what a classifier does not exclude; elsewhere probabilities are 0.

    Slices that are segmented get the very probabilities that the segmenter alone would give them.

    Args:
        classifier: Judges slices or volumes.
        segmenter: Segments them; behind a gate of slices, each slice along that axis by itself.
        threshold: Confidence from which something is segmented.
        regions: Number of regions.

    Attributes:
        decision: About the image that was segmented last.
    """

    def __init__(self, classifier: Classifier, segmenter: Segmenter, threshold: float, regions: int) -> None:
        self.classifier = classifier
        self.segmenter = segmenter
        self.threshold = threshold
        self.regions = regions
        self.decision: GateDecision | None = None

    def segment(self, image: Tensor) -> Tensor:
        """Segment one volume ``(C, X, Y, Z)``; see :meth:`Segmenter.segment`."""
        started_at = time.perf_counter()
        with part(0, 1, of=_PARTS):
            confidences = self.classifier.confidences(image)
        segmented = ~(confidences < self.threshold)  # what is no number is no reason to skip
        judged_at = time.perf_counter()
        with part(1, _PARTS, of=_PARTS):
            result = self._segmented(image.as_subclass(Tensor), segmented)
        self.decision = GateDecision(
            confidences,
            segmented,
            self._filled(image.as_subclass(Tensor)),
            judged_at - started_at,
            time.perf_counter() - judged_at,
        )
        return result

    def _segmented(self, image: Tensor, segmented: Tensor) -> Tensor:
        axis = self.classifier.axis
        if segmented.all():
            return self.segmenter.segment(image)
        result = torch.zeros((self.regions, *image.shape[1:]))
        if axis is None or not segmented.any():
            return result
        kept = segmented.nonzero()[:, 0]
        probabilities = self.segmenter.segment(image.index_select(axis + 1, kept.to(image.device)))
        return result.index_copy_(axis + 1, kept, probabilities)

    def _filled(self, image: Tensor) -> Tensor:
        axis = self.classifier.axis
        if axis is None:
            return image.any().reshape(1).cpu()
        return image.movedim(axis + 1, 0).flatten(1).any(1).cpu()
