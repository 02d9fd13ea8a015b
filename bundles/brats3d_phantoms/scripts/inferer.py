# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Probabilities of a whole volume, by the windows or slices of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from scripts.core.assembly.hardware import hardware
from scripts.siblings import convention_of
from scripts.core.inference.forward import Precision
from scripts.core.inference.segmenter import Segmenter
from scripts.core.inference.slices import SliceSegmenter
from scripts.core.inference.sliding_window import SlidingWindowSegmenter
from scripts.core.models.heads import Head

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class RegionInferer(Inferer):
    """Gives every voxel its probability to lie in each region, ``(B, C, *S)`` to ``(B, R, *S)``.

    The dropout of a network that comes in training mode stays on, and only that: repeated calls then
    show how uncertain the network is (Gal & Ghahramani 2016). Such a network stays in this mode.

    Args:
        head: ``sigmoid`` or ``softmax``.
        labels: Label convention in its JSON form.
        window: Window in voxels; two numbers for slices.
        overlap: Share of a window that its neighbour covers too.
        window_batch: Images at once: windows or slices, on GPUs with their mirror images; or ``auto``.
        flips: Whether to average over mirror images.
        precision: As in training (``32-true``, ``bf16-mixed``, ``16-mixed``), or ``auto``.
        slice_axis: ``axial``, ``coronal`` or ``sagittal`` for networks of slices, else None.
    """

    def __init__(
        self,
        *,
        head: str,
        labels: Mapping[str, Any],
        window: Sequence[int],
        overlap: float,
        window_batch: int | Literal["auto"],
        flips: bool,
        precision: str,
        slice_axis: str | None,
    ) -> None:
        self.head = Head(head, convention_of(labels).class_table)
        self.window = tuple(window)
        self.overlap = overlap
        self.window_batch = window_batch
        self.flips = flips
        self.precision = precision
        self.slice_axis = slice_axis

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        """Segment a batch of prepared volumes; the result is float32 on the CPU."""
        if any(module.training for module in network.modules()):
            network = _WithDropout(network)
        segmenter = self._segmenter(network)
        return torch.stack([segmenter.segment(volume) for volume in inputs.as_subclass(Tensor)])

    def _segmenter(self, network: nn.Module) -> Segmenter:
        weight = next(network.parameters(), None)
        precision = precision_on("cpu" if weight is None else weight.device.type, self.precision)
        if self.slice_axis is not None:
            return SliceSegmenter(
                network,
                self.head,
                axis=self.slice_axis,
                slice_size=self.window,
                slice_batch=self.window_batch,
                flips=self.flips,
                precision=precision,
            )
        return SlidingWindowSegmenter(
            network,
            self.head,
            patch_size=self.window,
            overlap=self.overlap,
            window_batch=self.window_batch,
            flips=self.flips,
            precision=precision,
        )


class InferredSegmenter:
    """One network with its inferer, as a segmenter of single volumes."""

    def __init__(self, inferer: Inferer, network: nn.Module) -> None:
        self.inferer = inferer
        self.network = network

    def segment(self, image: Tensor) -> Tensor:
        """See :meth:`brats3d.inference.segmenter.Segmenter.segment`."""
        (probabilities,) = self.inferer(image[None], self.network)
        return probabilities


class _WithDropout(nn.Module):
    """A network in evaluation mode but for its dropout, whatever mode is asked for.

    No module is ever in another mode than its final one: threads may share the network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)
        return logits

    def train(self, mode: bool = True) -> _WithDropout:
        for module in self.modules():
            module.training = isinstance(module, _DROPOUTS)
        return self


def precision_on(device: str, wanted: str) -> Precision:
    """Precision on a device (cpu or cuda); a CPU computes what was trained in float16 as it can."""
    accelerator = "cpu" if device == "cpu" else "gpu"
    on_cpu = accelerator == "cpu" and wanted == "16-mixed"
    return hardware(accelerator, "auto" if on_cpu else wanted).inference
