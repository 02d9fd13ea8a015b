"""Prediction of whole volumes, slice by slice, with a 2-D network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.inference.forward import Precision, RegionForward, RegionHead
from brats3d.inference.memory import BatchRunner
from brats3d.inference.segmenter import Progress
from brats3d.registry import look_up

SLICE_AXES: Mapping[str, int] = MappingProxyType({"sagittal": 0, "coronal": 1, "axial": 2})
"""Array axis that slices are counted along, in a volume oriented RAS."""


class SliceSegmenter:
    """Predicts each slice of a volume with a 2-D network and stacks the results.

    A slice keeps the order of the two axes it lies in: axial (X, Y), coronal (X, Z), sagittal
    (Y, Z). Its image is resized bilinearly, and so are the probabilities on their way back.

    Args:
        network: ``(B, C, H, W)`` to logits ``(B, out, H, W)``. It keeps its training or evaluation
            mode.
        head: Turns logits into probabilities of regions.
        axis: axial, coronal or sagittal; the volume must be oriented RAS.
        slice_size: Size of the slices the network sees; None leaves them as they are.
        keep_aspect: Fill up with zeros instead of stretching one axis more than the other.
        multiple: Without ``slice_size``: fill slices up with zeros to a multiple of this.
        slice_range: First and one past the last slice to predict; no region is in the others.
        slice_batch: Slices predicted at once; ``auto`` sizes it to the free memory.
        flips: Average over mirror images: True for both axes, or the axes of the slice to mirror.
        device: Where the network runs; None: where its parameters are.
        precision: Precision of the network; probabilities are always float32.
        skip_empty: Do not predict slices in which the image is zero throughout: no region is there.
            Without effect on an image that is zero everywhere.
        progress: Called with the number of slices done and the number of all after each batch.

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
        keep_aspect: bool = False,
        multiple: int = 1,
        slice_range: tuple[int, int] | None = None,
        slice_batch: int | Literal["auto"] = "auto",
        flips: bool | Sequence[int] = False,
        device: torch.device | str | None = None,
        precision: Precision = "fp32",
        skip_empty: bool = True,
        progress: Progress | None = None,
    ) -> None:
        self.axis = look_up(SLICE_AXES, axis, "slices.axis")
        self.slice_size = _checked_size(slice_size)
        self.keep_aspect = keep_aspect
        self.multiple = multiple
        self.slice_range = slice_range
        self.skip_empty = skip_empty
        self.progress = progress
        self._forward = RegionForward(
            network, head, spatial_dims=2, flips=flips, device=device, precision=precision
        )
        voxels = math.prod(self.slice_size) if self.slice_size else 240 * 240
        self._runner = BatchRunner(slice_batch, item_voxels=voxels, where="inference.window_batch")

    def segment(self, image: Tensor) -> Tensor:
        """Segment one volume ``(C, X, Y, Z)``; see :meth:`Segmenter.segment`.

        Raises:
            ConfigError: The image is no volume, or one slice alone does not fit into memory.
        """
        if image.ndim != 4:
            raise ConfigError("not a volume", got=f"{image.ndim - 1} dimensions", expected="3 dimensions")
        slices = image.as_subclass(Tensor).movedim(self.axis + 1, 0)
        indices = self._indices_with_content(slices)
        fit = SliceFit.plan(slices.shape[2:], self.slice_size, self.keep_aspect, self.multiple)
        device = self._forward.device
        result: Tensor | None = None
        done = 0

        def predict(batch: Sequence[int]) -> None:
            nonlocal result, done
            seen = fit.forward(slices[list(batch)].to(device, torch.float32))
            probabilities = fit.backward(self._forward(seen)).cpu()
            if result is None:
                with torch.inference_mode(False):
                    result = torch.zeros((probabilities.shape[1], *image.shape[1:]))
            result.movedim(self.axis + 1, 0)[list(batch)] = probabilities
            done += len(batch)
            if self.progress is not None:
                self.progress(done, len(indices))

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


class SliceFit:
    """Resizing and padding of slices to what the network sees, and back.

    Args:
        original: Size of the slices of the volume.
        resized: Size after resizing.
        seen: Size after padding around the centre.
    """

    def __init__(self, original: tuple[int, int], resized: tuple[int, int], seen: tuple[int, int]) -> None:
        self.original = original
        self.resized = resized
        self.seen = seen

    @classmethod
    def plan(
        cls, size: Sequence[int], slice_size: tuple[int, int] | None, keep_aspect: bool, multiple: int
    ) -> SliceFit:
        """Decide how slices of ``size`` come to the size the network sees."""
        height, width = size
        if slice_size is None:
            seen = (math.ceil(height / multiple) * multiple, math.ceil(width / multiple) * multiple)
            return cls((height, width), (height, width), seen)
        if not keep_aspect:
            return cls((height, width), slice_size, slice_size)
        scale = min(slice_size[0] / height, slice_size[1] / width)
        resized = (max(1, round(height * scale)), max(1, round(width * scale)))
        return cls((height, width), resized, slice_size)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, *original)`` to ``(B, C, *seen)``."""
        top, left = self._margins()
        below, right = self.seen[0] - self.resized[0] - top, self.seen[1] - self.resized[1] - left
        return F.pad(_resize(images, self.resized), (left, right, top, below))

    def backward(self, probabilities: Tensor) -> Tensor:
        """``(B, R, *seen)`` to ``(B, R, *original)``."""
        top, left = self._margins()
        kept = probabilities[..., top : top + self.resized[0], left : left + self.resized[1]]
        return _resize(kept, self.original)

    def _margins(self) -> tuple[int, int]:
        return (self.seen[0] - self.resized[0]) // 2, (self.seen[1] - self.resized[1]) // 2


def _resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(images.shape[2:]) == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)


def _checked_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(
            "invalid size of slices", where="patch.size", got=tuple(size), expected="two positive numbers"
        )
    return int(size[0]), int(size[1])
