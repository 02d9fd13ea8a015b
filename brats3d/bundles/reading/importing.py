"""Modules of a trusted bundle, to be had for as long as it is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """Put a folder first on ``sys.path``, and forget its modules afterwards.

    Bundles call their package ``scripts``, all of them: neither may another one's be found in place of
    this one's, nor this one's by whatever comes next.
    """
    root = str(folder.resolve())
    packages = {path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    names = packages | {path.stem for path in folder.glob("*.py")}

    def theirs() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in names]

    set_aside = {name: sys.modules.pop(name) for name in theirs()}
    sys.path.insert(0, root)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = [entry for entry in sys.path if entry != root]
        for name in theirs():
            del sys.modules[name]
        sys.modules.update(set_aside)
