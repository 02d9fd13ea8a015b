"""Prediction of whole images with a network that sees windows of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.inference.forward import Precision, RegionForward, RegionHead
from brats3d.inference.memory import BatchRunner
from brats3d.inference.progress import report
from brats3d.inference.segmenter import Progress
from brats3d.inference.windows import Canvas, HalfCanvas, Window, window_grid, window_starts


class SlidingWindowSegmenter:
    """Predicts overlapping windows and blends them with Gaussian weights.

    The image stays where it is (in main memory, as a rule, and in float16 if it is); each batch of
    windows is copied to the device. The blended sum is kept on the device while it fits, otherwise
    in main memory. When memory runs out the batch is halved, and no window is counted twice.

    On a GPU, mirror images share the batches of the network, and what is blended there is summed in
    float16 if the network computes in half precision, too: in the tests this changes probabilities by
    0.0011 at most at an overlap of 0.5, and by 0.0027 at 0.75.

    Args:
        network: ``(B, C, *S)`` to logits ``(B, out, *S)``, 2-D or 3-D. It keeps its training or
            evaluation mode.
        head: Turns logits into probabilities of regions.
        patch_size: Window in voxels along each axis; smaller images are padded with zeros.
        overlap: Smallest share of a window that its neighbour covers too, in [0, 1).
        window_batch: Images the network sees at once: windows, and on a GPU their mirror images;
            ``auto`` sizes it to the free memory (and resets the peak-memory statistics of a GPU
            when it does).
        flips: Average over mirror images: True for all axes, or the spatial axes to mirror.
        device: Where the network runs; None: where its parameters are.
        precision: Precision of the network; probabilities are always float32.
        skip_empty: Do not predict windows in which the image is zero throughout (no brain): no
            region is there. Without effect on an image that is zero everywhere.
        progress: Called with the number of windows done and the number of all after each batch.
        mirrors_together: Whether mirror images of a window share a batch; None: on GPUs only, since
            on a CPU it saves nothing and takes memory.
        half_sum: Whether to blend in float16; None: on GPUs, unless ``precision`` is fp32.

    Raises:
        ConfigError: A parameter that cannot work.
    """

    def __init__(
        self,
        network: nn.Module,
        head: RegionHead,
        *,
        patch_size: Sequence[int],
        overlap: float = 0.5,
        window_batch: int | Literal["auto"] = "auto",
        flips: bool | Sequence[int] = False,
        device: torch.device | str | None = None,
        precision: Precision = "fp32",
        skip_empty: bool = True,
        progress: Progress | None = None,
        mirrors_together: bool | None = None,
        half_sum: bool | None = None,
    ) -> None:
        self.patch_size = tuple(int(side) for side in patch_size)
        _check(self.patch_size, overlap)
        self.overlap = overlap
        self.skip_empty = skip_empty
        self.progress = progress
        self._half_sum = half_sum
        self._forward = RegionForward(
            network,
            head,
            spatial_dims=len(self.patch_size),
            flips=flips,
            device=device,
            precision=precision,
        )
        self._runner = BatchRunner(
            window_batch,
            item_voxels=math.prod(self.patch_size),
            where="inference.window_batch",
            mirrors=len(self._forward.mirrors),
            mirrors_together=mirrors_together,
        )

    def segment(self, image: Tensor) -> Tensor:
        """Segment one image; see :meth:`Segmenter.segment`.

        Raises:
            ConfigError: The image has other dimensions than the window, or one window alone does
                not fit into memory.
        """
        padded, inside = _pad(image.as_subclass(Tensor), self.patch_size)
        starts = [
            window_starts(size, side, self.overlap)
            for size, side in zip(padded.shape[1:], self.patch_size, strict=True)
        ]
        device = self._forward.device
        windows = self._windows_with_content(padded, window_grid(starts, self.patch_size))
        canvas = self._canvas(starts, device)
        done = 0

        def predict(batch: Sequence[Window], mirrors_at_once: int) -> None:
            nonlocal done
            crops = torch.stack([padded[(slice(None), *window)] for window in batch])
            seen = crops.to(device, torch.float32)
            canvas.add(batch, self._forward(seen, mirrors_at_once=mirrors_at_once))
            done += len(batch)
            if self.progress is not None:
                self.progress(done, len(windows))
            report(done, len(windows))

        with self._forward.evaluating():
            self._runner.run(windows, predict, device=device, relieve=canvas.move_to_host)
        return canvas.mean()[(slice(None), *inside)].contiguous()

    def _canvas(self, starts: Sequence[Sequence[int]], device: torch.device) -> Canvas:
        half = device.type == "cuda" and self._forward.precision != "fp32"
        kind = HalfCanvas if (half if self._half_sum is None else self._half_sum) else Canvas
        return kind(starts, self.patch_size, device)

    def _windows_with_content(self, image: Tensor, windows: list[Window]) -> list[Window]:
        if not self.skip_empty:
            return windows
        filled = [window for window in windows if image[(slice(None), *window)].any()]
        return filled or windows


def _pad(image: Tensor, window: Sequence[int]) -> tuple[Tensor, Window]:
    """Pad ``(C, *S)`` with zeros on both sides up to the window, and say where the image then lies."""
    if image.ndim != len(window) + 1:
        raise ConfigError(
            "the window has other dimensions than the image",
            where="inference.window",
            got=f"window {tuple(window)} for an image of {image.ndim - 1} dimensions",
            expected=f"{image.ndim - 1} numbers",
        )
    missing = [max(side - size, 0) for side, size in zip(window, image.shape[1:], strict=True)]
    inside = tuple(
        slice(gap // 2, gap // 2 + size) for gap, size in zip(missing, image.shape[1:], strict=True)
    )
    if not any(missing):
        return image, inside
    margins = [margin for gap in reversed(missing) for margin in (gap // 2, gap - gap // 2)]
    return F.pad(image, margins), inside


def _check(window: tuple[int, ...], overlap: float) -> None:
    if not window or min(window) < 1:
        raise ConfigError(
            "invalid window",
            where="inference.window",
            got=window,
            expected="a positive number of voxels for each axis",
        )
    if not 0 <= overlap < 1:
        raise ConfigError(
            "invalid overlap of windows",
            where="inference.overlap",
            got=overlap,
            expected="a share of the window, at least 0 and below 1",
        )
