"""From the configuration of a run to what adapts its network to another data set."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d.assembly.hardware import Hardware
from brats3d.assembly.samples import build_samples, reader_processes
from brats3d.assembly.training import build_loggers
from brats3d.config import AugmentConfig, FitConfig
from brats3d.config.patches import TransplantConfig

if TYPE_CHECKING:
    from pytorch_lightning import Callback, Trainer
    from torch import Tensor, nn
    from torch.utils.data import DataLoader, Dataset

    from brats3d.data.datasets import Sample
    from brats3d.data.store import StoredCase
    from brats3d.models.heads import Head
    from brats3d.training.adaptation import AdversarialAdaptation


def build_adaptation(
    config: FitConfig,
    source: nn.Module,
    head: Head,
    regions: int,
    *,
    rate: float,
    discriminator_rate: float,
) -> AdversarialAdaptation:
    """Adversarial adaptation of a trained network, on its output: the maps of region probabilities.

    Not on the coarsest features, which the skips of a U-Net pass by: the output depends on all levels of
    the encoder, looks alike in both data sets whatever the scanner, and every network has one.

    Args:
        config: Configuration of the run.
        source: Its trained network.
        head: Meaning of the network's output.
        regions: Number of regions.
        rate: Learning rate of the encoder.
        discriminator_rate: Learning rate of the discriminator.
    """
    from brats3d.models.discriminator import build_discriminator
    from brats3d.models.encoder_parts import encoder_parts
    from brats3d.training.adaptation import AdversarialAdaptation

    network = copy.deepcopy(source)

    def probabilities(network: nn.Module, image: Tensor) -> Tensor:
        return head.probabilities(network(image))

    return AdversarialAdaptation(
        source,
        network,
        encoder_parts(config.model.name, network),
        build_discriminator(config.model.spatial_dims, regions),
        probabilities,
        rate=rate,
        discriminator_rate=discriminator_rate,
    )


def build_image_pairs(
    config: FitConfig, source: Sequence[StoredCase], target: Sequence[StoredCase]
) -> Dataset[Sample]:
    """Random patches (slices) of both data sets, chosen without a look at labels, mirrored at random.

    Other changes are left out, as they would hide how the data sets differ.
    """
    from brats3d.data.unlabelled import ImagePairs, UnlabelledCase

    settings = [item.name for item in dataclasses.fields(AugmentConfig)]
    off: dict[str, Any] = {name: 0.0 for name in settings if name.endswith("_probability")}
    still = dataclasses.replace(config.augment, where="sample", **off)
    mirrored = dataclasses.replace(still, flip_probability=config.augment.flip_probability)
    blind = dataclasses.replace(
        config,
        augment=mirrored,
        transplant=TransplantConfig(),
        patch=dataclasses.replace(config.patch, foreground=0.0, empty=1.0),
    )
    sides = ([UnlabelledCase(case.case_id, case.folder) for case in cases] for cases in (source, target))
    return ImagePairs(*(build_samples(blind, side) for side in sides))


def build_pair_loader(
    config: FitConfig, pairs: Dataset[Sample], machine: Hardware, *, batch_size: int, steps: int
) -> DataLoader[Sample]:
    """Batches of pairs, ``steps`` in an epoch."""
    from torch.utils.data import DataLoader

    from brats3d.data.datasets import RunningSampler

    return DataLoader(
        pairs,
        batch_size=batch_size,
        sampler=RunningSampler(steps * batch_size),
        num_workers=reader_processes(config.data.workers, machine.device),
    )


def build_adaptation_trainer(
    machine: Hardware, run: Path, *, epochs: int, callbacks: Sequence[Callback]
) -> Trainer:
    """Lightning's ``Trainer`` in one process, with logs in the folder of a run."""
    from pytorch_lightning import Trainer

    from brats3d.training.checkpoints import AtomicCheckpointIO

    settings: dict[str, Any] = {
        "accelerator": machine.accelerator,
        "devices": 1,
        "precision": "32-true",  # the discriminator's gradient is small
        "max_epochs": epochs,
        "log_every_n_steps": 1,
        "num_sanity_val_steps": 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        "default_root_dir": run,
        "logger": build_loggers(run),
        "callbacks": list(callbacks),
        "plugins": [AtomicCheckpointIO()],
    }
    return Trainer(**settings)
