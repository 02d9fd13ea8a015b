"""Settings of a cross-validation, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from brats3d.config.data import SplitConfig
from brats3d.config.run import FitConfig


@dataclass(frozen=True)
class CrossvalConfig(FitConfig):
    """Train one run per fold, and score each case with the run that did not train on it."""

    split: SplitConfig = field(default_factory=lambda: SplitConfig(test=0.0))
    """Folds of patients, or of sites; cases are set aside for a test only where `split.test` says so."""
    folds: int | None = None
    """Number of folds; by default `split.folds`, else 5, and with `split.sites` one per site."""
    only: int | None = None
    """Train this fold alone, from 0, as one job of several; the scores are gathered once all are there."""
    checkpoint: Literal["best", "last"] = "best"
    """Weights that are scored: best (at the highest Dice of the fold that is scored, so a little in its
    favour) or last."""
    select: bool = False
    """Choose thresholds, smallest components and the rule for little ET by the scores of all folds."""
    score: Literal["lesion_dice", "dice"] = "lesion_dice"
    """What they are chosen by."""
    profile: str = "brats2023-gli"
    """Rules of the scores, such as brats2023-met, brats2024-gli or brats2025."""
