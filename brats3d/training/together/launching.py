"""Lightning's start of the processes of one machine, under our watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning_fabric.utilities.distributed import _set_num_threads_if_needed
from pytorch_lightning import Trainer
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher


class WatchedLauncher(_SubprocessScriptLauncher):
    """Starts processes as Lightning does; when one of them fails, our watch ends the others.

    Lightning's own observer would kill all with SIGKILL, without a word.

    Args:
        launcher: What Lightning would have used.
        meet: Called before processes are started.
        begin: Called in each process, when all that this one starts are started.
    """

    def __init__(
        self,
        launcher: _SubprocessScriptLauncher,
        meet: Callable[[_SubprocessScriptLauncher], None],
        begin: Callable[[_SubprocessScriptLauncher], None],
    ) -> None:
        super().__init__(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
        self._meet = meet
        self._begin = begin

    def launch(
        self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any
    ) -> Any:
        """Start the other processes of this machine, and go on with ``function`` once all may begin."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        self._meet(self)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
        self._begin(self)
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)


def watch_launch(
    trainer: Trainer,
    meet: Callable[[_SubprocessScriptLauncher], None],
    begin: Callable[[_SubprocessScriptLauncher], None],
) -> None:
    """Have a trainer of several processes call these when it starts; one that forks them is left alone."""
    strategy: Any = trainer.strategy
    launcher = strategy.launcher
    if launcher is None:  # some strategies have none where something else has started the processes
        launcher = _SubprocessScriptLauncher(
            strategy.cluster_environment, strategy.num_processes, strategy.num_nodes
        )
    if isinstance(launcher, _SubprocessScriptLauncher):
        strategy._launcher = WatchedLauncher(launcher, meet, begin)
