"""From the configuration to a network and to whole-volume inference with it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from brats3d.config import FitConfig
from brats3d.errors import ConfigError
from brats3d.labels import LabelConvention
from brats3d.postprocessing import Postprocessing

if TYPE_CHECKING:
    from torch import nn

    from brats3d.inference.forward import Precision
    from brats3d.inference.segmenter import Segmenter
    from brats3d.models.heads import Head
    from brats3d.postprocessing.refinement import Refinement


def build_postprocessing(config: FitConfig, convention: LabelConvention) -> Postprocessing:
    """Postprocessing of probabilities.

    Raises:
        ConfigError: A rule for a region that does not exist, or a value that cannot work.
    """
    chosen = config.postprocess
    made = Postprocessing(
        thresholds=chosen.thresholds,
        min_component_ml=chosen.min_component_ml,
        et_to_ncr_below_ml=chosen.et_to_ncr_below_ml,
    )
    made.check(convention.region_names)
    build_refinement(config, convention, "cpu")  # whose settings are checked with the others
    return made


def build_refinement(config: FitConfig, convention: LabelConvention, device: str) -> Refinement | None:
    """Refinement of probabilities by the image on ``device`` (cpu or cuda), or None where it is off.

    Raises:
        ConfigError: A value that cannot work.
    """
    chosen = config.postprocess.crf
    if chosen.iterations == 0:
        return None
    from brats3d.postprocessing.dense_crf import DenseCrf
    from brats3d.postprocessing.refinement import Refinement

    exclusive = config.model.head == "softmax"
    crf = DenseCrf(**dataclasses.asdict(chosen))
    return Refinement(crf, convention.class_table if exclusive else None, device)


def build_head(config: FitConfig, convention: LabelConvention) -> Head:
    """Meaning of the network's output channels.

    Raises:
        ConfigError: Unknown head.
    """
    from brats3d.models.heads import Head

    return Head(config.model.head, convention.class_table)


def build_network(config: FitConfig, head: Head, *, pretrained: bool = False) -> nn.Module:
    """Network with freshly drawn weights.

    Args:
        config: Configuration of the run.
        head: Meaning of the output.
        pretrained: Whether weights shall come from the file ``model.params.pretrained``, if there is one;
            not where a checkpoint follows, so that a run does not need that file again.

    Raises:
        ConfigError: Unknown name or parameter, or a patch size the network cannot take.
    """
    from brats3d import models
    from brats3d.models.architecture import without_pretrained

    chosen = config.model
    for key, size in (("patch.size", config.patch.size), ("inference.window", config.inference.window)):
        if size is not None and len(size) != chosen.spatial_dims:
            raise ConfigError(
                "the patch has another number of dimensions than the network",
                where=key,
                got=tuple(size),
                expected=f"{chosen.spatial_dims} numbers, since model.spatial_dims is {chosen.spatial_dims}",
            )
        if size is not None:
            models.check_patch_size(chosen.name, chosen.params, size, where=key)
    return models.build_network(
        chosen.name,
        spatial_dims=chosen.spatial_dims,
        in_channels=len(config.data.modalities),
        out_channels=head.out_channels,
        params=chosen.params if pretrained else without_pretrained(chosen.params),
    )


def build_segmenter(
    config: FitConfig,
    network: nn.Module,
    head: Head,
    precision: Precision,
    *,
    flips: bool | None = None,
    overlap: float | None = None,
) -> Segmenter:
    """Whole-volume inference with a network.

    Args:
        config: Configuration of the run.
        network: The network, on the device it shall run on.
        head: Meaning of its output.
        precision: bf16, fp16 or fp32.
        flips: Test-time flips; None as the configuration says.
        overlap: Overlap of windows; None as the configuration says.
    """
    from brats3d.inference.slices import SliceSegmenter
    from brats3d.inference.sliding_window import SlidingWindowSegmenter

    chosen = config.inference
    flips = chosen.flips if flips is None else flips
    window = chosen.window or config.patch.size
    if config.model.spatial_dims == 2:
        return SliceSegmenter(
            network,
            head,
            axis=config.slices.axis,
            slice_size=window,
            slice_batch=chosen.window_batch,
            flips=flips,
            precision=precision,
        )
    return SlidingWindowSegmenter(
        network,
        head,
        patch_size=window,
        overlap=chosen.overlap if overlap is None else overlap,
        window_batch=chosen.window_batch,
        flips=flips,
        precision=precision,
    )
