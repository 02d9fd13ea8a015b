"""Prepare the cases of a data set, before the training that needs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brats3d import assembly
from brats3d.config import PrepareConfig
from brats3d.data.store import PreparedStore, StoredCase
from brats3d.errors import ConfigError
from brats3d.workflows.preparation import prepare_cases, store_folder


@dataclass(frozen=True)
class PrepareResult:
    """Prepared cases.

    Attributes:
        store: Folder they are kept in.
        cases: One for each case of the data set.
    """

    store: Path
    cases: tuple[StoredCase, ...]

    @property
    def size_mib(self) -> float:
        """Space that they take on the disk."""
        files = (file for case in self.cases for file in case.folder.iterdir())
        return sum(file.stat().st_size for file in files) / 2**20


def prepare(config: PrepareConfig) -> PrepareResult:
    """Prepare each case that a training would use once; those that the store has are found again.

    Args:
        config: As of the training; sections that say nothing about data and preprocessing do not count.

    Raises:
        ConfigError: No data set is named, or a setting cannot work.
        LayoutError: There is no data set.
        DataError: A file is missing, torn or inconsistent.
        OutputError: The store cannot be written to.
    """
    if config.data.root is None:
        raise ConfigError(
            "no data set to prepare", where="data.root", remedy="name its folder: --data.root DIR"
        )
    labelled = assembly.needs_label_maps(config)
    found = assembly.discover_cases(config.data, config.data.root)
    found = found.for_training() if labelled else found
    store = PreparedStore(store_folder(config.store or config.data.store, config.folder))
    preprocessing = assembly.build_preprocessing(config)
    cases = prepare_cases(
        found.cases, preprocessing, store, config.jobs, verify=config.verify, labelled=labelled
    )
    return PrepareResult(store.folder, tuple(cases))
