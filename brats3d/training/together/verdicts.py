"""Why a training of several processes ends early: said once, known to all of them."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from brats3d.errors import RunError


@dataclass(frozen=True)
class Verdict:
    """Why a training ends.

    Attributes:
        teller: Number of the process that tells it to the user; the others end without a word.
        code: Exit code of all processes.
        gone: Places of processes that went away without a word of their own; empty when the teller failed.
        reason: What is known of how they went.
    """

    teller: int
    code: int
    gone: tuple[str, ...] = ()
    reason: str = ""

    def to_text(self) -> str:
        """The same as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Verdict:
        """Read what :meth:`to_text` gave."""
        content = json.loads(text)
        return cls(**{**content, "gone": tuple(content["gone"])})


def signal_name(number: int) -> str:
    """Name of a signal, as far as it has one."""
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"


def lost(teller: int, numbers: Sequence[int], places: Mapping[int, str], reason: str) -> Verdict:
    """Verdict on processes that went away.

    Args:
        teller: Who found that.
        numbers: Their numbers.
        places: Number to place, as far as known.
        reason: How they went.
    """
    return Verdict(teller, 2, tuple(places.get(number, f"rank {number}") for number in numbers), reason)


def lost_error(verdict: Verdict, remedy: str) -> RunError:
    """What the teller says of processes that went away.

    Args:
        verdict: The verdict.
        remedy: How the training can go on.
    """
    several = len(verdict.gone) > 1
    look = f"look what ended {'them' if several else 'it'} (often memory ran out on that machine)"
    return RunError(
        f"{'processes' if several else 'a process'} of the training went away; the others have stopped",
        where="; ".join(verdict.gone),
        got=verdict.reason,
        remedy=f"{look}; {remedy}",
    )


def failed_error(error: BaseException, place: object, remedy: str) -> RunError:
    """What a process says in which something failed that is not the user's mistake.

    Args:
        error: What was raised.
        place: The process.
        remedy: How the training can go on.
    """
    said = " ".join(str(error).split())[:300]
    found = RunError(
        "a process of the training failed; the others have stopped",
        where=place,
        got=f"{type(error).__name__}: {said}",
        remedy=remedy,
    )
    found.exit_code = 1
    return found
