"""Look-alikes on disk: all of the files of a case, or none."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from brats3d.data.phantom.lookalikes.lookalike import Files, Lookalike, Wanted
from brats3d.errors import OutputError
from brats3d.files import atomic_path


def write_lookalike(
    root: Path,
    lookalike: Lookalike,
    wanted: list[Wanted],
    *,
    jobs: int,
    on_case: Callable[[str], object] | None,
) -> list[Path]:
    """Write the cases and the tables about them.

    Args:
        root: Folder of the data set.
        lookalike: How they are written.
        wanted: The cases.
        jobs: Threads.
        on_case: Called with the name of each case that is written.

    Returns:
        For each case its folder or its first image.

    Raises:
        OutputError: A file exists already, or the folder cannot be written to.
    """
    homes = [root / lookalike.home(case.number) for case in wanted]
    tables = lookalike.tables(len(wanted))
    for path in (*homes, *(root / name for name in tables)):
        if path.exists():
            raise OutputError(
                "the output exists already",
                where=path,
                expected="a folder without these cases",
                remedy="choose another output folder, or remove the data set that is there",
            )

    def write(case: Wanted) -> None:
        _write(root, lookalike.files(case))

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for home, _ in zip(homes, pool.map(write, wanted), strict=True):
                if on_case is not None:
                    on_case(home.stem)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _write(root, tables)
    return homes


def _write(root: Path, files: Files) -> None:
    written: list[Path] = []
    try:
        for name, content in files.items():
            with atomic_path(root / name, overwrite=False) as temporary:
                temporary.write_bytes(content)
            written.append(root / name)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
