# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""What a metric is worth when a mask is empty: one visible table per policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from scripts.core.errors import ConfigError

NEITHER_EMPTY = ""
BOTH_EMPTY = "both"
PREDICTION_EMPTY = "prediction"
REFERENCE_EMPTY = "reference"
PREDICTION_MISSING = "missing"
"""Which mask is empty; ``missing`` means that there is no prediction at all for a case."""

APART = "apart"
"""Neither is empty, but they do not overlap."""

COLUMNS = (BOTH_EMPTY, PREDICTION_EMPTY, REFERENCE_EMPTY, PREDICTION_MISSING, NEITHER_EMPTY)

COMPUTED = "computed"
PENALTY = "penalty"
UNDEFINED = math.nan

Entry = float | str
Line = tuple[Entry, Entry, Entry, Entry, Entry]


@dataclass(frozen=True)
class EmptyPolicy:
    """Values of the metrics by which mask is empty.

    Attributes:
        name: Registry name.
        table: Metric to its values in the order of :data:`COLUMNS`: a number, NaN (undefined),
            ``penalty`` (stands for ``penalty_mm``) or ``computed`` (as the formula gives it).
        penalty_mm: Distance charged where none can be measured.
        apart: Metric to its value where both masks have voxels but share none; what is not there is
            computed.
    """

    name: str
    table: Mapping[str, Line]
    penalty_mm: float
    apart: Mapping[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze the tables."""
        object.__setattr__(self, "table", MappingProxyType(dict(self.table)))
        object.__setattr__(self, "apart", MappingProxyType(dict(self.apart)))
        if not (math.isnan(self.penalty_mm) or self.penalty_mm >= 0):
            raise ConfigError(
                "the penalty distance must not be negative",
                where="penalty_mm",
                got=self.penalty_mm,
                expected="a distance in millimetres, such as 374",
            )

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Pickle without the read-only view."""
        return EmptyPolicy, (self.name, dict(self.table), self.penalty_mm, dict(self.apart))

    def with_penalty(self, penalty_mm: float) -> EmptyPolicy:
        """Return the same policy with another penalty distance.

        Raises:
            ConfigError: A negative distance.
        """
        return replace(self, penalty_mm=penalty_mm)

    def value(self, metric: str, empty: str, compute: Callable[[], float]) -> float:
        """Return the value of ``metric``.

        Args:
            metric: A key of the table; a metric without a line is always computed.
            empty: Which mask is empty, one of :data:`COLUMNS`, or :data:`APART`.
            compute: Called only where the table says ``computed``.
        """
        entry = self._entry(metric, empty)
        if entry == COMPUTED:
            return compute()
        return self.penalty_mm if entry == PENALTY else float(entry)

    def decides(self, metric: str, empty: str) -> bool:
        """Whether the table gives the value of ``metric``, rather than the formula."""
        return self._entry(metric, empty) != COMPUTED

    def _entry(self, metric: str, empty: str) -> Entry:
        if empty == APART:
            return self.apart.get(metric, COMPUTED)
        line = self.table.get(metric)
        return COMPUTED if line is None else line[COLUMNS.index(empty)]

    def as_dict(self) -> dict[str, Any]:
        """Return the table as plain JSON content."""
        columns = [column or "neither" for column in COLUMNS]
        rows = {metric: dict(zip(columns, line, strict=True)) for metric, line in self.table.items()}
        return {
            "name": self.name,
            "penalty_mm": self.penalty_mm,
            "values_when_empty": rows,
            "values_when_apart": dict(self.apart),
        }


def empty_state(predicted: int, referenced: int) -> str:
    """Say which mask is empty, from the number of voxels in each."""
    if predicted and referenced:
        return NEITHER_EMPTY
    if predicted:
        return REFERENCE_EMPTY
    return PREDICTION_EMPTY if referenced else BOTH_EMPTY


# The rules of the BraTS 2023 challenge script; what it does not report follows what it does.
_BRATS_TABLE: Mapping[str, Line] = MappingProxyType(
    {
        #               both  only reference  only prediction  no file  neither
        "dice": (1.0, 0.0, 0.0, 0.0, COMPUTED),
        "iou": (1.0, 0.0, 0.0, 0.0, COMPUTED),
        "sensitivity": (1.0, 0.0, 0.0, 0.0, COMPUTED),
        "specificity": (COMPUTED, COMPUTED, COMPUTED, 0.0, COMPUTED),
        "precision": (1.0, 0.0, 0.0, 0.0, COMPUTED),
        "accuracy": (COMPUTED, COMPUTED, COMPUTED, 0.0, COMPUTED),
        "matthews_correlation": (1.0, 0.0, 0.0, 0.0, COMPUTED),
        "relative_volume_error": (0.0, COMPUTED, COMPUTED, COMPUTED, COMPUTED),
        "hd95_mm": (0.0, PENALTY, PENALTY, PENALTY, COMPUTED),
        "hd100_mm": (0.0, PENALTY, PENALTY, PENALTY, COMPUTED),
        "asd_mm": (0.0, PENALTY, PENALTY, PENALTY, COMPUTED),
        "nsd": (1.0, 0.0, 0.0, 0.0, COMPUTED),
        "lesion_dice": (COMPUTED, COMPUTED, COMPUTED, 0.0, COMPUTED),
        "lesion_hd95_mm": (COMPUTED, COMPUTED, COMPUTED, PENALTY, COMPUTED),
        "lesion_nsd": (COMPUTED, COMPUTED, COMPUTED, 0.0, COMPUTED),
    }
)

# Two empty masks say nothing; one empty mask is a failure (BraTS 2025 and 2026).
_BRATS2025_TABLE: Mapping[str, Line] = MappingProxyType(
    {
        **_BRATS_TABLE,
        #               both  only reference  only prediction  no file  neither
        "dice": (UNDEFINED, 0.0, 0.0, 0.0, COMPUTED),
        "iou": (UNDEFINED, 0.0, 0.0, 0.0, COMPUTED),
        "sensitivity": (UNDEFINED, 0.0, 0.0, 0.0, COMPUTED),
        "precision": (UNDEFINED, 0.0, 0.0, 0.0, COMPUTED),
        "matthews_correlation": (UNDEFINED, 0.0, 0.0, 0.0, COMPUTED),
        "relative_volume_error": (UNDEFINED, COMPUTED, COMPUTED, COMPUTED, COMPUTED),
        "hd95_mm": (UNDEFINED, PENALTY, PENALTY, PENALTY, COMPUTED),
        "hd100_mm": (UNDEFINED, PENALTY, PENALTY, PENALTY, COMPUTED),
        "asd_mm": (UNDEFINED, PENALTY, PENALTY, PENALTY, COMPUTED),
        "nsd": (UNDEFINED, 0.0, 0.0, 0.0, COMPUTED),
    }
)

# The formulas as they are: 0/0 is undefined, and a distance to nothing is infinite.
_FORMULA_TABLE: Mapping[str, Line] = MappingProxyType(
    {
        **_BRATS_TABLE,
        #               both  only reference  only prediction  no file  neither
        "dice": (UNDEFINED, COMPUTED, COMPUTED, 0.0, COMPUTED),
        "iou": (UNDEFINED, COMPUTED, COMPUTED, 0.0, COMPUTED),
        "sensitivity": (UNDEFINED, COMPUTED, UNDEFINED, 0.0, COMPUTED),
        "precision": (UNDEFINED, UNDEFINED, COMPUTED, 0.0, COMPUTED),
        "matthews_correlation": (UNDEFINED, UNDEFINED, UNDEFINED, 0.0, COMPUTED),
        "relative_volume_error": (UNDEFINED, COMPUTED, COMPUTED, COMPUTED, COMPUTED),
        "hd95_mm": (UNDEFINED, PENALTY, PENALTY, PENALTY, COMPUTED),
        "hd100_mm": (UNDEFINED, PENALTY, PENALTY, PENALTY, COMPUTED),
        "asd_mm": (UNDEFINED, PENALTY, PENALTY, PENALTY, COMPUTED),
        "nsd": (UNDEFINED, 0.0, 0.0, 0.0, COMPUTED),
    }
)

# 374, 373 and 373.1287 all stand for the diagonal of a 240x240x155 volume.
BRATS2023 = EmptyPolicy("brats2023", _BRATS_TABLE, 374.0)
EMPTY_POLICIES: Mapping[str, EmptyPolicy] = MappingProxyType(
    {
        "brats2023": BRATS2023,
        "brats2025": EmptyPolicy(
            "brats2025",
            _BRATS2025_TABLE,
            373.0,
            {"hd95_mm": PENALTY, "hd100_mm": PENALTY, "asd_mm": PENALTY, "nsd": 0.0},
        ),
        "captk": EmptyPolicy("captk", _BRATS_TABLE, math.dist((0, 0, 0), (240, 240, 155))),
        "formula": EmptyPolicy("formula", _FORMULA_TABLE, math.inf),
    }
)
