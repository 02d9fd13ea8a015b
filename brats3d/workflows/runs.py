"""The folder of a run: its files, and how everything downstream reads them back."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from brats3d import __version__
from brats3d.assembly.hardware import processor_name
from brats3d.config import FitConfig, load_config, save_config
from brats3d.data.splits import Split
from brats3d.errors import ConfigError, DataError, OutputError, RunError, closest_first, output_error
from brats3d.files import make_folder, write_json
from brats3d.labels import LabelConvention, Region

logger = logging.getLogger(__name__)

_VERSIONED = ("torch", "monai", "pytorch-lightning", "numpy", "scipy", "nibabel")
CHECKPOINTS = ("best", "last")
_PREVIOUS = "previous"
_LED_RUN = "BRATS3D_LED_RUN"


@dataclass(frozen=True)
class RunFolder:
    """One run.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def initial(self) -> Path:
        """Weights that a run with `init` started from."""
        return self.checkpoints / "initial.ckpt"

    @property
    def metrics_csv(self) -> Path:
        """Scores per case and region."""
        return self.path / "metrics.csv"

    @property
    def lesions_csv(self) -> Path:
        """Scores per lesion; older runs have none."""
        return self.path / "lesions.csv"

    @property
    def calibration_csv(self) -> Path:
        """Voxels by predicted probability; older runs have none."""
        return self.path / "calibration.csv"

    @property
    def metrics_json(self) -> Path:
        """Summary of the scores."""
        return self.path / "metrics.json"

    @classmethod
    def continued(cls, config: FitConfig) -> str | None:
        """Run that ``resume: auto`` goes on with, or None where it begins one.

        Processes that train together all find the same: there is no checkpoint before they have met.

        Raises:
            ConfigError: The run has no name, or would be extended at each start.
        """
        if config.name is None:
            raise ConfigError(
                "a run that is continued by its name needs one", where="name", remedy="give the run a --name"
            )
        if config.extend is not None:
            raise ConfigError(
                "each start of the job would extend the run",
                where="extend",
                got=config.extend,
                remedy=f"extend it once, with --resume {config.name}",
            )
        run = cls(Path(config.folder) / config.name)
        # A listing, since network file systems remember for a while that a file was not there.
        there = {file.name for file in run.checkpoints.glob("*.ckpt")}
        return str(run.path) if there & {"last.ckpt", f"{_PREVIOUS}.ckpt"} else None

    @classmethod
    def new(cls, config: FitConfig, *, anew: bool = False) -> RunFolder:
        """Choose the folder of a new run; nothing is written.

        Args:
            config: Configuration of the run.
            anew: Remove a run of that name that has no checkpoint: it was killed before.

        Raises:
            OutputError: A run of that name exists, or something else is in its place.
        """
        model = config.model
        name = config.name or f"{model.name}{model.spatial_dims}d-{time.strftime('%Y%m%d-%H%M%S')}"
        run = cls(Path(config.folder) / name)
        if anew and (run.path / "config.yaml").exists() and not run.has_checkpoint():
            run.discard()
        if (run.path / "config.yaml").exists():
            raise run._exists_already()
        # An unfinished run is removed as a whole: it must not share its folder with anything.
        if run.path.exists() and not (run.path.is_dir() and not any(run.path.iterdir())):
            raise OutputError(
                "the folder of the run is not empty",
                where=run.path,
                expected="an empty folder, or none",
                remedy="choose another --name or --folder, or remove what is there",
            )
        return run

    @classmethod
    def joined(cls, config: FitConfig) -> RunFolder:
        """The run of a training that another process leads, see :meth:`invite`.

        Raises:
            ConfigError: The processes were started together, and nothing tells the name of their run.
        """
        if config.name is None and _LED_RUN not in os.environ:
            raise ConfigError(
                "processes that are started together need the name of their run",
                where="name",
                remedy="give the run a --name",
            )
        return cls(Path(os.environ.get(_LED_RUN) or Path(config.folder) / str(config.name)))

    def invite(self) -> None:
        """Tell the processes that this one will start which run to join, until :func:`invite_no_more`."""
        os.environ[_LED_RUN] = str(self.path)

    def _exists_already(self) -> OutputError:
        return OutputError(
            "a run of that name exists already",
            where=self.path,
            remedy=f"choose another --name, or continue it with --resume {self.path}",
        )

    def begin(self, config: FitConfig, *, split: Split, layout: str, convention: LabelConvention) -> None:
        """Make the folder and write what the run starts from; on failure the folder is removed.

        Raises:
            OutputError: The folder cannot be written to, or another process has just begun this run.
        """
        make_folder(self.path.parent)
        try:
            self.path.mkdir(exist_ok=self.path.is_dir())
        except FileExistsError:
            raise self._exists_already() from None
        except OSError as error:
            raise output_error(self.path, error) from error
        labels = {
            "layout": layout,
            "convention": convention.name,
            "values": {str(value): tissue for value, tissue in convention.tissues.items()},
            "regions": {region.name: sorted(region.tissues) for region in convention.regions},
        }
        try:
            make_folder(self.checkpoints)
            write_json(self.path / "split.json", split.to_dict())
            write_json(self.path / "labels.json", labels)
            write_json(self.path / "environment.json", environment(config.seed))
            # Last, since a folder with config.yaml counts as a run.
            save_config(config, self.path / "config.yaml")
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove a run that cannot be resumed, so that its name is free again."""
        shutil.rmtree(self.path, ignore_errors=True)

    def discard_unless_resumable(self) -> None:
        """Remove a run that has come to nothing."""
        if not self.has_checkpoint():
            self.discard()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, folder: str = "runs") -> RunFolder:
        """Open an existing run.

        Args:
            path: Its folder, its name in ``folder``, or ``last`` for the newest one there.
            folder: Folder that holds the runs.

        Raises:
            RunError: There is no such run; the closest name is suggested.
        """
        parent = Path(folder)
        if str(path) == "last":
            runs = sorted(parent.glob("*/config.yaml"), key=lambda file: file.stat().st_mtime)
            if runs:
                return cls(runs[-1].parent)
        for candidate in (Path(path), parent / path):
            if (candidate / "config.yaml").is_file():
                return cls(candidate)
        names = closest_first(Path(path).name, [file.parent.name for file in parent.glob("*/config.yaml")])
        raise RunError(
            "not a run",
            where=path,
            expected="a folder with config.yaml, written by brats3d.fit"
            + (f"; in {parent} there are: {', '.join(names[:8])}" if names else ""),
            remedy=f"did you mean {parent / names[0]}?" if names else "train one with `brats3d fit`",
        )

    def config(self) -> FitConfig:
        """Resolved configuration.

        Raises:
            ConfigError: It cannot be read.
        """
        return load_config(self.path / "config.yaml")

    def split(self) -> Split:
        """Case ids of training, validation and test.

        Raises:
            RunError: The file is missing or torn.
        """
        try:
            return Split.from_dict(self._json("split.json"))
        except (DataError, TypeError) as error:
            raise _incomplete(self.path / "split.json", error) from error

    def convention(self) -> LabelConvention:
        """Label convention and regions the run was trained with.

        Raises:
            RunError: The file is missing or torn.
        """
        record = self._json("labels.json")
        try:
            regions = tuple(Region(name, frozenset(members)) for name, members in record["regions"].items())
            tissues = {int(value): tissue for value, tissue in record["values"].items()}
            return LabelConvention(record["convention"], tissues, regions)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise _incomplete(self.path / "labels.json", error) from error

    def has_checkpoint(self) -> bool:
        """Whether the run can be resumed or predicted with."""
        return any((self.checkpoints / f"{name}.ckpt").is_file() for name in (*CHECKPOINTS, _PREVIOUS))

    def resumable(self) -> Path:
        """Path of the newest checkpoint that is whole.

        Raises:
            RunError: There is none.
        """
        from brats3d.training.checkpoints import read_checkpoint

        problem: RunError | None = None
        for path in (self.checkpoints / f"{name}.ckpt" for name in ("last", _PREVIOUS)):
            if not path.is_file():
                continue
            try:
                read_checkpoint(path)
            except RunError as error:
                logger.warning("%s cannot be read (%s); trying the one before it", path, error.got)
                problem = error
            else:
                return path
        if problem is not None:
            raise problem
        return self.checkpoint("last")

    def checkpoint(self, kind: str = "best") -> Path:
        """Path of a checkpoint; without a validated one, ``best`` is the last.

        Raises:
            RunError: Unknown kind, or the run has no checkpoint yet.
        """
        if kind not in CHECKPOINTS:
            raise RunError(f"unknown checkpoint {kind!r}", where=self.path, expected="best or last")
        for name in dict.fromkeys((kind, "last")):
            path = self.checkpoints / f"{name}.ckpt"
            if path.is_file():
                return path
        raise RunError(
            "the run has no checkpoint yet",
            where=self.checkpoints,
            remedy="let the training reach its first checkpoint, or start it again under another name",
        )

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _incomplete(path, error) from error
        if not isinstance(content, dict):
            raise _incomplete(path, TypeError())
        return content


def _incomplete(path: Path, error: Exception) -> RunError:
    return RunError(
        "the run is incomplete",
        where=path,
        got=type(error).__name__,
        expected="the file as it was written when the run began",
        remedy="copy the whole run folder again, or train it again",
    )


def environment(seed: int) -> dict[str, Any]:
    """Versions, hardware and seed, for the record of a run."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "brats3d": __version__,
        "python": sys.version.split()[0],
        "packages": {name: metadata.version(name) for name in _VERSIONED},
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "gpus": gpus,
        "seed": seed,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def invite_no_more() -> None:
    """Have processes that are started from now on have nothing to do with a run of before."""
    os.environ.pop(_LED_RUN, None)
