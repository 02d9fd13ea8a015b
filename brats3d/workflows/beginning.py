"""How a training begins: anew, from the weights of a run, or where a run left off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from brats3d import assembly
from brats3d.config import FitConfig, check_resumed, extended
from brats3d.errors import ConfigError
from brats3d.workflows import finetuning
from brats3d.workflows.runs import RunFolder


@dataclass(frozen=True)
class Beginning:
    """What a training is to be.

    Attributes:
        given: What the user wrote.
        config: Configuration of the run.
        run: Its folder; nothing is written there yet.
        resumed: The same if it is resumed, else None.
        checkpoint: What a resumed run goes on from.
        initial: Run whose weights a new run starts from, if any.
    """

    given: FitConfig
    config: FitConfig
    run: RunFolder
    resumed: RunFolder | None
    checkpoint: Path | None
    initial: RunFolder | None


def begin(given: FitConfig, *, follows: bool) -> Beginning:
    """Resolve the configuration of a training, and open or name its run.

    Args:
        given: What the user wrote.
        follows: Whether another process leads the training, whose run this one joins.

    Raises:
        ConfigError: Settings that cannot work, or not for a run that is resumed.
        RunError: A run that cannot be resumed or started from.
        OutputError: The run exists already, or its folder cannot be written to.
    """
    config, resumed, by_name = given, None, given.resume == "auto"
    if by_name:
        config = replace(config, resume=RunFolder.continued(config))
    if config.resume is not None:
        resumed = RunFolder.open(config.resume, folder=config.folder)
        check_resumed(config, resumed.config())
        config, added = resumed.config(), config.extend
        config = config if added is None else extended(config, added)
    elif config.extend is not None:
        raise ConfigError("only a run can be extended", where="extend", remedy="name it with --resume RUN")
    initial = None
    if resumed is None:
        initial, config = finetuning.opened(config)
    assembly.check_settings(config)
    run = resumed or (RunFolder.joined(config) if follows else RunFolder.new(config, anew=by_name))
    return Beginning(given, config, run, resumed, resumed.resumable() if resumed else None, initial)
