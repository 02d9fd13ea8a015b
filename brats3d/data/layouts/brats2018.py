"""BraTS 2017, 2018 and 2019: cases sorted into HGG and LGG (the validation sets are not)."""

from __future__ import annotations

import re
from pathlib import Path

from brats3d.data.layouts.layout import Found, Layout
from brats3d.data.layouts.suffixed import below_root, find_suffixed
from brats3d.data.layouts.tree import Tree
from brats3d.labels import CONVENTIONS, LabelConvention

UNDERSCORED = re.compile(r"(?P<case>.+)_(?P<ending>t1|t1ce|t2|flair|seg)\.nii(?:\.gz)?")
_OWN_IDS = re.compile(r"brats1[789]_.+", re.IGNORECASE)
_GRADES = frozenset({"HGG", "LGG"})


def is_own(case_id: str, folder: str, root: Path) -> bool:
    """Whether a case has a name of these years or lies below a grade folder."""
    return bool(_OWN_IDS.fullmatch(case_id)) or not _GRADES.isdisjoint(below_root(folder, root))


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    meaning = convention or CONVENTIONS["brats2017"]
    found = find_suffixed(tree, UNDERSCORED, meaning)
    unusual = tuple(
        case.case_id
        for case, folder in zip(found.cases, found.folders, strict=True)
        if not is_own(case.case_id, folder, tree.root)
    )
    return Found(found.cases, meaning, unusual, tuple(found.notes))


BRATS2018 = Layout(
    name="brats2018",
    description="BraTS 2017, 2018, 2019",
    example="HGG/Brats18_CBICA_AAB_1/Brats18_CBICA_AAB_1_t1ce.nii.gz",
    find=_find,
)
