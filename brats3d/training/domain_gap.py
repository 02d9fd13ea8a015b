"""How far two data sets are from each other for a network, and the end of an adaptation by it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from brats3d.training.adaptation import AdversarialAdaptation

logger = logging.getLogger(__name__)
BEST = "best.ckpt"
_LEAST_SPREAD = 1e-4


def domain_gap(source: Tensor, target: Tensor) -> float:
    """Return the distance of two sets of features: that of their means, in standard deviations of the source.

    Features are described image by image by the mean and the standard deviation of each channel.

    Args:
        source: Features of source images, ``(N, C, *S)``, N of 2 or more.
        target: Features of target images, ``(M, C, *S)``.

    Returns:
        Root mean square over the descriptions, 0 or more.
    """
    own, other = (_described(features) for features in (source, target))
    spread = own.std(dim=0).clamp(min=_LEAST_SPREAD)
    return float(((own.mean(dim=0) - other.mean(dim=0)) / spread).square().mean().sqrt())


def _described(features: Tensor) -> Tensor:
    flat = features.float().flatten(2)
    return torch.cat([flat.mean(dim=2), flat.std(dim=2)], dim=1)


class SmallestGap(Callback):
    """Keeps the weights with the smallest gap, those of the source included, and ends the adaptation.

    No label is needed: the gap is that of the features of images of both data sets.

    Args:
        source: Source images, float32 ``(C, *S)``, 2 or more.
        target: Target images.
        folder: Folder for ``best.ckpt``.
        patience: Looks in a row without a smaller gap after which the adaptation ends.
    """

    def __init__(
        self, source: Sequence[Tensor], target: Sequence[Tensor], folder: Path, *, patience: int
    ) -> None:
        self.source = list(source)
        self.target = list(target)
        self.folder = folder
        self.patience = patience
        self.gaps: list[float] = []
        self.best = 0

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Measure the gap of the network that was trained on the source."""
        self._look(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Measure the gap again."""
        self._look(trainer, pl_module)

    def measured(self, module: AdversarialAdaptation) -> float:
        """Return the gap as it is now."""
        return domain_gap(
            self._features(module, module.source, self.source),
            self._features(module, module.network, self.target),
        )

    def _look(self, trainer: Trainer, module: AdversarialAdaptation) -> None:
        gap = self.measured(module)
        self.gaps.append(gap)
        right, module.right = module.right, []
        share = "" if not right else f", discriminator right in {sum(right) / len(right):.2f}"
        logger.info("step %d: gap %.3f%s", trainer.fit_loop.total_batch_idx + 1, gap, share)
        if len(self.gaps) == 1 or gap < self.gaps[self.best]:
            self.best = len(self.gaps) - 1
            trainer.save_checkpoint(self.folder / BEST)
        trainer.should_stop = len(self.gaps) - 1 - self.best >= self.patience

    @staticmethod
    def _features(module: AdversarialAdaptation, network: nn.Module, images: Sequence[Tensor]) -> Tensor:
        network.eval()
        with torch.no_grad():
            found = [module.features(network, image[None].to(module.device)) for image in images]
        return torch.cat(found).cpu()
