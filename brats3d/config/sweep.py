"""Settings of a sweep, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from brats3d.config.run import FitConfig


@dataclass(frozen=True)
class SweepConfig(FitConfig):
    """Train one run for each combination of settings, and lay out their scores in one table."""

    grid: dict[str, list[Any]] = field(default_factory=dict)
    """Dotted key to the values that it takes, such as {optim.lr: [0.01, 0.001], model.params.activation:
    [relu, prelu]}; each combination is a run."""
