"""A classifier before the network of a bundle: what surely shows no tumour is not segmented."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from brats3d.bundles.scripts.inferer import InferredSegmenter, precision_on
from brats3d.bundles.scripts.siblings import convention_of
from brats3d.errors import ConfigError
from brats3d.inference.classifying import ImageClassifier
from brats3d.inference.gated import GatedSegmenter
from brats3d.models.classifiers import build_classifier
from brats3d.transforms.preprocessing import Preprocessing

logger = logging.getLogger(__name__)


def gate_network(
    *, architecture: str, spatial_dims: int, in_channels: int, size: Sequence[int], **params: Any
) -> nn.Module:
    """Build the classifier; its weights come from ``models/gate/gate.pt``.

    Args:
        architecture: Name of the network, such as ``vit``.
        spatial_dims: 2 (slices) or 3 (volumes).
        in_channels: Channels of the image.
        size: Size of the images that it judges, one number per axis.
        params: Parameters of the network, such as ``dropout``.

    Raises:
        ConfigError: An unknown name or parameter, or a value that cannot work.
    """
    return build_classifier(
        architecture, spatial_dims=spatial_dims, in_channels=in_channels, params=params, size=size
    )


class GatedInferer(Inferer):
    """Asks a classifier first, and has segmented only what it does not exclude; elsewhere it gives 0.

    Args:
        gate: The classifier ``(B, C, *S)`` to logits ``(B, 2)``; it moves to the device of the images.
        weights: Its weights.
        size: Size that it sees slices (two numbers) or volumes (three) at.
        slice_axis: ``axial``, ``coronal`` or ``sagittal`` for a gate of slices, else None.
        window_batch: Images that it sees at once, or ``auto``.
        precision: Its precision, as in its training, or ``auto``.
        threshold: Confidence, 0 to 1, from which a slice or a volume is segmented.
        preprocessing: Settings of the preprocessing that the gate was trained with.
        prepared: Those that the images come with.
        labels: Label convention in its JSON form.
        segmenter: The inferer of the network behind the gate.

    Raises:
        ConfigError: Gate and segmenter see other images, or slices along other axes.
    """

    def __init__(
        self,
        *,
        gate: nn.Module,
        weights: Mapping[str, Tensor],
        size: Sequence[int],
        slice_axis: str | None,
        window_batch: int | Literal["auto"],
        precision: str,
        threshold: float,
        preprocessing: Mapping[str, Any],
        prepared: Mapping[str, Any],
        labels: Mapping[str, Any],
        segmenter: Inferer,
    ) -> None:
        _check_agrees("preprocessing", Preprocessing(**preprocessing).settings(), dict(prepared))
        if slice_axis is not None:  # whole cases are skipped, whatever sees the others
            for inferer in getattr(segmenter, "members", (segmenter,)):
                _check_agrees("slice_axis", slice_axis, inferer.slice_axis)
        gate.load_state_dict(dict(weights))
        self.gate = gate.eval()
        self.size = tuple(size)
        self.slice_axis = slice_axis
        self.window_batch = window_batch
        self.precision = precision
        self.threshold = threshold
        self.regions = len(convention_of(labels).region_names)
        self.segmenter = segmenter

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        """Segment a batch of prepared volumes; the result is float32 on the CPU."""
        gated = GatedSegmenter(
            self._classifier(inputs.device),
            InferredSegmenter(self.segmenter, network),
            self.threshold,
            self.regions,
        )
        return torch.stack([self._segmented(gated, volume) for volume in inputs.as_subclass(Tensor)])

    def _segmented(self, gated: GatedSegmenter, volume: Tensor) -> Tensor:
        probabilities = gated.segment(volume)
        decision = gated.decision
        assert decision is not None
        logger.info(
            "the gate skipped %d of %d %s",
            int((decision.filled & ~decision.segmented).sum()),
            int(decision.filled.sum()),
            "volumes" if self.slice_axis is None else "slices",
        )
        return probabilities

    def _classifier(self, device: torch.device) -> ImageClassifier:
        return ImageClassifier(
            self.gate.to(device),
            size=self.size,
            axis=self.slice_axis or "axial",
            batch=self.window_batch,
            precision=precision_on(device.type, self.precision),
        )


def _check_agrees(name: str, own: Any, other: Any) -> None:
    if own != other:
        raise ConfigError(
            f"the gate and the segmentation differ in {name}",
            where=f"inferer.{name}",
            got=own,
            expected=f"{other}, as in the segmentation",
            remedy="take gate and segmentation from the same bundle",
        )
