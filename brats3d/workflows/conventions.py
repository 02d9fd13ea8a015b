"""What the label values of predictions and references mean, and which regions are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from brats3d.data.discovery import AUTO
from brats3d.errors import ConfigError, closest_first
from brats3d.labels import TISSUES, LabelConvention, Region, convention_named, custom_convention

ALL_REGIONS = "all"
Regions = Mapping[str, Sequence[str]] | str
"""Region name to its tissues, or ``all``: the convention's regions and each tissue by itself."""

Conventions = tuple[LabelConvention, LabelConvention]
"""Meaning of the values of the predictions, and of the references."""


def stated_convention(convention: LabelConvention | str | None, key: str) -> LabelConvention | None:
    """Return what the user says the values of a side mean, or None where the folder is to say it.

    Raises:
        ConfigError: Unknown name.
    """
    if isinstance(convention, str):
        return None if convention == AUTO else convention_named(convention, key)
    return convention


def own_convention(labels: Mapping[int, str], regions: Regions | None) -> LabelConvention:
    """Make a convention from the user's own labels and regions.

    Raises:
        ConfigError: A tissue that no region knows, or a region with an unknown tissue.
    """
    if regions == ALL_REGIONS and not set(labels.values()) <= set(TISSUES):
        return custom_convention(labels, {tissue: [tissue] for tissue in labels.values()})
    return custom_convention(labels, None if isinstance(regions, str) else regions)


def fitting_conventions(
    prediction: LabelConvention | None, reference: LabelConvention | None, regions: Regions | None = None
) -> Conventions:
    """Let either side mean what the other means where only one is known, and give both the same regions.

    Args:
        prediction: Meaning of the predicted values, or None.
        reference: Meaning of the reference values, or None.
        regions: Regions to score; None takes those of the conventions.

    Raises:
        ConfigError: Neither side is known, their regions differ, or a region has an unknown tissue.
    """
    first, second = prediction or reference, reference or prediction
    if first is None or second is None:
        raise ConfigError(
            "nothing tells what the label values mean",
            where="reference_convention",
            got="folders that are not in the layout of a known data set",
            expected="a convention such as brats2017 (ET is 4) or brats2023 (ET is 3)",
            remedy="set reference_convention, and prediction_convention where it differs",
        )
    if regions is not None:
        chosen = _chosen_regions(regions, first, second)
        return replace(first, regions=chosen), replace(second, regions=chosen)
    if first.region_names != second.region_names:
        raise ConfigError(
            "the conventions of both sides do not have the same regions",
            where="prediction_convention",
            got=f"{first.name}: {', '.join(first.region_names)}",
            expected=f"those of {second.name}: {', '.join(second.region_names)}",
            remedy="give both sides the same regions",
        )
    return first, second


def convention_as_dict(convention: LabelConvention) -> dict[str, Any]:
    """Return name, labels and regions as plain JSON content."""
    return {
        "name": convention.name,
        "labels": {int(value): tissue for value, tissue in convention.tissues.items()},
        "regions": {region.name: sorted(region.tissues) for region in convention.regions},
    }


def _chosen_regions(regions: Regions, first: LabelConvention, second: LabelConvention) -> tuple[Region, ...]:
    tissues = tuple(dict.fromkeys([*second.tissues.values(), *first.tissues.values()]))
    if isinstance(regions, str):
        if regions != ALL_REGIONS:
            raise ConfigError(
                "regions that are not understood",
                where="regions",
                got=regions,
                expected="all, or a mapping such as {RC: [RC], WT: [NETC, ED, ET]}",
            )
        known = {region.tissues & set(tissues) for region in second.regions}
        single = (Region(tissue, frozenset({tissue})) for tissue in tissues)
        further = (r for r in single if r.tissues not in known and r.name not in second.region_names)
        return (*second.regions, *further)
    for tissue in (tissue for members in regions.values() for tissue in members):
        if tissue not in tissues:
            raise ConfigError(
                f"unknown tissue {tissue!r} in a region",
                where="regions",
                got=tissue,
                expected=f"tissues of {second.name}: " + ", ".join(closest_first(tissue, tissues)),
                remedy="correct it, set reference_convention, or say in labels what each value is",
            )
    return tuple(Region(name, frozenset(members)) for name, members in regions.items())
