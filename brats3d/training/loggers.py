"""Loggers besides those that every run has, by name: MLflow and Weights & Biases.

What they log stays in the folder of the run and nothing is sent anywhere, unless environment variables of
the user say otherwise (``MLFLOW_TRACKING_URI``, ``WANDB_MODE``).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger

from brats3d.errors import MissingExtraError
from brats3d.registry import look_up

_PROJECT = "brats3d"


def _mlflow(run: Path) -> Logger:
    from pytorch_lightning.loggers import MLFlowLogger

    place = os.environ.get("MLFLOW_TRACKING_URI")
    if not place:
        place = (run / "logs" / "mlflow").absolute().as_uri()
        # MLflow 3 refuses to log to plain files unless it is told that they are wanted.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return MLFlowLogger(experiment_name=_PROJECT, run_name=run.name, tracking_uri=place)


def _wandb(run: Path) -> Logger:
    from pytorch_lightning.loggers import WandbLogger

    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    folder = run / "logs"
    folder.mkdir(parents=True, exist_ok=True)  # wandb takes the temporary folder for one that is missing
    # Lightning would set the mode again where the user has set one.
    return WandbLogger(
        name=run.name, save_dir=folder, project=_PROJECT, offline="WANDB_MODE" not in os.environ
    )


@dataclass(frozen=True)
class LoggerKind:
    """A logger of an optional package.

    Attributes:
        package: What has to be installed; the extra of that name installs it.
        build: Makes the logger of a run, given its folder; may write there.
    """

    package: str
    build: Callable[[Path], Logger]


LOGGERS: Mapping[str, LoggerKind] = MappingProxyType(
    {
        "mlflow": LoggerKind("mlflow", _mlflow),
        "wandb": LoggerKind("wandb", _wandb),
    }
)


class FurtherLoggers(Callback):
    """Adds loggers to a training when it begins, and gives them its settings.

    They are made then and not before, because they write; and by the leading process alone.

    Args:
        names: Keys of :data:`LOGGERS`.
        run: Folder of the run.
        settings: Configuration of the run as plain nested values.

    Raises:
        ConfigError: An unknown name.
        MissingExtraError: A package is not installed.
    """

    def __init__(self, names: Sequence[str], run: Path, settings: Mapping[str, Any]) -> None:
        self.kinds = [look_up(LOGGERS, name, "trainer.loggers") for name in dict.fromkeys(names)]
        for kind in self.kinds:
            _check_installed(kind)
        self.run = run
        self.settings = flattened(settings)
        self.loggers: list[Logger] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the loggers and log the settings."""
        if stage != "fit" or not trainer.is_global_zero:
            return
        self.loggers = [kind.build(self.run) for kind in self.kinds]
        trainer.loggers = [*trainer.loggers, *self.loggers]
        for logger in self.loggers:
            logger.log_hyperparams(self.settings)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Finish what would otherwise go on into the next training of this process."""
        self._finish(0)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Finish as failed."""
        self._finish(1)

    def _finish(self, exit_code: int) -> None:
        for logger in self.loggers:
            finish = getattr(getattr(logger, "experiment", None), "finish", None)
            if finish is not None:
                finish(exit_code=exit_code)
        self.loggers = []


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested keys by dots, as on the command line."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        flat |= flattened(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _check_installed(kind: LoggerKind) -> None:
    if importlib.util.find_spec(kind.package) is None:
        raise MissingExtraError(
            f"logging to {kind.package} needs a package that is not installed",
            where="trainer.loggers",
            expected=f"the package {kind.package}",
            remedy=f"pip install brats3d[{kind.package}], or take it out of trainer.loggers",
        )
