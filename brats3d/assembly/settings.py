"""Numbers that Lightning and torch would reject too late, or take and then misbehave."""

from __future__ import annotations

from collections.abc import Iterator

from brats3d.config import FitConfig
from brats3d.errors import ConfigError

_Check = tuple[str, object, bool, str]


def check_settings(config: FitConfig) -> None:
    """Check the numbers of a training that no component checks when it is built.

    Raises:
        ConfigError: A number that cannot work; the message names its key.
    """
    for where, got, works, expected in _checks(config):
        if not works:
            raise ConfigError("a setting that cannot work", where=where, got=got, expected=expected)


def _checks(config: FitConfig) -> Iterator[_Check]:
    patch, optim, trainer, workers = config.patch, config.optim, config.trainer, config.data.workers
    dims, decay, clip = config.model.spatial_dims, optim.ema_decay, trainer.gradient_clip_val
    minutes = trainer.max_minutes

    yield "model.spatial_dims", dims, dims in (2, 3), "2 or 3"
    yield "data.workers", workers, workers is None or workers >= 0, "0 or more, or null"

    yield "patch.batch_size", patch.batch_size, patch.batch_size >= 1, "1 or more"
    fills_a_batch = patch.per_epoch >= patch.batch_size
    yield "patch.per_epoch", patch.per_epoch, fills_a_batch, f"patch.batch_size ({patch.batch_size}) or more"
    yield "patch.foreground", patch.foreground, 0 <= patch.foreground <= 1, "a share from 0 to 1"
    yield "patch.empty", patch.empty, 0 <= patch.empty <= 1, "a share from 0 to 1"

    yield "optim.lr", optim.lr, 0 < optim.lr < float("inf"), "a positive number"
    yield "optim.weight_decay", optim.weight_decay, optim.weight_decay >= 0, "0 or more"
    yield "optim.momentum", optim.momentum, 0 <= optim.momentum < 1, "at least 0 and below 1"
    yield "optim.warmup", optim.warmup, 0 <= optim.warmup < 1, "a share of the training, below 1"
    yield "optim.plateau_patience", optim.plateau_patience, optim.plateau_patience >= 1, "1 or more"
    factor = optim.plateau_factor
    yield "optim.plateau_factor", factor, 0 < factor <= 1, "above 0, at most 1"
    yield "optim.ema_decay", decay, decay is None or 0 <= decay < 1, "at least 0 and below 1, or null"

    yield "trainer.max_epochs", trainer.max_epochs, trainer.max_epochs >= 1, "1 or more"
    yield "trainer.max_minutes", minutes, minutes is None or minutes > 0, "more than 0, or null"
    yield "trainer.gradient_clip_val", clip, clip is None or clip >= 0, "0 or more, or null"
    for key in ("accumulate_grad_batches", "check_val_every_n_epoch", "log_every_n_steps", "num_nodes"):
        number = getattr(trainer, key)
        yield f"trainer.{key}", number, number >= 1, "1 or more"
    minutes = trainer.checkpoint_every_n_minutes
    yield "trainer.checkpoint_every_n_minutes", minutes, minutes >= 0, "0 or more"
