"""Many files that belong together: all of them appear, or none."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from brats3d.errors import output_error
from brats3d.files import make_folder


@contextlib.contextmanager
def staged(output: Path, *, remove: Sequence[str] = ()) -> Iterator[Path]:
    """Yield a folder to write into; what is in it moves to ``output`` when the block succeeds.

    On any error nothing is written, and folders that were made for it are removed.

    Args:
        output: Final folder; files of the same names in it are replaced.
        remove: Names of files in it that go when the new ones come.

    Raises:
        OutputError: The folder cannot be written to.
    """
    missing = [folder for folder in (output, *output.parents) if not folder.exists()]
    make_folder(output)
    try:
        stage = Path(tempfile.mkdtemp(prefix=".", dir=output))
    except OSError as error:
        raise output_error(output, error) from error
    try:
        yield stage
        _move(stage, output, remove)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        for folder in missing:
            with contextlib.suppress(OSError):  # it is not empty: the block succeeded
                folder.rmdir()


def _move(stage: Path, output: Path, remove: Sequence[str]) -> None:
    try:
        for name in remove:
            (output / name).unlink(missing_ok=True)
        # In the order they were written: what lists the others came last.
        for file in sorted(stage.iterdir(), key=lambda file: file.stat().st_mtime_ns):
            os.replace(file, output / file.name)
    except OSError as error:
        raise output_error(output, error) from error
