# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""What happens at the beginning and end of steps and epochs of a training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from scripts.core.files import atomic_path
from scripts.core.training.optimisers import rate_factor

logger = logging.getLogger(__name__)


class EpochSampler(Protocol):
    """A sampler that yields other samples in every epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""


class RateSchedule:
    """Sets the learning rate before every step, from the share of the training that is done.

    ``plateau`` holds the rate.

    Args:
        optimizer: The optimiser.
        lr: Peak learning rate.
        schedule: poly, cosine, one_cycle, plateau or constant.
        warmup: Share of the training with a rising rate.
    """

    def __init__(self, optimizer: Optimizer, lr: float, schedule: str, warmup: float) -> None:
        self.optimizer, self.lr, self.schedule, self.warmup = optimizer, lr, schedule, warmup

    def attach(self, engine: Any) -> None:
        """Register with a trainer."""
        from ignite.engine import Events

        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Set the rate."""
        state = engine.state
        progress = (state.iteration - 1) / (state.max_epochs * state.epoch_length)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * rate_factor(self.schedule, progress, self.warmup)


class SamplerEpochs:
    """Tells a sampler the epoch, so that every epoch has samples of its own."""

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    def attach(self, engine: Any) -> None:
        """Register with a trainer."""
        from ignite.engine import Events

        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Set the epoch."""
        self.sampler.set_epoch(engine.state.epoch - 1)


class GradientClipping:
    """Limits the norm of the gradient.

    Args:
        network: What is trained.
        max_norm: Largest norm; None: no limit.
    """

    def __init__(self, network: nn.Module, max_norm: float | None) -> None:
        self.network, self.max_norm = network, max_norm

    def attach(self, engine: Any) -> None:
        """Register with a trainer."""
        from monai.engines.utils import IterationEvents

        if self.max_norm:
            engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Clip the gradient, at its true scale."""
        assert self.max_norm is not None
        if engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)


class BestWeights:
    """Validates before the training and after its epochs; keeps weights that are as good as any before.

    What was there before the training stays unless the training does as well. Without validation
    cases the last weights are kept. Exports of the network beside the file are not made anew.

    Args:
        network: What is trained.
        evaluator: Validates; its key metric is compared.
        path: File that inference reads, ``{"model": state_dict}``.
        interval: Epochs between validations; the last epoch always validates.
    """

    def __init__(self, network: nn.Module, evaluator: Any, path: str, interval: int) -> None:
        self.network, self.evaluator, self.path, self.interval = network, evaluator, path, interval
        self.best: float | None = None

    def attach(self, engine: Any) -> None:
        """Register with a trainer."""
        from ignite.engine import Events

        engine.add_event_handler(Events.STARTED, self.begin)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.after_epoch)

    @property
    def can_validate(self) -> bool:
        """Whether there is a case to validate with."""
        return len(self.evaluator.data_loader) > 0

    def begin(self, engine: Any) -> None:
        """Score the weights that the training begins with."""
        self.best = self._score(engine) if self.can_validate else None
        logger.info("validation before the training: %s", "no case" if self.best is None else self.best)

    def after_epoch(self, engine: Any) -> None:
        """Validate and keep."""
        epoch, last = engine.state.epoch, engine.state.epoch == engine.state.max_epochs
        if not self.can_validate:
            if last:
                self._keep(engine)
            return
        if last or epoch % self.interval == 0:
            score = self._score(engine)
            logger.info("validation after epoch %d: Dice %.4f, best so far %.4f", epoch, score, self.best)
            if self.best is None or score >= self.best:
                self.best = score
                self._keep(engine)

    def _score(self, engine: Any) -> float:
        self.evaluator.run(engine.state.epoch + 1)
        return float(self.evaluator.state.metrics[self.evaluator.state.key_metric_name])

    def _keep(self, engine: Any) -> None:
        if engine.state.rank != 0:
            return
        state = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        with atomic_path(self.path) as temporary:
            torch.save({"model": state}, temporary)
        logger.info("the weights after epoch %d are now in %s", engine.state.epoch, self.path)
        for other in sorted(Path(self.path).parent.glob("*")):
            if other.suffix in (".ts", ".onnx"):
                logger.warning("%s still holds the weights from before the training", other)
