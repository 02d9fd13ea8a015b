"""From a classifying network to the confidence that slices or whole volumes show tumour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.inference.forward import Precision, RegionForward
from brats3d.inference.memory import BatchRunner
from brats3d.inference.progress import report
from brats3d.inference.slices import SLICE_AXES
from brats3d.registry import look_up

_TUMOUR = 1


class Classifier(Protocol):
    """Anything that tells how sure it is that slices of a volume, or the volume, show tumour."""

    @property
    def axis(self) -> int | None:
        """Array axis of the slices, 0 to 2; None: the volume as a whole is judged."""
        ...

    def confidences(self, image: Tensor) -> Tensor:
        """Judge one prepared image.

        Args:
            image: Floating point ``(C, X, Y, Z)``, on any device, preprocessed as in training.

        Returns:
            Float32 in [0, 1] on the CPU: ``(n,)`` of n slices, or ``(1,)`` of the volume. It is 0 where
            the image is zero throughout.
        """
        ...


class ImageClassifier:
    """Judges slices with a 2-D network, each by itself, or volumes with a 3-D network.

    Args:
        network: ``(B, C, *S)`` to logits ``(B, 2)`` of no tumour and tumour. It keeps its training or
            evaluation mode.
        size: Size that slices (two numbers) or volumes (three) are resized to, as in training.
        axis: axial, coronal or sagittal, for slices; the volume must be oriented RAS.
        batch: Images the network sees at once; ``auto`` sizes it to the free memory.
        precision: Precision of the network.

    Raises:
        ConfigError: A parameter that cannot work.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        size: Sequence[int],
        axis: str = "axial",
        batch: int | Literal["auto"] = "auto",
        precision: Precision = "fp32",
    ) -> None:
        self.size = tuple(size)
        self.axis = look_up(SLICE_AXES, axis, "slices.axis") if len(self.size) == 2 else None
        self._forward = RegionForward(network, _Tumour(), spatial_dims=len(self.size), precision=precision)
        self._runner = BatchRunner(batch, item_voxels=math.prod(self.size), where="inference.window_batch")

    def confidences(self, image: Tensor) -> Tensor:
        """Judge one prepared image; see :meth:`Classifier.confidences`.

        Raises:
            ConfigError: The image is no volume, or one image alone does not fit into memory.
        """
        if image.ndim != 4:
            raise ConfigError("not a volume", got=f"{image.ndim - 1} dimensions", expected="3 dimensions")
        plain = image.as_subclass(Tensor)
        images = plain[None] if self.axis is None else plain.movedim(self.axis + 1, 0)
        filled = [index for index in range(len(images)) if images[index].any()]
        found = torch.zeros(len(images))
        device = self._forward.device
        done = 0

        def judge(batch: Sequence[int], _: int) -> None:
            nonlocal done
            seen = resized(images[list(batch)].to(device, torch.float32), self.size)
            found[list(batch)] = self._forward(seen)[:, 0].cpu()
            done += len(batch)
            report(done, len(filled))

        with self._forward.evaluating():
            self._runner.run(filled, judge, device=device)
        return found


class _Tumour:
    """The second of two classes that exclude each other."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits ``(B, 2)`` to the probability of tumour, float32 ``(B, 1)``."""
        return logits.float().softmax(1)[:, _TUMOUR : _TUMOUR + 1]


def resized(images: Tensor, size: Sequence[int]) -> Tensor:
    """Images ``(B, C, *S)`` at another size, without aliasing: slices linearly, volumes by their means."""
    if tuple(images.shape[2:]) == tuple(size):
        return images
    if len(size) == 2:
        return F.interpolate(images, size=tuple(size), mode="bilinear", antialias=True)
    shrinks = all(new <= old for new, old in zip(size, images.shape[2:], strict=True))
    return F.interpolate(images, size=tuple(size), mode="area" if shrinks else "trilinear")
