"""``brats3d fit`` with a fault on one of its processes, which the variable FAULT names: ``what:rank``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def own_rank() -> int:
    names = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    return int(next((os.environ[name] for name in names if name in os.environ), 0))


def note_process() -> None:
    """Tell the test which process has which rank."""
    Path(os.environ["PLACES"], f"{own_rank()}-{os.getpid()}").touch()


def break_batches() -> None:
    from brats3d.training.seeding import BatchSeeds

    begin = BatchSeeds.on_train_batch_start

    def fail(self: Any, trainer: Any, *rest: Any) -> Any:
        if trainer.global_step == 6:
            raise ZeroDivisionError("a defect")
        return begin(self, trainer, *rest)

    BatchSeeds.on_train_batch_start = fail  # type: ignore[method-assign]


def hang_in_batches() -> None:
    """Wait as in a collective that never comes back, which no exception reaches."""
    import ctypes

    from brats3d.training.seeding import BatchSeeds

    def wait(self: Any, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == 6:
            ctypes.CDLL(None).sleep(600)

    BatchSeeds.on_train_batch_start = wait  # type: ignore[method-assign]


def change_version() -> None:
    from brats3d.training.together import start_checks

    start_checks.__version__ = "0.0.1"  # type: ignore[attr-defined]


def change_folder() -> None:
    from brats3d.training.together import start_checks

    start_checks._sees = lambda folder, token: False
    start_checks.check_same_folder.__defaults__ = (1.0,)


FAULTS = {
    "raise": break_batches,
    "hang": hang_in_batches,
    "version": change_version,
    "folder": change_folder,
}

if __name__ == "__main__":
    note_process()
    fault, _, rank = os.environ.get("FAULT", "").partition(":")
    if fault in FAULTS and own_rank() == int(rank):
        FAULTS[fault]()
    words = sys.argv[1:]
    if fault == "option" and own_rank() == int(rank):
        words += os.environ["OPTION"].split()
    from brats3d.fit import main

    raise SystemExit(main(words))
