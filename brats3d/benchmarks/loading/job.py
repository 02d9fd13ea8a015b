"""What training patches are made of, and what is told about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brats3d.benchmarks.serving import Ready
from brats3d.cases import MODALITIES, Case

SEED = 0
"""Seed of everything that is drawn."""


@dataclass(frozen=True)
class Job:
    """What patches are made of.

    Attributes:
        root: Data set.
        store: Folder for prepared cases.
        patch: Voxels of a patch along each axis.
        patches: Patches that are made at a time.
    """

    root: str
    store: str
    patch: tuple[int, ...]
    patches: int

    def cases(self) -> tuple[Case, ...]:
        """Cases with all modalities and a label map."""
        from brats3d.data.discovery import discover

        cases = discover(self.root).cases
        for case in cases:
            case.require(MODALITIES, label=True)
        return cases


def ready(work: Callable[[], list[Any]], cases: int, started: float) -> Ready:
    """Put what reads the patches beside what makes them.

    Args:
        work: Makes some patches, mappings with an ``image``.
        cases: Number of cases.
        started: Reading of ``time.perf_counter`` before anything was done for them.
    """
    seconds = (time.perf_counter() - started) / cases

    def read(samples: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
        channels, *size = samples[0]["image"].shape
        return {
            "patch": {"channels": channels, **dict(zip("xyz", size, strict=True))},
            "beforehand": {"seconds_per_case": seconds},
        }

    return work, read
