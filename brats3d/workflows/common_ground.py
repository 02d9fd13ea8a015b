"""What all processes of a training have in common, as each of them has it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from brats3d.cases import Case
from brats3d.config import FitConfig, to_plain
from brats3d.data.store import StoredCase
from brats3d.training.together.agreement import Common
from brats3d.workflows.runs import RunFolder

_MAY_DIFFER = ("data.root", "data.store", "data.cache", "resume")
_EXTENDED = ("trainer.max_epochs", "trainer.max_minutes")
_SEAL_BYTES = 64


def common_ground(
    given: FitConfig,
    config: FitConfig,
    run: RunFolder,
    cases: Mapping[str, Sequence[Case]],
    prepared: Sequence[StoredCase],
    checkpoint: Path | None,
) -> Common:
    """Return what is to be the same for all processes; where data lie on a machine may differ.

    Args:
        given: What the user wrote.
        config: Configuration of the run.
        run: The run.
        cases: Cases of each part of the split.
        prepared: Their prepared form in the same order; its name holds a hash of content and preprocessing.
        checkpoint: What the training goes on from.
    """
    # The leader writes down the new end of an extended run, which the others read before or after that.
    free = _MAY_DIFFER if given.extend is None else (*_MAY_DIFFER, *_EXTENDED)
    settings = {key: value for key, value in _leaves(to_plain(config)) if key not in free}
    names = iter(entry.folder.name for entry in prepared)
    return Common(
        run=run.path,
        settings={"extend": given.extend, **settings},
        cases={part: [next(names) for _ in members] for part, members in cases.items()},
        checkpoint=None if checkpoint is None else f"{checkpoint.name} {_seal(checkpoint)}",
    )


def _seal(checkpoint: Path) -> str:
    """Short hash of the end of a checkpoint, where its checksum is."""
    with checkpoint.open("rb") as file:
        file.seek(-min(_SEAL_BYTES, checkpoint.stat().st_size), 2)
        return hashlib.sha256(file.read()).hexdigest()[:12]


def _leaves(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping) and content:
        for key, value in content.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, content
