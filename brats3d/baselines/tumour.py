"""From bright tissue to a tumour, by rules: a segmenter that has learnt nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from brats3d.baselines.brightness import BrightTissue
from brats3d.baselines.components import ball, filled, thickest_component
from brats3d.errors import ConfigError
from brats3d.labels import ET, REGIONS, TC, WT

Refinement = Callable[[NDArray[np.floating], NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.bool_]]
"""Image, voxels that count and a mask, all ``(*S)``, to a better mask."""

_HALF = 0.5
# Necrosis, oedema and enhancing rim.
_TUMOUR_PARTS = 3


@dataclass(frozen=True)
class TumourRule:
    """What makes bright tissue a tumour.

    Attributes:
        opening: Voxels; bridges of up to twice as many do not join bright tissue into one piece.
        closing: Voxels; the hull of the tumour is closed over gaps of up to twice as many.
        border: Voxels around the tumour in which memberships below one half are kept.
        enhancement: Standard deviations of T1ce in the brain outside the tumour by which enhancing
            tumour is brighter than the mean there.
    """

    opening: int = 1
    closing: int = 3
    border: int = 2
    enhancement: float = 1.5

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: A negative one.
        """
        for key in ("opening", "closing", "border", "enhancement"):
            if not 0 <= getattr(self, key) < float("inf"):
                raise ConfigError(
                    "a setting that cannot work",
                    where=f"rule.{key}",
                    got=getattr(self, key),
                    expected="0 or more",
                )


class TumourSegmenter:
    """Finds WT in FLAIR, and ET and TC in T1ce where it is given.

    * The **whole tumour** is that piece of the brightest FLAIR tissue which, with the cavities in it, holds
      the largest ball. Its probability is that of being bright tissue, of what is enclosed at least one half.
    * **Enhancing tumour** is the brightest of three tissues of the whole tumour in T1ce, where it is
      brighter than the brain outside, too. The **tumour core** is that with what it encloses.

    A case without T1ce has neither: all of WT is then written as oedema.

    Args:
        tissue: Finds bright tissue.
        flair: Channel of FLAIR.
        t1ce: Channel of T1ce, or None.
        rule: What makes bright tissue a tumour.
        refine: Moves the surface of the whole tumour; its probability is then 0 or 1.
    """

    def __init__(
        self,
        tissue: BrightTissue,
        *,
        flair: int,
        t1ce: int | None = None,
        rule: TumourRule | None = None,
        refine: Refinement | None = None,
    ) -> None:
        self.tissue = tissue
        self.flair = flair
        self.t1ce = t1ce
        self.rule = rule or TumourRule()
        self.refine = refine

    def segment(self, image: Tensor) -> Tensor:
        """Segment one image ``(C, *S)``, zero outside the brain; see ``Segmenter.segment``.

        Returns:
            Probabilities of ET, TC and WT, float32 ``(3, *S)``.
        """
        # A single slice is a plane: nothing has a thickness across it.
        channels = image.detach().cpu().as_subclass(Tensor).float().numpy()
        channels = channels.reshape(len(channels), *(size for size in channels.shape[1:] if size > 1))
        inside = (channels != 0).any(axis=0)
        found = {WT: self._whole_tumour(channels[self.flair], inside)}
        if self.t1ce is not None:
            found |= dict(zip((ET, TC), self._core(channels[self.t1ce], inside, found[WT]), strict=True))
        nowhere = np.zeros(inside.shape, dtype=np.float32)
        regions = np.stack([found.get(region, nowhere) for region in REGIONS])
        return torch.from_numpy(regions).reshape(len(REGIONS), *image.shape[1:])

    def _whole_tumour(self, flair: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
        bright = self.tissue(flair, inside)
        # A bright shell around dark necrosis is as thick as what it encloses; the rim of a brain is not.
        solid = filled(bright > _HALF, 0, self.tissue.most_share * inside.sum())
        piece = thickest_component(solid, self.rule.opening)
        mask = filled(piece, self.rule.closing) & inside
        if self.refine is not None and mask.any():
            return self.refine(flair, inside, mask).astype(np.float32)
        near = ndimage.binary_dilation(mask, ball(self.rule.border, mask.ndim))
        # Other bright pieces that come close to the tumour are none of it.
        bright[~near | ((bright > _HALF) & ~mask)] = 0
        return np.where(mask, np.maximum(bright, np.float32(_HALF + 1e-3)), bright)

    def _core(
        self, t1ce: NDArray[np.float32], inside: NDArray[np.bool_], whole: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        tumour = whole > _HALF
        healthy = t1ce[inside & ~tumour]
        if not tumour.any() or not healthy.size:
            nowhere = np.zeros(whole.shape, dtype=np.float32)
            return nowhere, nowhere.copy()
        tissue = BrightTissue(
            self.tissue.partition,
            parts=min(_TUMOUR_PARTS, self.tissue.partition.most_parts),
            most_share=1.0,
            voxels=self.tissue.voxels,
            seed=self.tissue.seed,
        )
        enhancing = tissue(t1ce, tumour)
        enhancing[t1ce <= healthy.mean() + self.rule.enhancement * healthy.std()] = 0
        core = filled(enhancing > _HALF, self.rule.closing) & tumour
        return enhancing, np.where(core, np.maximum(enhancing, np.float32(_HALF + 1e-3)), enhancing)
