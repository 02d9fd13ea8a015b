"""Prediction on several GPUs or by several processes: how many, where each runs, and their leader."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from brats3d import assembly
from brats3d.config import PredictConfig, to_yaml
from brats3d.errors import ConfigError
from brats3d.files import write_text
from brats3d.workflows.messages import progress_over
from brats3d.workflows.processes import run_together
from brats3d.workflows.sharing import TORCH_NAMES, launched_share

# A background job of a shell ignores interruptions, and so would what it starts. The end is abrupt because
# a thread that is still reading may keep the interpreter from being taken down.
_PROGRAM = """
import os, signal, sys, traceback
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    from brats3d.predict import main
    code = main()
except KeyboardInterrupt:
    code = 130
except BaseException:
    traceback.print_exc()
    code = 1
sys.stderr.flush()
os._exit(code)
"""


def process_count(config: PredictConfig) -> int:
    """Processes that are to be started: 1 means that this one does the work itself.

    Raises:
        ConfigError: A number that cannot work, or a launcher has started processes already.
    """
    chosen = config.devices
    if not (chosen == "auto" or (isinstance(chosen, int) and chosen >= 1)):
        raise ConfigError(
            "a number of devices that cannot work",
            where="devices",
            got=chosen,
            expected="auto or a whole number from 1",
        )
    share = launched_share()
    if share is not None and share.processes > 1:
        if chosen not in (1, "auto"):
            raise ConfigError(
                "a launcher has started processes already",
                where="devices",
                got=chosen,
                remedy="leave out --devices: the launcher says how many there are",
            )
        return 1
    if isinstance(chosen, int):
        return chosen
    return _gpu_count(config.accelerator) or 1


def _gpu_count(accelerator: str) -> int:
    import torch

    # Any precision but auto, which would have the GPU asked: that takes memory of it.
    return torch.cuda.device_count() if assembly.hardware(accelerator, "32-true").device == "cuda" else 0


@contextmanager
def placed(config: PredictConfig) -> Iterator[PredictConfig]:
    """Settings to load the model with in this process, and the GPU that is its own for the while.

    Of several processes on a machine each takes the GPU of its number, counted round. One that only
    starts others keeps off the GPUs.

    Raises:
        ConfigError: A setting that cannot work.
    """
    import torch

    share, gpus = launched_share(), _gpu_count(config.accelerator)
    if process_count(config) > 1:
        yield replace(config, accelerator="cpu")
    elif share is None or gpus == 0:
        yield config
    else:
        with torch.cuda.device(share.local_rank % gpus):
            yield config


def predict_in_processes(config: PredictConfig, targets: Sequence[Path]) -> None:
    """Have processes predict the cases, each its share; a bar shows what is done.

    Each computes with its part of the threads that this process would use. When one fails the others
    are ended after what they are just writing.

    Args:
        config: What to predict.
        targets: Label maps that will be written, all in the folder of the output.

    Raises:
        Brats3dError: What stopped a process.
    """
    import torch

    count = min(process_count(config), len(targets))
    threads = max(1, torch.get_num_threads() // count)
    with tempfile.TemporaryDirectory(prefix="brats3d-") as folder:
        file = Path(folder) / "predict.yaml"
        write_text(file, to_yaml(replace(config, devices=1)))
        words = [sys.executable, "-c", _PROGRAM, "--config", str(file)]
        environments = [
            {
                **os.environ,
                **dict(zip(TORCH_NAMES, (str(rank), str(count), str(rank)), strict=True)),
                "OMP_NUM_THREADS": str(threads),
            }
            for rank in range(count)
        ]
        with closing(run_together([words] * count, environments)) as moments:
            for _ in progress_over(_Arrivals(targets, moments), "predicting"):
                pass


class _Arrivals:
    """Files, each as soon as it is there anew."""

    def __init__(self, files: Sequence[Path], moments: Iterable[None]) -> None:
        self._files = files
        self._moments = moments
        # A file that replaces another one has another inode.
        self._former = self._present()

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Path]:
        waiting = list(self._files)
        for _ in self._moments:
            arrived = self._arrived(waiting)
            waiting = [path for path in waiting if path not in arrived]
            yield from arrived
        assert self._arrived(waiting) == waiting
        yield from waiting

    def _arrived(self, waiting: Sequence[Path]) -> list[Path]:
        present = self._present()
        return [path for path in waiting if present.get(path.name) not in (None, self._former.get(path.name))]

    def _present(self) -> dict[str, int]:
        folder = self._files[0].parent
        if not folder.is_dir():
            return {}
        with os.scandir(folder) as entries:
            return {entry.name: entry.inode() for entry in entries}
