"""Prepare cases once and keep them in the store."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from brats3d.cases import Case
from brats3d.data.store import PreparedStore, StoredCase, fingerprint
from brats3d.labels import Region
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.workflows.messages import progress_over

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
    keys = {case.case_id: _key(case, preprocessing) for case in cases}
    waiting = [case for case in cases if store.find(case.case_id, keys[case.case_id]) is None]

    def prepare(case: Case) -> None:
        prepared = preprocessing.prepare(case, with_label=True)
        store.write(
            case.case_id,
            keys[case.case_id],
            image=prepared.image,
            classes=prepared.classes,
            record={"restoration": prepared.restoration.to_dict()},
        )

    _in_threads(prepare, waiting)
    found = [store.find(case.case_id, keys[case.case_id]) for case in cases]
    return [entry for entry in found if entry is not None]


def _in_threads(prepare: Callable[[Case], None], waiting: Sequence[Case]) -> None:
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


def _key(case: Case, preprocessing: Preprocessing) -> str:
    paths = [case.images[modality] for modality in preprocessing.modalities]
    paths += [path for path in (case.label, case.brain_mask) if path is not None]
    convention = (case.convention.tissues, case.convention.regions, case.channels)
    return fingerprint(paths, f"{preprocessing.key()}|{_canonical(convention)}")


def _canonical(value: object) -> str:
    """Text that is the same in every process (sets have no order)."""
    if isinstance(value, Mapping):
        return str(sorted((str(key), _canonical(item)) for key, item in value.items()))
    if isinstance(value, Region):
        return f"{value.name}{sorted(value.tissues)}"
    if isinstance(value, tuple):
        return str([_canonical(item) for item in value])
    return str(value)


def store_folder(configured: str | None, runs: str) -> Path:
    """Folder of the prepared store: as configured, else ``.prepared`` beside the runs."""
    return Path(configured) if configured is not None else Path(runs) / ".prepared"
