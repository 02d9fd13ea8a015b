"""Settings of the report, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field

from brats3d.config.verbs import EvaluateConfig


@dataclass(frozen=True)
class ReportConfig:
    """A page that shows what a run was trained on, its scores and its cases; or that compares several.

    With `case` there is a page for each of some cases instead. A page is one file that opens from disk; every
    figure of the others lies beside it as PNG and SVG, and its numbers as CSV.
    """

    run: str | None = None
    """Run folder, such as runs/NAME, or its name; may also be given by position."""
    predictions: str | None = None
    """Folder of label maps, of any tool, to report on instead of what the run predicts; needs references, but
    for --case."""
    references: str | None = None
    """Folder of reference label maps, or a data set, whose images are then shown."""
    compare: tuple[str, ...] = ()
    """Runs or folders of predictions to compare case by case instead."""
    case: tuple[str, ...] = ()
    """Cases to write a page of, each by itself, instead: ids of the data set, or folders that hold cases."""
    output: str | None = None
    """Folder for the report; by default `report` in the run, or beside what is compared."""
    cases: tuple[str, ...] = ("3",)
    """How many held-out cases to show, spread from the worst to the best (3: worst, median and best), or
    their ids; 0: none, and nothing is predicted."""
    split: str | None = None
    """Which cases: test or val; by default those that the run was scored on."""
    checkpoint: str = "best"
    """best or last."""
    accelerator: str = "auto"
    """auto, cpu or gpu."""
    overwrite: bool = False
    """Replace a report that exists; the one that fit wrote is replaced unasked."""
    scoring: EvaluateConfig = field(default_factory=EvaluateConfig)
    """How predictions are scored; where evaluate was run on them before, its settings hold instead of
    defaults."""
