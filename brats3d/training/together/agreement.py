"""What the processes of a training compare before it begins."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brats3d.errors import RunError
from brats3d.training.together import start_checks
from brats3d.training.together.ranks import Rank
from brats3d.training.together.watch import Watch

_LOOK_EVERY_S = 0.1
_LEADER, _CHECKED = "leader", "checked"


class EndedByOthers(RuntimeError):
    """There is a verdict: another process has failed."""


@dataclass(frozen=True)
class Common:
    """What all processes of a training must have in common.

    Attributes:
        run: Folder of the run.
        settings: Dotted key to value.
        cases: Part of the split to its cases, each named with a hash of its content.
        checkpoint: What the training goes on from, named with a hash of its content, or None.
    """

    run: Path
    settings: Mapping[str, Any]
    cases: Mapping[str, list[str]]
    checkpoint: str | None = None


class Agreement:
    """All processes compare what they have with what the one has that leads.

    Args:
        rank: This process.
        watch: Its watch, whose store they tell it by.
    """

    def __init__(self, rank: Rank, watch: Watch) -> None:
        self._rank = rank
        self._watch = watch

    def reach(self, own: Common) -> None:
        """Compare; returns in no process before all have found the same.

        Raises:
            Brats3dError: This process has something else than the one that leads.
            EndedByOthers: Another process has failed.
        """
        if self._rank.number > 0:
            self._compare(own)
            self._watch.store.add(_CHECKED, 1)
        else:
            self._lead(own)

    def _lead(self, own: Common) -> None:
        store, token = self._watch.store, secrets.token_hex(4)
        self._watch.note = _note(own.run, token)
        sign = own.run / f".{token}.seen"
        sign.touch()
        try:
            facts = {
                "token": token,
                "run": str(own.run),
                "versions": start_checks.versions(),
                "settings": own.settings,
                "cases": own.cases,
                "checkpoint": own.checkpoint,
            }
            store.set(_LEADER, json.dumps(facts, default=str))
            self._wait_until(lambda: store.add(_CHECKED, 0) == self._rank.count - 1)
        finally:
            sign.unlink(missing_ok=True)

    def _compare(self, own: Common) -> None:
        store, rank = self._watch.store, self._rank
        self._wait_until(lambda: store.check([_LEADER]))
        leading = json.loads(store.get(_LEADER).decode())
        start_checks.check_same_versions(start_checks.versions(), leading["versions"], rank)
        start_checks.check_same_settings(own.settings, leading["settings"], rank)
        start_checks.check_same_cases(own.cases, leading["cases"], rank)
        run = Path(leading["run"])
        start_checks.check_same_folder(run, f".{leading['token']}.seen", rank)
        if own.checkpoint != leading["checkpoint"]:
            raise RunError(
                "the processes of the training would go on from different checkpoints",
                where=rank,
                got=own.checkpoint,
                expected=f"{leading['checkpoint']}, as rank 0 has",
                remedy="put the runs on a file system that all machines share, and start again",
            )
        self._watch.note = _note(run, leading["token"])
        self._watch.leader = store.get("place/0").decode()

    def _wait_until(self, done: Callable[[], bool]) -> None:
        while not done():
            if self._watch.verdict is not None:
                raise EndedByOthers
            time.sleep(_LOOK_EVERY_S)


def _note(run: Path, token: str) -> Path:
    """File that the survivors agree with where the store went away with the leader."""
    return run / "logs" / f"ended-{token}.txt"
