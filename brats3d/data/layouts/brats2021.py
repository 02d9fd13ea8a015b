"""BraTS 2021, and any case with that year's endings and a name of its own."""

from __future__ import annotations

import re

from brats3d.data.layouts import brats2018, brats2020
from brats3d.data.layouts.layout import Found, Layout, some_of
from brats3d.data.layouts.suffixed import find_suffixed
from brats3d.data.layouts.tree import Tree
from brats3d.labels import CONVENTIONS, LabelConvention

_OWN_IDS = re.compile(r"brats2021_.+", re.IGNORECASE)


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    meaning = convention or CONVENTIONS["brats2017"]
    found = find_suffixed(tree, brats2018.UNDERSCORED, meaning)
    unusual = tuple(
        case.case_id
        for case, folder in zip(found.cases, found.folders, strict=True)
        if brats2018.is_own(case.case_id, folder, tree.root) or brats2020.is_own(case.case_id)
    )
    notes = list(found.notes)
    foreign = [c.case_id for c in found.cases if not _OWN_IDS.fullmatch(c.case_id)]
    if convention is None and len(foreign) > len(unusual):
        notes.append(
            f"names that are not BraTS 2021's ({some_of(foreign)}) tell nothing about the label values; "
            f"they are read as {meaning.name!r} (set data.convention if that is wrong)"
        )
    return Found(found.cases, meaning, unusual, tuple(notes))


BRATS2021 = Layout(
    name="brats2021",
    description="BraTS 2021, and other cases with the same endings",
    example="BraTS2021_00006/BraTS2021_00006_t1ce.nii.gz",
    find=_find,
)
