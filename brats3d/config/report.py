"""Settings of the report, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportConfig:
    """Figures of a run as PNG and SVG, and their numbers as CSV: curves, cases, confusion matrix, Dice."""

    run: str | None = None
    """Run folder, such as runs/NAME, or its name; may also be given by position."""
    case: tuple[str, ...] = ()
    """Cases to write a page of, each by itself, instead: ids of the data set, or folders that hold cases."""
    output: str | None = None
    """Folder for the figures; by default `figures` in the run."""
    cases: tuple[str, ...] = ("4",)
    """How many held-out cases to show, or their ids; 0: none, and nothing is predicted."""
    split: str | None = None
    """Which cases: test or val; by default those that the run was scored on."""
    checkpoint: str = "best"
    """best or last."""
    accelerator: str = "auto"
    """auto, cpu or gpu."""
    overwrite: bool = False
    """Replace a report that exists."""
