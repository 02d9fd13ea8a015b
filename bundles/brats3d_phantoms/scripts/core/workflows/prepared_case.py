# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""One case in the store of prepared cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from scripts.core.cases import Case
from scripts.core.data.store import Origin, PreparedStore, StoredCase, codec
from scripts.core.errors import DataError
from scripts.core.labels import Region
from scripts.core.transforms.preprocessing import Preprocessing


def find_prepared(case: Case, preprocessing: Preprocessing, store: PreparedStore) -> StoredCase | None:
    """Return the prepared form of a labelled case, or None where the store does not have it.

    Raises:
        DataError: A file of the case is missing.
    """
    return store.look_up(origin_of(case, preprocessing))


def presence_in_store(
    preprocessing: Preprocessing, store: PreparedStore
) -> Callable[[Case, Region], bool | None]:
    """From a case to whether a region occurs in it, as far as its prepared form tells without reading it."""

    def presence(case: Case, region: Region) -> bool | None:
        known = store.known(origin_of(case, preprocessing))
        try:
            present = None if known is None else known.classes_present()
        except DataError:  # of a damaged entry; it is prepared anew later
            return None
        if present is None:
            return None
        members = case.convention.class_table[:, case.convention.region_names.index(region.name)]
        return any(bool(members[index]) for index in present)

    return presence


def prepare_case(case: Case, preprocessing: Preprocessing, store: PreparedStore) -> StoredCase:
    """Return the prepared form of a labelled case; whoever is first prepares it, others wait.

    Raises:
        DataError: A file of the case is missing, torn or inconsistent, or changes meanwhile.
        OutputError: The store cannot be written to.
    """
    done = prepare_unless_busy(case, preprocessing, store, wait=True)
    assert done is not None
    return done.case


class Done(NamedTuple):
    """A case that is prepared.

    Attributes:
        case: Its entry.
        here: Whether it was prepared here, or meanwhile by somebody else.
    """

    case: StoredCase
    here: bool


def prepare_unless_busy(
    case: Case, preprocessing: Preprocessing, store: PreparedStore, *, wait: bool = False
) -> Done | None:
    """Prepare a labelled case and keep it in the store, or return None while somebody else does.

    Raises:
        DataError: A file of the case is missing, torn or inconsistent, or changes meanwhile.
        OutputError: The store cannot be written to.
    """
    origin = origin_of(case, preprocessing)
    if origin.versions and (known := store.look_up(origin)) is not None:
        return Done(known, here=False)  # prepared meanwhile: nothing is fetched
    with case.here(wait=wait) as present:
        return _prepare_here(case, preprocessing, store, origin, wait=wait) if present else None


def _prepare_here(
    case: Case, preprocessing: Preprocessing, store: PreparedStore, origin: Origin, *, wait: bool
) -> Done | None:
    """The same for a case whose files are on this disk."""
    states, key = origin.states(), origin.key(codec())
    with store.turn(case.case_id, key, wait=wait) as mine:
        if not mine:
            return None
        found = store.find(case.case_id, key)
        here = found is None
        if found is None:
            prepared = preprocessing.prepare(case, with_label=case.label is not None)
            if origin.states() != states:
                raise DataError(
                    "a file changed while it was prepared",
                    where=case.case_id,
                    remedy="start again when the data set is complete",
                )
            record = {"restoration": prepared.restoration.to_dict()}
            found = store.write(
                case.case_id, key, image=prepared.image, classes=prepared.classes, record=record
            )
        store.remember(origin, key, states)
        return Done(found, here)


def origin_of(case: Case, preprocessing: Preprocessing) -> Origin:
    """Files and settings of the prepared form of a case."""
    files: dict[str, Path] = {modality: case.images[modality] for modality in preprocessing.modalities}
    files |= {
        role: path for role, path in (("label", case.label), ("mask", case.brain_mask)) if path is not None
    }
    convention = (case.convention.tissues, case.convention.regions, case.channels)
    versions = {role: told for role, path in files.items() if (told := case.version(path))}
    return Origin(case.case_id, files, f"{preprocessing.key()}|{_canonical(convention)}", versions)


def _canonical(value: object) -> str:
    """Text that is the same in every process (sets have no order)."""
    if isinstance(value, Mapping):
        return str(sorted((str(key), _canonical(item)) for key, item in value.items()))
    if isinstance(value, Region):
        return f"{value.name}{sorted(value.tissues)}"
    if isinstance(value, tuple):
        return str([_canonical(item) for item in value])
    return str(value)
