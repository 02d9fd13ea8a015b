"""Adversarial domain adaptation (ADDA, Tzeng et al. 2017) of a segmentation network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from brats3d.models.encoder_parts import freeze

logger = logging.getLogger(__name__)

SMOOTHING = 0.1
"""Distance of the discriminator's targets from 0 and 1, which keeps it from being certain."""
_MOMENTA = (0.5, 0.99)
_LARGEST_GRADIENT = 1.0

Features = Callable[[nn.Module, Tensor], Tensor]


class AdversarialAdaptation(pl.LightningModule):
    """Trains the encoder of a copy so that its features of target images pass for those of source images.

    The network that was trained on the source stays as it is and gives the features of source images. The
    copy's decoder stays as it is, too. Both compute as in inference: without dropout, and with the source's
    statistics where they have batch norm. No label of either data set is used.

    Args:
        source: Network that was trained on the source.
        network: Copy of it that is adapted.
        encoder: The parts of ``network`` that learn.
        discriminator: From features to logits, positive for the source.
        features: From a network and images ``(B, C, *S)`` to the features that are compared.
        rate: Learning rate of the encoder.
        discriminator_rate: Learning rate of the discriminator.
    """

    def __init__(
        self,
        source: nn.Module,
        network: nn.Module,
        encoder: Sequence[nn.Module],
        discriminator: nn.Module,
        features: Features,
        *,
        rate: float,
        discriminator_rate: float,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        freeze([source, network])
        for part in encoder:
            part.requires_grad_(True)
        self.source = source
        self.network = network
        self.discriminator = discriminator
        self.features = features
        self.rate = rate
        self.discriminator_rate = discriminator_rate
        self.right: list[float] = []

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Make one optimiser for the discriminator and one for the encoder."""
        moving = [weight for weight in self.network.parameters() if weight.requires_grad]
        return [
            torch.optim.Adam(self.discriminator.parameters(), self.discriminator_rate, betas=_MOMENTA),
            torch.optim.Adam(moving, self.rate, betas=_MOMENTA),
        ]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Teach the discriminator, then the encoder; images float32 ``(B, C, *S)`` of both data sets."""
        self.source.eval()
        self.network.eval()
        of_discriminator, of_encoder = self.optimizers()
        features = self.features(self.network, batch["target"])
        with torch.no_grad():
            wanted = self.features(self.source, batch["source"])
        loss = self._teach_discriminator(of_discriminator, wanted, features.detach())
        self.discriminator.requires_grad_(False)
        deception = _towards(self.discriminator(features), 1 - SMOOTHING)
        of_encoder.zero_grad()
        self.manual_backward(deception)
        self.clip_gradients(of_encoder, _LARGEST_GRADIENT, "norm")
        of_encoder.step()
        self.discriminator.requires_grad_(True)
        self.log_dict({"train/discriminator_loss": loss, "train/adversarial_loss": deception.detach()})

    def _teach_discriminator(self, optimiser: Any, source: Tensor, target: Tensor) -> Tensor:
        """Make one step; returns the loss before it."""
        of_source, of_target = self.discriminator(source), self.discriminator(target)
        loss = (_towards(of_source, 1 - SMOOTHING) + _towards(of_target, SMOOTHING)) / 2
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()
        with torch.no_grad():
            self.right.append(float(((of_source > 0).float().mean() + (of_target < 0).float().mean()) / 2))
        return loss.detach()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the adapted network alone."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: state[name] for name in state if name.startswith("network.")}
        checkpoint["optimizer_states"] = []


def _towards(logits: Tensor, target: float) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
