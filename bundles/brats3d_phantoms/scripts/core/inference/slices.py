# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Prediction of whole volumes, slice by slice, with a 2-D network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.core.errors import ConfigError
from scripts.core.inference.forward import Precision, RegionForward, RegionHead
from scripts.core.inference.memory import BatchRunner
from scripts.core.inference.progress import report
from scripts.core.inference.segmenter import Progress
from scripts.core.registry import look_up

SLICE_AXES: Mapping[str, int] = MappingProxyType({"sagittal": 0, "coronal": 1, "axial": 2})
"""Array axis that slices are counted along, in a volume oriented RAS."""


class SliceSegmenter:
    """Predicts each slice of a volume with a 2-D network and stacks the results.

    A slice keeps the order of the two axes it lies in: axial (X, Y), coronal (X, Z), sagittal
    (Y, Z). Its image is resized bilinearly (with anti-aliasing, as for training), and so are the
    probabilities on their way back.

    Args:
        network: ``(B, C, H, W)`` to logits ``(B, out, H, W)``. It keeps its training or evaluation
            mode.
        head: Turns logits into probabilities of regions.
        axis: axial, coronal or sagittal; the volume must be oriented RAS.
        slice_size: Size that slices are resized to, as in training; None leaves them as they are.
        multiple: Without ``slice_size``: slices are padded with zeros to a multiple of this.
        slice_range: First and one past the last slice to predict; no region is in the others.
        slice_batch: Images the network sees at once: slices, and on a GPU their mirror images;
            ``auto`` sizes it to the free memory.
        flips: Average over mirror images: True for both axes, or the axes of the slice to mirror.
        device: Where the network runs; None: where its parameters are.
        precision: Precision of the network; probabilities are always float32.
        skip_empty: Do not predict slices in which the image is zero throughout: no region is there.
            Without effect on an image that is zero everywhere.
        progress: Called with the number of slices done and the number of all after each batch.
        mirrors_together: Whether mirror images of a slice share a batch; None: on GPUs only.

    Raises:
        ConfigError: A parameter that cannot work.
    """

    def __init__(
        self,
        network: nn.Module,
        head: RegionHead,
        *,
        axis: str = "axial",
        slice_size: Sequence[int] | None = None,
        multiple: int = 1,
        slice_range: tuple[int, int] | None = None,
        slice_batch: int | Literal["auto"] = "auto",
        flips: bool | Sequence[int] = False,
        device: torch.device | str | None = None,
        precision: Precision = "fp32",
        skip_empty: bool = True,
        progress: Progress | None = None,
        mirrors_together: bool | None = None,
    ) -> None:
        self.axis = look_up(SLICE_AXES, axis, "slices.axis")
        self.slice_size = _checked_size(slice_size)
        self.multiple = multiple
        self.slice_range = slice_range
        self.skip_empty = skip_empty
        self.progress = progress
        self._forward = RegionForward(
            network, head, spatial_dims=2, flips=flips, device=device, precision=precision
        )
        voxels = math.prod(self.slice_size) if self.slice_size else 240 * 240
        self._runner = BatchRunner(
            slice_batch,
            item_voxels=voxels,
            where="inference.window_batch",
            mirrors=len(self._forward.mirrors),
            mirrors_together=mirrors_together,
        )

    def segment(self, image: Tensor) -> Tensor:
        """Segment one volume ``(C, X, Y, Z)``; see :meth:`Segmenter.segment`.

        Raises:
            ConfigError: The image is no volume, or one slice alone does not fit into memory.
        """
        if image.ndim != 4:
            raise ConfigError("not a volume", got=f"{image.ndim - 1} dimensions", expected="3 dimensions")
        slices = image.as_subclass(Tensor).movedim(self.axis + 1, 0)
        indices = self._indices_with_content(slices)
        device = self._forward.device
        result: Tensor | None = None
        done = 0

        def predict(batch: Sequence[int], mirrors_at_once: int) -> None:
            nonlocal result, done
            seen = self._fitted(slices[list(batch)].to(device, torch.float32))
            predicted = self._forward(seen, mirrors_at_once=mirrors_at_once)
            probabilities = self._restored(predicted, slices.shape[2:]).cpu()
            if result is None:
                with torch.inference_mode(False):
                    result = torch.zeros((probabilities.shape[1], *image.shape[1:]))
            result.movedim(self.axis + 1, 0)[list(batch)] = probabilities
            done += len(batch)
            if self.progress is not None:
                self.progress(done, len(indices))
            report(done, len(indices))

        with self._forward.evaluating():
            self._runner.run(indices, predict, device=device)
        assert result is not None
        return result

    def _indices_with_content(self, slices: Tensor) -> list[int]:
        first, last = self.slice_range or (0, len(slices))
        wanted = list(range(max(first, 0), min(last, len(slices))))
        if not wanted:
            raise ConfigError(
                "the range of slices lies outside the volume",
                where="slices",
                got=f"slices {first} to {last - 1}",
                expected=f"a range within 0 to {len(slices) - 1}",
            )
        filled = [index for index in wanted if slices[index].any()] if self.skip_empty else wanted
        return filled or wanted

    def _fitted(self, images: Tensor) -> Tensor:
        """Slices ``(B, C, *size)`` as the network sees them."""
        if self.slice_size is not None:
            return _resized(images, self.slice_size)
        below, right = (-size % self.multiple for size in images.shape[2:])
        return F.pad(images, (0, right, 0, below))

    def _restored(self, probabilities: Tensor, size: Sequence[int]) -> Tensor:
        """Probabilities of fitted slices back at ``size``."""
        if self.slice_size is not None:
            return _resized(probabilities, size)
        return probabilities[..., : size[0], : size[1]]


def _resized(images: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(images.shape[2:]) == tuple(size):
        return images
    return F.interpolate(images, size=tuple(size), mode="bilinear", antialias=True)


def _checked_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(
            "invalid size of slices", where="patch.size", got=tuple(size), expected="two positive numbers"
        )
    return int(size[0]), int(size[1])
