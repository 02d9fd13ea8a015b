"""A process that makes training patches with nnU-Net, in nnU-Net's own Python.

Run by path, as ``python loading.py nnunet JOB.json``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brats3d.benchmarks.serving import Contender, Ready, serve

_SEED = 0
_FOLD = "all"


@dataclass(frozen=True)
class Job:
    """What patches are made of.

    Attributes:
        folder: Holds ``raw``, a data set as nnU-Net reads it; what nnU-Net writes goes there, too.
        plans: Content of ``nnUNetPlans.json``.
        dataset: Content of ``dataset.json``.
        configuration: Name of the configuration in the plans.
        patches: Patches that are made at a time, a multiple of the plans' batch size.
    """

    folder: str
    plans: dict[str, Any]
    dataset: dict[str, Any]
    configuration: str
    patches: int

    def save(self, file: Path) -> None:
        """Write everything as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Job:
        """Read what :meth:`save` wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


def _nnunet(job: Job) -> Ready:
    preprocessed = _announce_folders(job)
    import numpy as np
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
    cases = _preprocess(job, preprocessed)
    seconds = (time.perf_counter() - started) / cases
    np.random.seed(_SEED)  # noqa: NPY002  what nnU-Net draws from
    torch.manual_seed(_SEED)
    batches = _batches(job)
    size: int = job.plans["configurations"][job.configuration]["batch_size"]

    def work() -> Mapping[str, Any]:
        for _ in range(job.patches // size):
            batch: Mapping[str, Any] = next(batches)
        return batch

    def read(batch: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        channels, *sides = batch["data"].shape[1:]
        return {
            "patch": {"channels": channels, **dict(zip("xyz", sides, strict=True))},
            "targets": {"levels": len(batch["target"])},
            "beforehand": {"seconds_per_case": seconds},
        }

    return work, read


def _announce_folders(job: Job) -> Path:
    """Tell nnU-Net its folders and not to start processes; return that of the preprocessed data set."""
    folder = Path(job.folder)
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(folder / name)
    os.environ["nnUNet_n_proc_DA"] = "0"
    dataset = folder / "preprocessed" / job.plans["dataset_name"]
    dataset.mkdir(parents=True)
    return dataset


def _preprocess(job: Job, folder: Path) -> int:
    """Have nnU-Net preprocess all cases, one after the other; return how many there are."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = PlansManager(job.plans)
    configuration = plans.get_configuration(job.configuration)
    preprocessor = configuration.preprocessor_class(verbose=False)
    target = folder / configuration.data_identifier
    target.mkdir()
    raw = Path(job.folder) / "raw" / job.plans["dataset_name"]
    ending = job.dataset["file_ending"]
    labels = sorted((raw / "labelsTr").glob(f"*{ending}"))
    for label in labels:
        case = label.name.removesuffix(ending)
        images = [str(image) for image in sorted((raw / "imagesTr").glob(f"{case}_????{ending}"))]
        preprocessor.run_case_save(str(target / case), images, str(label), plans, configuration, job.dataset)
    return len(labels)


def _batches(job: Job) -> Any:
    """The training batches of nnU-Net's trainer, made in this process."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    trainer = nnUNetTrainer(
        {**job.plans, "continue_training": False}, job.configuration, _FOLD, job.dataset, torch.device("cpu")
    )
    trainer.batch_size = trainer.configuration_manager.batch_size  # else set along with the network
    training, _ = trainer.get_dataloaders()
    return training


CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "nnunet": Contender(
            "nnU-Net's preprocessed data set, loader, random changes and targets for deep supervision, as "
            "its trainer makes them, in one process",
            ("nnunetv2", "batchgeneratorsv2", "torch", "numpy"),
            _nnunet,
        )
    }
)


def main(name: str, file: str) -> None:
    """Answer until there is nothing more to read."""
    serve(CONTENDERS[name], lambda: Job.read(Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
