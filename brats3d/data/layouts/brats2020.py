"""BraTS 2020, compressed or not (the copies on Kaggle are .nii)."""

from __future__ import annotations

import re

from brats3d.data.layouts.brats2018 import UNDERSCORED
from brats3d.data.layouts.layout import Found, Layout
from brats3d.data.layouts.suffixed import find_suffixed
from brats3d.data.layouts.tree import Tree
from brats3d.labels import CONVENTIONS, LabelConvention

_OWN_IDS = re.compile(r"brats20_.+", re.IGNORECASE)
# BraTS20_Training_355 was released with its mask named W39_1998.09.19_Segm.nii.
_ODD_LABEL = re.compile(r".+_segm\.nii(?:\.gz)?", re.IGNORECASE)


def is_own(case_id: str) -> bool:
    """Whether a case has a name of this year."""
    return bool(_OWN_IDS.fullmatch(case_id))


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    meaning = convention or CONVENTIONS["brats2017"]
    found = find_suffixed(tree, UNDERSCORED, meaning, odd_label=_ODD_LABEL)
    unusual = tuple(case.case_id for case in found.cases if not is_own(case.case_id))
    return Found(found.cases, meaning, unusual, tuple(found.notes))


BRATS2020 = Layout(
    name="brats2020",
    description="BraTS 2020",
    example="BraTS20_Training_001/BraTS20_Training_001_t1ce.nii",
    find=_find,
)
