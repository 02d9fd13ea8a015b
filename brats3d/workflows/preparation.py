"""Prepare cases once and keep them in the store."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from brats3d.cases import Case
from brats3d.data.store import PreparedStore, StoredCase
from brats3d.errors import ConfigError
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.workflows.messages import progress_over
from brats3d.workflows.prepared_case import Done, find_prepared, prepare_unless_busy

logger = logging.getLogger(__name__)

_CASE_BYTES = 3 * 2**29
"""What a case takes at most while it is prepared."""
_MOST_UNASKED = 8


def prepare_cases(
    cases: Sequence[Case],
    preprocessing: Preprocessing,
    store: PreparedStore,
    jobs: int | None = None,
    *,
    verify: bool = False,
    labelled: bool = True,
) -> list[StoredCase]:
    """Return the prepared form of cases, preparing those the store does not have.

    Other processes may do the same at the same time: cases are then shared out between them.

    Args:
        cases: Cases.
        preprocessing: Settings.
        store: Where prepared cases are kept.
        jobs: Cases at a time; None: as many as cores and free memory allow.
        verify: Whether to read what is prepared already in full, and prepare what is damaged anew.
        labelled: Whether each must have a label map.

    Raises:
        ConfigError: Less than one case at a time.
        DataError: A file of a case is missing, torn or inconsistent.
        OutputError: The store cannot be written to.
    """
    at_once = _at_once(jobs)
    for case in cases:
        case.require(preprocessing.modalities, label=labelled)
    store.sweep()
    found: dict[str, StoredCase] = {}
    waiting = []
    for case in cases:
        entry = find_prepared(case, preprocessing, store)
        if entry is None or (verify and _is_damaged(entry, store)):
            waiting.append(case)
        else:
            found[case.case_id] = entry
    if waiting:
        found |= _prepare(waiting, preprocessing, store, at_once)
    return [found[case.case_id] for case in cases]


def _prepare(
    cases: Sequence[Case], preprocessing: Preprocessing, store: PreparedStore, at_once: int
) -> dict[str, StoredCase]:
    done = _in_threads(lambda case: prepare_unless_busy(case, preprocessing, store), cases, at_once)
    busy = [case for case in cases if case.case_id not in done]
    if busy:
        logger.info("waiting for another process that prepares %s", ", ".join(case.case_id for case in busy))
        done |= _in_threads(
            lambda case: prepare_unless_busy(case, preprocessing, store, wait=True), busy, at_once
        )
    if here := sum(own.here for own in done.values()):
        logger.info("prepared %d cases", here)
    return {name: own.case for name, own in done.items()}


def _is_damaged(entry: StoredCase, store: PreparedStore) -> bool:
    found = store.verify(entry)
    if found is not None:
        logger.warning("%s is damaged: %s", entry.folder, found)
    return found is not None


def _in_threads(
    prepare: Callable[[Case], Done | None], cases: Sequence[Case], at_once: int
) -> dict[str, Done]:
    """Prepare cases; those that somebody else prepares now are left out."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = {case.case_id: pool.submit(prepare, case) for case in cases}
        try:
            done = {name: futures[name].result() for name in progress_over(list(futures), "preparing cases")}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {name: own for name, own in done.items() if own is not None}


def _at_once(jobs: int | None) -> int:
    if jobs is not None and jobs < 1:
        raise ConfigError("nobody to prepare the cases", where="jobs", got=jobs, expected="1 or more")
    room = max(1, psutil.virtual_memory().available // _CASE_BYTES)
    if jobs is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, _MOST_UNASKED, room)
    if jobs > room:
        logger.warning("%d cases at a time instead of %d: the free memory holds no more", room, jobs)
    return min(jobs, room)


def store_folder(configured: str | None, runs: str) -> Path:
    """Folder of the prepared store: as configured, else ``.prepared`` beside the runs."""
    return Path(configured) if configured is not None else Path(runs) / ".prepared"
