"""Segmentation without training: clustering, thresholds and active contours, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from brats3d.baselines.active_contour import ActiveContour
from brats3d.baselines.brightness import BrightTissue
from brats3d.baselines.partitions import FuzzyKMeans, KMeans, Otsu, Partition
from brats3d.baselines.tumour import TumourRule, TumourSegmenter
from brats3d.registry import check_params, look_up

METHODS: Mapping[str, type[Any]] = MappingProxyType(
    {"kmeans": KMeans, "fuzzy_kmeans": FuzzyKMeans, "otsu": Otsu, "active_contour": ActiveContour}
)


def build_method(name: str, params: Mapping[str, Any]) -> tuple[Partition, ActiveContour | None]:
    """Build what finds bright tissue, and what moves the surface of the tumour after that, if anything.

    An active contour starts from the tissue that Otsu's thresholds find.

    Args:
        name: Key of :data:`METHODS`.
        params: Keyword parameters of the method.

    Raises:
        ConfigError: An unknown name or parameter, or a value that cannot work.
    """
    builder = look_up(METHODS, name, "method.name")
    check_params(builder, params, "method.params", {"most_parts"})
    made = builder(**params)
    return (Otsu(), made) if isinstance(made, ActiveContour) else (made, None)


__all__ = ["METHODS", "BrightTissue", "TumourRule", "TumourSegmenter", "build_method"]
