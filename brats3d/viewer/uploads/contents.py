"""What is in an upload, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where a modality is: a file, and which of its channels (None where it has one)."""

    file: str
    channel: int | None = None


@dataclass(frozen=True)
class FileSummary:
    """One image of the upload.

    Attributes:
        name: What it is called; unique in the upload.
        kind: ``nifti``, ``dicom series`` or ``picture``.
        shape: Voxels along each axis.
        spacing_mm: Voxel size, or None where nothing tells it (pictures).
        channels: Values per voxel.
        guess: Modality, ``reference``, ``brain mask``, or None.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float] | None
    channels: int
    guess: str | None


@dataclass(frozen=True)
class Contents:
    """What is in an upload, and what each modality is taken from.

    Attributes:
        files: Images in the order of their arrival.
        assignment: Modality to its place.
        reference: Name of the reference mask, or None.
        brain_mask: Name of the brain mask, or None.
        problems: What the user should know, one sentence each.
        dimensions: 2 where all images are single planes, else 3.
    """

    files: tuple[FileSummary, ...] = ()
    assignment: Mapping[str, Place] = field(default_factory=dict)
    reference: str | None = None
    brain_mask: str | None = None
    problems: tuple[str, ...] = ()
    dimensions: int = 3

    def to_json(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return asdict(self)
