"""From the configuration to a segmentation without training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from brats3d.cases import modality_named
from brats3d.config import ClassicalConfig
from brats3d.errors import ConfigError

if TYPE_CHECKING:
    from brats3d.baselines import TumourSegmenter


def build_classical_segmenter(config: ClassicalConfig) -> TumourSegmenter:
    """Segmenter that finds tumours by rules.

    Raises:
        ConfigError: A setting that cannot work, or no FLAIR.
    """
    from brats3d.baselines import BrightTissue, TumourRule, TumourSegmenter, build_method

    channels = [modality_named(name, "modalities") for name in config.modalities]
    if "flair" not in channels:
        raise ConfigError(
            "without FLAIR there is no bright tumour to find",
            where="modalities",
            got=", ".join(channels) or "none",
            expected="flair, and t1ce if ET and TC are wanted",
        )
    chosen = config.method
    partition, contour = build_method(chosen.name, chosen.params)
    return TumourSegmenter(
        BrightTissue(partition, chosen.parts, chosen.most_share, chosen.voxels, config.seed),
        flair=channels.index("flair"),
        t1ce=channels.index("t1ce") if "t1ce" in channels else None,
        rule=TumourRule(**dataclasses.asdict(config.rule)),
        refine=contour,
    )
