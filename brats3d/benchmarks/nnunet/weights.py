"""The weights of a ``dynunet`` in nnU-Net's plain U-Net: the same network under other names.

nnU-Net reads volumes with the last axis first, so kernels are mirrored in the order of their axes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d.benchmarks.nnunet.plans import CONFIGURATION, REGIONS, architecture, dataset_json, plans

if TYPE_CHECKING:
    from torch import Tensor

    from brats3d.config import FitConfig

FOLD = 0
CHECKPOINT = "checkpoint_final.pth"
_OF_REGION = {"WT": "whole tumor", "TC": "tumor core", "ET": "enhancing tumor"}


def write_model(
    folder: Path,
    network: Mapping[str, Tensor],
    config: FitConfig,
    *,
    regions: Sequence[str],
    window: Sequence[int],
    spacing_mm: Sequence[float],
    reader: str,
) -> None:
    """Write the folder of a trained nnU-Net.

    Args:
        folder: Where ``plans.json``, ``dataset.json`` and the fold's checkpoint go.
        network: State of a ``dynunet``.
        config: Configuration it was built from; see :mod:`brats3d.benchmarks.nnunet.counterpart`.
        regions: Names of its output channels.
        window: Voxels of a window along each axis.
        spacing_mm: Voxel size of the case, so that nothing is resampled.
        reader: nnU-Net's reader of images.
    """
    import torch

    from brats3d.models.dynunet import ARCHITECTURE

    params = ARCHITECTURE.complete(config.model.params)
    content = plans(
        tuple(window)[::-1],
        filters=params["filters"],
        channels=len(config.data.modalities),
        spacing_mm=tuple(spacing_mm)[::-1],
    )
    content["image_reader_writer"] = reader
    content["configurations"][CONFIGURATION]["architecture"] = _architecture(params)
    (folder / f"fold_{FOLD}").mkdir(parents=True)
    for name, written in (("plans", content), ("dataset", dataset_json(config.data.modalities, 1))):
        (folder / f"{name}.json").write_text(json.dumps(written), encoding="utf-8")
    checkpoint = {
        "network_weights": renamed(network, len(params["filters"]), regions),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": CONFIGURATION},
        "inference_allowed_mirroring_axes": (0, 1, 2),
    }
    torch.save(checkpoint, folder / f"fold_{FOLD}" / CHECKPOINT)


def _architecture(params: Mapping[str, Any]) -> dict[str, Any]:
    """Plan of the network with the kernels and strides of a ``dynunet``."""
    found = architecture(params["filters"])
    arguments = found["arch_kwargs"]
    if params["kernel_sizes"] is not None:
        arguments["kernel_sizes"] = [_reversed(kernel) for kernel in params["kernel_sizes"]]
    if params["strides"] is not None:
        arguments["strides"] = [[1, 1, 1], *(_reversed(stride) for stride in params["strides"])]
    return found


def _reversed(sides: int | Sequence[int]) -> list[int]:
    return [sides] * 3 if isinstance(sides, int) else list(sides)[::-1]


def renamed(network: Mapping[str, Tensor], levels: int, regions: Sequence[str]) -> dict[str, Tensor]:
    """Return the state of nnU-Net's network that computes the same as a ``dynunet``.

    Args:
        network: State of the ``dynunet``.
        levels: Its levels.
        regions: Names of its output channels; nnU-Net's are those of
            :data:`~brats3d.benchmarks.nnunet.plans.REGIONS`.
    """
    import torch

    order = [list(regions).index(region) for region in sorted(regions, key=_position)]
    found: dict[str, Tensor] = {}
    for level in range(levels):
        for name, value in _block(network, f"encoder.{level}", f"encoder.stages.{level}.0"):
            found[name] = found[f"decoder.{name}"] = value  # nnU-Net's decoder holds the encoder, too
    for stage in range(levels - 1):
        for kind in ("weight", "bias"):
            up = network[f"decoder.{stage}.up.{kind}"]
            found[f"decoder.transpconvs.{stage}.{kind}"] = _turned(up)
        found.update(_block(network, f"decoder.{stage}.block", f"decoder.stages.{stage}"))
    for stage in range(levels - 1):
        level = levels - 2 - stage  # heads are listed finest first, nnU-Net's coarsest first
        theirs = f"decoder.seg_layers.{stage}"
        if f"heads.{level}.weight" in network:
            for kind in ("weight", "bias"):
                found[f"{theirs}.{kind}"] = _turned(network[f"heads.{level}.{kind}"])[order]
        else:  # a level that is not supervised: without effect on the prediction
            width = network["heads.0.weight"].shape[0]
            channels = network[f"encoder.{level}.0.0.weight"].shape[0]
            found[f"{theirs}.weight"] = torch.zeros(width, channels, 1, 1, 1)
            found[f"{theirs}.bias"] = torch.zeros(width)
    return found


def _position(region: str) -> int:
    return list(REGIONS).index(_OF_REGION[region])


def _block(network: Mapping[str, Tensor], ours: str, theirs: str) -> Iterator[tuple[str, Tensor]]:
    """Two convolutions with their normalisations; nnU-Net lists each layer under two names."""
    for number in range(2):
        unit = f"{ours}.{2 * number}"  # activations lie between
        weight = network[f"{unit}.0.weight"]
        layers = {
            ("conv", "all_modules.0", "weight"): _turned(weight),
            # A normalisation follows: it has no bias here, and none has an effect there.
            ("conv", "all_modules.0", "bias"): weight.new_zeros(weight.shape[0]),
            ("norm", "all_modules.1", "weight"): network[f"{unit}.2.weight"],
            ("norm", "all_modules.1", "bias"): network[f"{unit}.2.bias"],
        }
        for (layer, again, kind), value in layers.items():
            for name in (layer, again):
                yield f"{theirs}.convs.{number}.{name}.{kind}", value


def _turned(value: Tensor) -> Tensor:
    """Reverse the order of the spatial axes of a kernel; a bias has none."""
    return value.permute(0, 1, 4, 3, 2).contiguous() if value.ndim == 5 else value
