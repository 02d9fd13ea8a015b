"""Prepare cases once and keep them in the store."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from brats3d.cases import Case
from brats3d.data.store import PreparedStore, StoredCase
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.workflows.messages import progress_over
from brats3d.workflows.prepared_case import find_prepared, prepare_case

logger = logging.getLogger(__name__)

# A case takes up to 1.5 GiB while it is prepared; two at a time keep well below the memory limit.
_MOST_THREADS = 2


def prepare_cases(
    cases: Sequence[Case], preprocessing: Preprocessing, store: PreparedStore
) -> list[StoredCase]:
    """Return the prepared form of labelled cases, preparing those the store does not have.

    Args:
        cases: Cases with a label map.
        preprocessing: Settings.
        store: Where prepared cases are kept.

    Raises:
        DataError: A file of a case is missing, torn or inconsistent.
        OutputError: The store cannot be written to.
    """
    for case in cases:
        case.require(preprocessing.modalities, label=True)
    waiting = [case for case in cases if find_prepared(case, preprocessing, store) is None]
    _in_threads(lambda case: prepare_case(case, preprocessing, store), waiting)
    found = [find_prepared(case, preprocessing, store) for case in cases]
    return [entry for entry in found if entry is not None]


def _in_threads(prepare: Callable[[Case], object], waiting: Sequence[Case]) -> None:
    if not waiting:
        return
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(prepare, case) for case in waiting]
        try:
            for future in progress_over(futures, "preparing cases"):
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    logger.info("prepared %d cases", len(waiting))


def store_folder(configured: str | None, runs: str) -> Path:
    """Folder of the prepared store: as configured, else ``.prepared`` beside the runs."""
    return Path(configured) if configured is not None else Path(runs) / ".prepared"
