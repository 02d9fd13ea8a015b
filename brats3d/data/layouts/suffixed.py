"""Cases whose files are the case's name and an ending: ``CASE_t1.nii.gz``, ``CASE-t1n.nii.gz``."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from brats3d.cases import MODALITIES, Case, modality_named
from brats3d.data.layouts.tree import Listing, Tree
from brats3d.data.layouts.visits import patient_and_visit
from brats3d.labels import LabelConvention

LABEL_ENDING = "seg"


@dataclass
class SuffixedCases:
    """What was found.

    Attributes:
        cases: Cases with at least one image.
        folders: Folder of each case, parallel to ``cases``.
        notes: Files that were left aside.
    """

    cases: list[Case] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_suffixed(
    tree: Tree,
    names: re.Pattern[str],
    convention: LabelConvention,
    odd_label: re.Pattern[str] | None = None,
) -> SuffixedCases:
    """Collect the cases of one naming, at any depth.

    The files' names decide, not the folder's: one case folder, nested ones and a flat one all do.

    Args:
        tree: Folder to look in.
        names: File names, with the groups ``case`` and ``ending`` (a modality or ``seg``).
        convention: Convention the cases get.
        odd_label: Names of label maps outside the naming, taken when their folder has one case
            and that has no label map.
    """
    found = SuffixedCases()
    for folder, listing in tree.walk():
        groups = dict(_groups(listing, names, found.notes))
        for case_id, files in groups.items():
            label = files.pop(LABEL_ENDING, None)
            if not files:
                continue
            if label is None and odd_label is not None and len(groups) == 1:
                label = next(filter(odd_label.fullmatch, listing.files), None)
            patient, visit = patient_and_visit(case_id)
            images = {modality_named(ending): Path(folder, name) for ending, name in files.items()}
            found.folders.append(folder)
            found.cases.append(
                Case(
                    case_id=case_id,
                    patient=patient,
                    images={modality: images[modality] for modality in MODALITIES if modality in images},
                    convention=convention,
                    visit=visit,
                    label=None if label is None else Path(folder, label),
                )
            )
    return found


def _groups(
    listing: Listing, names: re.Pattern[str], notes: list[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each case of one folder with its files by ending."""
    groups: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name in listing.files:
        match = names.fullmatch(name)
        if match is None:
            continue
        files = groups[match["case"]]
        if match["ending"] in files:
            # Sorted names put .nii before .nii.gz; the compressed file is the one as distributed.
            notes.append(f"{files[match['ending']]} is not read, since {name} lies beside it")
        files[match["ending"]] = name
    yield from groups.items()


def below_root(folder: str, root: Path) -> tuple[str, ...]:
    """Names of the folders from ``root`` (included) down to ``folder``."""
    relative = os.path.relpath(folder, root)
    return (root.name, *(part for part in relative.split(os.sep) if part != "."))
