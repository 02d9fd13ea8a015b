"""A process that makes one training step, with one contender, whenever it is told to.

Run by path, as ``python worker.py CONTENDER JOB.json``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from brats3d.benchmarks.nnunet.plans import FILTERS, REGIONS
from brats3d.benchmarks.serving import Contender, Ready, Scores, serve
from brats3d.benchmarks.training.job import CHANNELS, SEED, Job, facts, load_job, timed_work
from brats3d.benchmarks.training.stepwise import Repeated, Stepwise

if TYPE_CHECKING:
    from brats3d.config import FitConfig

RECIPE = "dynunet3d.yaml"
# The label values of nnU-Net's BraTS conversion are those of this convention.
_CONVENTION = "msd-task01"


def recipe(patch: tuple[int, ...], batch_size: int, **trainer: Any) -> FitConfig:
    """The shipped recipe of nnU-Net's training.

    Args:
        patch: Voxels of a patch along each axis.
        batch_size: Patches per step.
        trainer: Settings of the trainer that differ, such as ``precision``.
    """
    from brats3d.config import load_config

    config = load_config(RECIPE, patch__size=patch, patch__batch_size=batch_size)
    return replace(config, seed=SEED, trainer=replace(config.trainer, **trainer))


def _brats3d(job: Job, **trainer: Any) -> Ready:
    import pytorch_lightning as pl
    import torch

    from brats3d import assembly
    from brats3d.labels import convention_named
    from brats3d.training.prefetch import Prefetcher

    config, convention = recipe(job.patch, job.batch_size, **trainer), convention_named(_CONVENTION)
    pl.seed_everything(config.seed, verbose=False)
    machine = assembly.hardware(config.trainer.accelerator, config.trainer.precision)
    clock = assembly.build_clock(config, time.monotonic())
    module = assembly.build_module(config, convention, machine, clock)
    losses: list[Any] = []

    class Losses(pl.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
            losses[:] = [outputs["loss"]]

    loop = assembly.build_trainer(config, machine, clock, Path(job.folder))
    loop.callbacks.append(Losses())
    image, labels = job.arrays()
    classes = convention.to_classes(labels)
    batch = {"image": _pinned(torch.from_numpy(image)), "classes": _pinned(torch.from_numpy(classes))}
    steps = Stepwise(Prefetcher(Repeated(batch), loop.strategy.root_device))
    steps.start(lambda loader: loop.fit(module, train_dataloaders=loader))
    work = timed_work(_step(steps, lambda: losses[0]))

    def read(loss: float) -> Scores:
        # Whatever was asked for: where compiling fails, the module trains with the network itself.
        compiled = module._training_forward != module.network.__call__
        return facts(module.network, loss, machine.training, compiled=compiled)

    return work, read


def _monai(job: Job) -> Ready:
    import torch
    from monai.engines import SupervisedTrainer
    from monai.losses import DeepSupervisionLoss, DiceCELoss
    from monai.networks.nets import DynUNet

    torch.manual_seed(SEED)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = device.type == "cuda"
    levels = len(FILTERS)
    strides = [1, *[2] * (levels - 1)]
    network = DynUNet(
        spatial_dims=3,
        in_channels=len(CHANNELS),
        out_channels=len(REGIONS),
        kernel_size=[3] * levels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=FILTERS,
        deep_supervision=True,
        deep_supr_num=levels - 3,
    ).to(device)
    supervised = DeepSupervisionLoss(DiceCELoss(sigmoid=True))
    image, labels = job.arrays()
    masks = [
        torch.isin(torch.from_numpy(labels), torch.tensor(values, dtype=torch.uint8))
        for values in REGIONS.values()
    ]
    batch = {"image": _pinned(torch.from_numpy(image)), "label": _pinned(torch.cat(masks, dim=1).float())}
    steps = Stepwise(Repeated(batch))
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=1,
        train_data_loader=steps,
        network=network,
        optimizer=torch.optim.SGD(
            network.parameters(), lr=0.01, momentum=0.99, nesterov=True, weight_decay=3e-5
        ),
        # In training mode the network stacks its outputs, all of them at full resolution.
        loss_function=lambda outputs, target: supervised(torch.unbind(outputs, dim=1), target),
        amp=True,
    )
    steps.start(lambda _: trainer.run())
    # What is kept per step is one dictionary for each patch; the loss is the same in all.
    work = timed_work(_step(steps, lambda: trainer.state.output[0]["loss"]))
    arithmetic = "float16-mixed" if device.type == "cuda" else "float32"
    return work, lambda found: facts(network, found, arithmetic, compiled=False)


def _step(steps: Stepwise, loss: Callable[[], Any]) -> Callable[[], Any]:
    def step() -> Any:
        steps.step()
        return loss()

    return step


def _pinned(tensor: Any) -> Any:
    """As loaders leave a tensor that goes to a GPU."""
    import torch

    return tensor.pin_memory() if torch.cuda.is_available() else tensor


_OURS = ("brats3d", "torch", "pytorch-lightning", "monai")

CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "brats3d": Contender(
            f"Lightning's loop as fit runs it with the recipe {RECIPE}: Dice and cross-entropy at four "
            "resolutions, gradient clipping, SGD; bf16 where the processor or GPU is fast at it",
            _OURS,
            _brats3d,
        ),
        "brats3d-float32": Contender("the same in float32", _OURS, partial(_brats3d, precision="32-true")),
        "monai": Contender(
            "SupervisedTrainer with amp (float16 on a GPU, nothing on a CPU), DynUNet of the same filters, "
            "DeepSupervisionLoss of DiceCELoss on its four outputs, SGD; no gradient clipping",
            ("monai", "torch", "pytorch-ignite"),
            _monai,
        ),
    }
)


def main(name: str, file: str) -> None:
    """Answer until there is nothing more to read."""
    serve(CONTENDERS[name], lambda: load_job(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
