"""What a visitor asked for and cannot have, besides the errors of the pieces below; and errors as JSON."""

from __future__ import annotations

from pathlib import Path

from brats3d.errors import Brats3dError


class JobGone(Brats3dError):
    """No such segmentation: it was forgotten, deleted after some time, or never asked for."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            "there is no such segmentation any more",
            where=job_id,
            expected="a segmentation that somebody has asked for lately",
            remedy="segment the images again",
        )


class QueueFull(Brats3dError):
    """As many segmentations wait as may wait."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            "too many segmentations wait already",
            got=f"{limit} segmentations that wait",
            remedy="try again in a few minutes",
        )


class NotDone(Brats3dError):
    """A result was asked for, and there is none yet, or will be none."""

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(
            "the segmentation has no result",
            where=job_id,
            got=f"a segmentation that is {state}",
            expected="one that is done",
            remedy="wait for its end" if state in ("queued", "running") else "segment the images again",
        )


def error_as_dict(error: Brats3dError) -> dict[str, str | None]:
    """Parts of an error as text, for JSON."""
    parts = {
        "what": error.what,
        "where": error.where,
        "got": error.got,
        "expected": error.expected,
        "remedy": error.remedy,
    }
    return {name: None if part is None else _text(part) for name, part in parts.items()}


def _text(part: object) -> str:
    """Files by their names alone: where they lie is nobody's business."""
    return part.name if isinstance(part, Path) else str(part)
