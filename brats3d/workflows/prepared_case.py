"""One case in the store of prepared cases."""

from __future__ import annotations

from collections.abc import Mapping

from brats3d.cases import Case
from brats3d.data.store import PreparedStore, StoredCase, fingerprint
from brats3d.labels import Region
from brats3d.transforms.preprocessing import Preprocessing


def find_prepared(case: Case, preprocessing: Preprocessing, store: PreparedStore) -> StoredCase | None:
    """Return the prepared form of a labelled case, or None where the store does not have it.

    Raises:
        DataError: A file of the case is missing.
    """
    return store.find(case.case_id, _key(case, preprocessing))


def prepare_case(case: Case, preprocessing: Preprocessing, store: PreparedStore) -> StoredCase:
    """Prepare a labelled case and keep it in the store.

    Raises:
        DataError: A file of the case is missing, torn or inconsistent.
        OutputError: The store cannot be written to.
    """
    prepared = preprocessing.prepare(case, with_label=True)
    return store.write(
        case.case_id,
        _key(case, preprocessing),
        image=prepared.image,
        classes=prepared.classes,
        record={"restoration": prepared.restoration.to_dict()},
    )


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
