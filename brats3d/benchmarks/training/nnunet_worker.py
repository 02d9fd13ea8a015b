"""A process that makes one training step with nnU-Net's own trainer whenever it is told to.

Run by path, as ``python nnunet_worker.py nnunet JOB.json``, by the Python that has nnU-Net, which lacks
what brats3d needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brats3d.benchmarks.nnunet.plans import CONFIGURATION, dataset_json, plans
from brats3d.benchmarks.serving import Contender, Ready, serve
from brats3d.benchmarks.training.job import CHANNELS, SEED, Job, facts, load_job, timed_work

_FOLD = 0


def _nnunet(job: Job) -> Ready:
    plan = plans(job.patch, job.batch_size, channels=len(CHANNELS))
    _make_folders(Path(job.folder), plan)

    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.manual_seed(SEED)
    on_gpu = torch.cuda.is_available()
    torch.backends.cudnn.benchmark = on_gpu  # as nnU-Net's command does before it trains
    # Its command adds this to the plans, too; releases before 2.7 do not ask for it.
    plan["continue_training"] = False
    trainer = nnUNetTrainer(
        plan,
        CONFIGURATION,
        _FOLD,
        dataset_json(CHANNELS, job.batch_size),
        torch.device("cuda" if on_gpu else "cpu"),
    )
    trainer.initialize()
    trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
    trainer.network.train()
    batch = _batch(trainer, job)
    work = timed_work(lambda: trainer.train_step(batch)["loss"])
    arithmetic = "float16-mixed" if on_gpu else "float32"
    compiled = hasattr(trainer.network, "_orig_mod")
    return work, lambda found: facts(trainer.network, found, arithmetic, compiled=compiled)


def _make_folders(folder: Path, plan: Mapping[str, Any]) -> None:
    """Tell nnU-Net its folders; the trainer looks there for the kind of data set, not for cases."""
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(folder / name)
    cases = folder / "preprocessed" / plan["dataset_name"]
    cases /= plan["configurations"][CONFIGURATION]["data_identifier"]
    cases.mkdir(parents=True)
    (cases / "none.b2nd").touch()


def _batch(trainer: Any, job: Job) -> dict[str, Any]:
    """A batch as nnU-Net's loader gives it: its own transforms make regions at every resolution."""
    import torch

    image, labels = (torch.from_numpy(array) for array in job.arrays())
    transforms = trainer.get_validation_transforms(
        trainer._get_deep_supervision_scales(), regions=trainer.label_manager.foreground_regions
    )
    # One list for each patch, of its target at every resolution.
    targets = [transforms(image=image[b], segmentation=labels[b])["segmentation"] for b in range(len(image))]
    levels = range(len(targets[0]))
    batch: dict[str, Any] = {
        "data": image,
        "target": [torch.stack([own[level] for own in targets]) for level in levels],
    }
    if torch.cuda.is_available():
        batch["data"] = image.pin_memory()
        batch["target"] = [level.pin_memory() for level in batch["target"]]
    return batch


CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "nnunet": Contender(
            "nnUNetTrainer.train_step: float16 and torch.compile on a GPU, float32 on a CPU; the same "
            "network and biases before normalisations, which these remove, and a fifth output of weight 0",
            ("nnunetv2", "torch", "dynamic-network-architectures"),
            _nnunet,
        )
    }
)


def main(name: str, file: str) -> None:
    """Answer until there is nothing more to read."""
    serve(CONTENDERS[name], lambda: load_job(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
