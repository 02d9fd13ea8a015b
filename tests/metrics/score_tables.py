"""Tables of scores whose values a test chooses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from brats3d.metrics import Counts, LesionRow, RegionRow

REGIONS = ("ET", "TC", "WT")


def row(
    case_id: str,
    region: str,
    *,
    dice: float = 0.5,
    hd95_mm: float = 4.0,
    reference: float = 10.0,
    predicted: float = 12.0,
    empty: str = "",
) -> RegionRow:
    """A row; volumes in millilitres of voxels of 1 ml, NaN in pictures."""
    scores = {
        "dice": dice,
        "hd95_mm": hd95_mm,
        "volume_pred_ml": predicted,
        "volume_ref_ml": reference,
        "lesion_fn": float(dice == 0),
    }
    voxels = [0 if math.isnan(size) else int(size) for size in (predicted, reference)]
    return RegionRow(case_id, region, scores, empty, Counts(min(voxels), voxels[0], voxels[1], 1000))


def table(cases: int, seed: int = 0, regions: Sequence[str] = REGIONS) -> list[RegionRow]:
    """Rows of so many cases, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [
        row(
            f"Some-long-case-name-{number:05d}",
            region,
            dice=float(rng.uniform(0.2, 0.9)),
            hd95_mm=float(rng.uniform(1, 30)),
            reference=float(rng.uniform(0, 80)),
            predicted=float(rng.uniform(0, 80)),
        )
        for number in range(cases)
        for region in regions
    ]


def lesion(
    case_id: str, kind: str, *, volume: float = 1.0, dice: float = 0.5, region: str = "WT", number: int = 1
) -> LesionRow:
    """A lesion of one kind; what is invented has no reference volume, what is missed no predicted one."""
    volumes = (0.0 if kind == "fp" else volume, 0.0 if kind == "fn" else volume)
    return LesionRow(case_id, region, number, kind, *volumes, dice if kind == "tp" else 0.0, 5.0, {1.0: dice})
