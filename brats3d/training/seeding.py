"""Random generators that a resumed run finds in the same state as an uninterrupted one."""

from __future__ import annotations

import random

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer


class BatchSeeds(Callback):
    """Seeds Python's, NumPy's and torch's generators anew for every batch.

    The seed is a function of run seed, epoch, batch and rank, so what is drawn (dropout) does not depend
    on how the run got there, and no state of a generator needs to be kept. Samples have seeds of their own.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Seed for this batch."""
        place = [self.seed, trainer.current_epoch, trainer.global_rank, batch_idx]
        drawn = int(np.random.SeedSequence(place).generate_state(1)[0])
        random.seed(drawn)
        np.random.seed(drawn)  # noqa: NPY002 - libraries draw from the global generator
        torch.manual_seed(drawn)
