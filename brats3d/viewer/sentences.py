"""What a result says in words: that nothing was found, and what was done besides thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brats3d.labels import TISSUES, LabelConvention

_TUMOURS = frozenset({*TISSUES, "tumor", "tumour"})


def subject(convention: LabelConvention) -> str:
    """What the model looks for: ``tumour``, or its regions by name."""
    tissues = {tissue for region in convention.regions for tissue in region.tissues}
    return "tumour" if tissues & _TUMOURS else " or ".join(convention.region_names)


def alert(
    convention: LabelConvention, gate: Mapping[str, Any] | None, thresholds: Mapping[str, float]
) -> str:
    """Say that nothing was found, and why.

    Args:
        convention: Of the model.
        gate: What its gate decided, if there was one.
        thresholds: Region to threshold; empty where the model has none.
    """
    first = f"No {subject(convention)} was found in these images."
    if gate is not None and gate["judged"] and not gate["segmented"]:
        what = "the images" if gate["images"] == "volumes" else f"all {gate['judged']} slices"
        return (
            f"{first} The gate left {what} out: it is confident by {gate['highest_confidence']:.1%} at most "
            f"that there is any, and {gate['threshold']:.1%} are needed for a segmentation."
        )
    if not thresholds:
        return first
    shown = ", ".join(f"{name} {threshold:g}" for name, threshold in thresholds.items())
    return f"{first} No voxel is above the thresholds ({shown}) and within the rules of the model."
