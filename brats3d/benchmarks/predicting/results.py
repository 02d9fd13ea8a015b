"""Label maps that contenders wrote, each with values of its own, made comparable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from brats3d.benchmarks.nnunet.plans import LABELS
from brats3d.labels import LabelConvention

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OF_NNUNET = LabelConvention(
    "nnunet", {LABELS["edema"]: "ED", LABELS["necrosis"]: "NCR", LABELS["enhancing"]: "ET"}
)
"""Meaning of the values that nnU-Net writes."""


def classes_of(path: Path, convention: LabelConvention) -> NDArray[np.uint8]:
    """Read a label map as class indices, which mean the same in every convention of ET, TC and WT."""
    from brats3d.imaging import read_volume

    labels, _ = read_volume(path)
    return convention.to_classes(convention.check(labels, path))


def voxels(path: Path, convention: LabelConvention) -> dict[str, dict[str, float]]:
    """Count the voxels of each class in a label map."""
    import numpy as np

    names = convention.class_names
    counts = np.bincount(classes_of(path, convention).ravel(), minlength=len(names))
    return {"voxels": dict(zip(names, counts.tolist(), strict=True))}


def differing(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    """Voxels whose class differs, as a share of the voxels that either says are foreground; 0 for none."""
    import numpy as np

    foreground = int(np.count_nonzero((found > 0) | (expected > 0)))
    return int(np.count_nonzero(found != expected)) / max(1, foreground)


def agreement(maps: Mapping[str, NDArray[np.uint8]], reference: str) -> str:
    """Say by how much the others differ from one of them.

    Args:
        maps: Class indices by contender, all on one grid.
        reference: Name of the contender that the others are compared with.
    """
    shares = [
        f"{name} {100 * differing(found, maps[reference]):.3f} %"
        for name, found in maps.items()
        if name != reference
    ]
    return f"foreground voxels with another label than {reference}: {', '.join(shares)}"
