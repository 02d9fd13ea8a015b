"""How far a segmentation is, at one moment."""

from __future__ import annotations

from typing import Literal, TypedDict

from brats3d.viewer.timing import Stage

State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})


class Snapshot(TypedDict):
    """How far a job is.

    ``position`` counts the jobs before it and is None unless it waits; ``stage``, ``fraction`` (0 to 1)
    and ``seconds_left`` (an estimate) are None where there is nothing to say.
    """

    state: State
    position: int | None
    stage: Stage | None
    fraction: float | None
    seconds_left: float | None
    error: dict[str, str | None] | None
