"""What a benchmark found: single measurements, their table, and JSON content."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import brats3d
from brats3d.benchmarks.machine import Machine
from brats3d.metrics.text_table import lay_out

_HEADER = ("", "median ms", "min..max ms", "CPU ms", "ratio", "peak MiB", "own MiB")


@dataclass(frozen=True)
class Measurement:
    """One contender on one subject.

    Attributes:
        contender: Name.
        says: What it computes, one line.
        wall_ms: Time of every run.
        cpu_ms: Processor time of every run, less than the wall's where others took the core; NaN where
            unknown.
        peak_mib: Largest memory of its process, libraries and volumes included; NaN where unknown.
        own_mib: How much of that was added by the run itself.
        versions: Package to version.
        scores: What it found, for whoever doubts that all did the same work.
    """

    contender: str
    says: str
    wall_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]
    peak_mib: float
    own_mib: float
    versions: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)

    @property
    def median_ms(self) -> float:
        """Median of the times."""
        return statistics.median(self.wall_ms)


@dataclass(frozen=True)
class Section:
    """All contenders on one subject; the first is what the others are compared with.

    Attributes:
        title: What was measured on.
        measurements: One per contender.
        notes: Lines below the table.
    """

    title: str
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...] = ()

    def ratio(self, measurement: Measurement) -> float:
        """Median time over that of the first contender."""
        return measurement.median_ms / self.measurements[0].median_ms

    def table(self) -> str:
        """Lay the measurements out."""
        return lay_out((self.title, *_HEADER[1:]), [self._cells(own) for own in self.measurements])

    def _cells(self, own: Measurement) -> tuple[str, ...]:
        return (
            own.contender,
            f"{own.median_ms:.1f}",
            f"{min(own.wall_ms):.1f}..{max(own.wall_ms):.1f}",
            _number(statistics.median(own.cpu_ms), ".1f"),
            f"{self.ratio(own):.2f}",
            _number(own.peak_mib, ".0f"),
            _number(own.own_mib, ".0f"),
        )


@dataclass(frozen=True)
class Report:
    """A benchmark.

    Attributes:
        benchmark: Name.
        machine: What it ran on.
        settings: What it was asked for.
        sections: One per subject.
        notes: What is missing, and why.
    """

    benchmark: str
    machine: Machine
    settings: Mapping[str, Any]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    def table(self) -> str:
        """Lay everything out as text."""
        explained = {own.contender: own.says for section in self.sections for own in section.measurements}
        versions: dict[str, dict[str, None]] = {}
        for section in self.sections:
            for own in section.measurements:
                for package, version in own.versions.items():
                    versions.setdefault(package, {})[version] = None
        packages = ", ".join(f"{package} {' and '.join(found)}" for package, found in versions.items())
        parts = ["\n".join((section.table(), *section.notes)) for section in self.sections]
        parts.append("\n".join(f"{name}: {says}" for name, says in explained.items()))
        parts.append("\n".join((*self.notes, str(self.machine), packages)))
        return "\n\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON content."""
        return {
            "benchmark": self.benchmark,
            "brats3d": brats3d.__version__,
            "machine": self.machine.as_dict(),
            "settings": dict(self.settings),
            "sections": [
                {
                    "title": section.title,
                    "notes": list(section.notes),
                    "measurements": [
                        {**asdict(own), "median_ms": own.median_ms, "ratio": section.ratio(own)}
                        for own in section.measurements
                    ],
                }
                for section in self.sections
            ],
            "notes": list(self.notes),
        }


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)
