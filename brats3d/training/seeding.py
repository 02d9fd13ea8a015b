"""Random generators that a resumed run finds in the same state as an uninterrupted one."""

from __future__ import annotations

import random

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer


class EpochSeeds(Callback):
    """Seeds Python's, NumPy's and torch's generators anew for every epoch.

    The seed is a function of run seed, epoch and rank, so what is drawn (dropout) in an epoch does
    not depend on how the run got there. Samples have seeds of their own.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Seed at the first batch of an epoch."""
        if batch_idx == 0:
            sequence = np.random.SeedSequence([self.seed, trainer.current_epoch, trainer.global_rank])
            drawn = int(sequence.generate_state(1)[0])
            random.seed(drawn)
            np.random.seed(drawn)  # noqa: NPY002 - libraries draw from the global generator
            torch.manual_seed(drawn)
