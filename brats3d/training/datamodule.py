"""The LightningDataModule: patches for training, whole prepared cases for validation."""

from __future__ import annotations

import atexit
import functools
import multiprocessing
import signal
import weakref
from collections.abc import Sequence
from typing import Any, cast

import pytorch_lightning as pl
from torch.utils.data import DataLoader, Dataset

from brats3d.data.datasets import CaseDataset, RunningSampler, Sample
from brats3d.data.store import StoredCase
from brats3d.errors import ConfigError
from brats3d.training.interruption import leave_interruptions_to_the_training
from brats3d.training.prefetch import Prefetcher
from brats3d.transforms.batch_augmentation.batch import BatchAugmentation
from brats3d.transforms.batch_augmentation.deferring import collate_deferred


class PatchDataModule(pl.LightningDataModule):
    """Serves prepared cases.

    Args:
        training: Dataset that makes the sample of a running number.
        validation: Prepared cases to validate on; may be empty.
        batch_size: Samples per batch and process.
        samples_per_epoch: Samples per epoch over all processes.
        workers: Processes that make samples; 0 makes them in the training process.
        pinned: Whether batches are made in memory that a GPU can copy from by itself.
        batch_augmentation: Changes batches on the training device, if samples come with seeds for it.
    """

    def __init__(
        self,
        training: Dataset[Sample],
        validation: Sequence[StoredCase],
        *,
        batch_size: int,
        samples_per_epoch: int,
        workers: int,
        pinned: bool = False,
        batch_augmentation: BatchAugmentation | None = None,
    ) -> None:
        super().__init__()
        self.training = training
        self.validation = list(validation)
        self.batch_size = batch_size
        self.samples_per_epoch = samples_per_epoch
        self.workers = workers
        self.pinned = pinned
        self.batch_augmentation = batch_augmentation

    def train_dataloader(self) -> Prefetcher:
        """Batches: image float32 ``(B, C, *S)``, classes uint8 ``(B, 1, *S)``.

        Raises:
            ConfigError: Fewer samples in an epoch than one batch on each process.
        """
        assert self.trainer is not None
        needed = self.batch_size * self.trainer.world_size
        if self.samples_per_epoch < needed:
            raise ConfigError(
                "an epoch is shorter than one batch on each process",
                where="patch.per_epoch",
                got=self.samples_per_epoch,
                expected=f"{needed} or more ({self.trainer.world_size} x patch.batch_size)",
            )
        sampler = RunningSampler(
            self.samples_per_epoch, rank=self.trainer.global_rank, ranks=self.trainer.world_size
        )
        loader = DataLoader(
            self.training,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=self.pinned,
            drop_last=True,
            collate_fn=None if self.batch_augmentation is None else collate_deferred,
            worker_init_fn=_begin_worker,
        )
        _leave_no_worker()  # registered first, so that it comes last
        atexit.register(_end_workers, weakref.ref(loader))
        return Prefetcher(loader, self.trainer.strategy.root_device)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment a training batch that has arrived on the device, if that is left to be done."""
        if self.batch_augmentation is None or batch is None or isinstance(batch, StoredCase):
            return batch
        image, classes = self.batch_augmentation(batch["image"], batch["classes"], batch["seeds"])
        return {"image": image, "classes": classes}

    def val_dataloader(self) -> DataLoader[StoredCase] | list[Any]:
        """Whole cases, shared out over the processes, each case to one; None fills the others up.

        DDP takes the buffers of the network from the first process at every step, so all processes
        must take equally many.
        """
        assert self.trainer is not None
        if not self.validation:
            return []  # Lightning then trains without validating
        rank, ranks = self.trainer.global_rank, self.trainer.world_size
        own: list[StoredCase | None] = list(self.validation[rank::ranks])
        own += [None] * (-(-len(self.validation) // ranks) - len(own))
        places = cast("list[StoredCase]", own)
        return DataLoader(CaseDataset(places), batch_size=None, collate_fn=_as_is)


def _begin_worker(worker: int) -> None:
    """Keep a worker to one thread, more would fight the training for the cores, and deaf to signals."""
    import torch

    torch.set_num_threads(1)
    leave_interruptions_to_the_training()


def _end_workers(loader: weakref.ref[Any]) -> None:
    """End workers with the program: it would terminate them, which they do not hear, and wait."""
    iterator = getattr(loader(), "_iterator", None)
    if iterator is not None:
        iterator._shutdown_workers()


@functools.cache  # once in a program
def _leave_no_worker() -> None:
    atexit.register(_kill_workers)


def _kill_workers() -> None:
    """End what a loader left that was given up in the middle of an epoch."""
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler takes this for a failure
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()


def _as_is(case: Any) -> Any:
    return case
