"""The cases that a training is made on: found, parted and prepared."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import FitConfig
from brats3d.data.discovery import Discovery
from brats3d.data.phantom import PhantomParameters
from brats3d.data.splits import Split
from brats3d.data.store import PreparedStore, StoredCase
from brats3d.errors import ConfigError, RunError
from brats3d.workflows.phantom_sets import phantom_folder, phantom_layout
from brats3d.workflows.preparation import prepare_cases, store_folder
from brats3d.workflows.prepared_case import presence_in_store
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.synthesize import synthesize

logger = logging.getLogger(__name__)
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class TrainingCases:
    """Cases of a training.

    Attributes:
        found: All cases of the data set.
        split: Case ids of each part.
        parts: Cases of each part, ``train``, ``val`` and ``test``.
    """

    found: Discovery
    split: Split
    parts: Mapping[str, Sequence[Case]]

    def held_out(self) -> tuple[str | None, Sequence[Case]]:
        """Test cases, else validation cases, else none; and which of these they are."""
        part = next((name for name in ("test", "val") if self.parts[name]), None)
        return part, [] if part is None else self.parts[part]

    def prepared(self, config: FitConfig) -> list[StoredCase]:
        """Prepared form of the cases of all parts, in their order, as far as need be prepared now.

        Test cases too: a file that cannot be used shall be found before the training, not after it.

        Raises:
            DataError: A file of a case is missing, torn or inconsistent.
            OutputError: The store cannot be written to.
        """
        preprocessing, store = assembly.build_preprocessing(config), _store(config)
        cases = [case for part in PARTS for case in self.parts[part]]
        return prepare_cases(cases, preprocessing, store, labelled=assembly.needs_label_maps(config))


def choose_cases(config: FitConfig, resumed: RunFolder | None) -> TrainingCases:
    """Find the cases of a training, and part them as configured or as a run that is resumed had them.

    Raises:
        Brats3dError: What is wrong with data set, table or settings.
    """
    found = find_cases(config)
    known = presence_in_store(assembly.build_preprocessing(config), _store(config))
    split = resumed.split() if resumed else assembly.split_cases(config.split, found.cases, known)
    return TrainingCases(found, split, _parts(split, found.cases, resumed))


def _store(config: FitConfig) -> PreparedStore:
    return PreparedStore(store_folder(config.data.store, config.folder))


def find_cases(config: FitConfig) -> Discovery:
    """Cases of the data set, or phantoms (made on first use) when none is named.

    Raises:
        LayoutError: No data set there, or more than one kind fits.
        DataError: A case lacks a modality, or a label map where the training needs one.
        ConfigError: Unknown layout or convention.
    """
    if config.data.root is not None:
        found = assembly.discover_cases(config.data, config.data.root)
    else:
        found = assembly.discover_cases(config.data, _phantoms(config))
    labelled = assembly.needs_label_maps(config)
    found = found.for_training() if labelled else found
    for note in found.notes:
        logger.info(note)
    modalities = assembly.modalities(config)
    for case in found.cases:
        case.require(modalities, label=labelled)
    return found


def _phantoms(config: FitConfig) -> Path:
    chosen, layout, root = config.data.phantoms, phantom_layout(config.data), phantom_folder(config)
    complete = root / ".complete"
    if not complete.exists():
        shutil.rmtree(root, ignore_errors=True)  # what an interrupted session left
        logger.info("no data.root: making %d phantoms", chosen.cases)
        synthesize(
            root,
            cases=chosen.cases,
            layout=layout,
            size=chosen.size,
            seed=chosen.seed,
            parameters=PhantomParameters(probability_without_et=chosen.without_et),
            quiet=True,
        )
        complete.touch()
    return root


def _parts(split: Split, cases: Sequence[Case], resumed: RunFolder | None) -> dict[str, list[Case]]:
    """Cases of each part.

    Raises:
        ConfigError: Nothing is left to train on.
        RunError: A resumed run names a case that is gone.
    """
    if not split.train:
        raise ConfigError(
            "no case is left for training",
            where="split",
            got=f"{len(split.val)} validation and {len(split.test)} test cases",
            remedy="lower split.val and split.test",
        )
    known = {case.case_id: case for case in cases}
    gone = [name for part in PARTS for name in getattr(split, part) if name not in known]
    if gone:
        raise RunError(
            "a case of the run is no longer in the data set",
            where=gone[0],
            got=f"{len(gone)} missing cases" + (f" of {resumed.path}" if resumed else ""),
            remedy="bring the data set back to what it was when the run began",
        )
    return {part: [known[name] for name in getattr(split, part)] for part in PARTS}
