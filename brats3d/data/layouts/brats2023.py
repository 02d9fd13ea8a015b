"""BraTS 2023 and 2024: GLI, MEN, MET, SSA, PED, GoAT; patient and visit are in the name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from brats3d.cases import Case
from brats3d.data.layouts.layout import Found, Layout, some_of
from brats3d.data.layouts.suffixed import find_suffixed
from brats3d.data.layouts.tree import Tree
from brats3d.labels import CONVENTIONS, LabelConvention

_NAMES = re.compile(r"(?P<case>.+)-(?P<ending>t1n|t1c|t2w|t2f|seg)\.nii(?:\.gz)?")
# Glioma visits are numbered from 000 before treatment (2023) and from 100 after it (2024).
_FIRST_POST_TREATMENT_VISIT = 100


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    found = find_suffixed(tree, _NAMES, convention or CONVENTIONS["brats2023"])
    meaning, notes = (convention, []) if convention else _convention_of(found.cases)
    if meaning != CONVENTIONS["brats2023"] and convention is None:
        found = find_suffixed(tree, _NAMES, meaning)
    return Found(found.cases, meaning, notes=(*found.notes, *notes))


def _convention_of(cases: Sequence[Case]) -> tuple[LabelConvention, list[str]]:
    """Choose the convention from the case names, and say what the names leave open."""
    notes = []
    meaning = CONVENTIONS["brats2023"]
    treated = [case.case_id for case in cases if _is_post_treatment(case)]
    if treated:
        meaning = CONVENTIONS["brats2024-gli"]
        notes.append(
            f"glioma visits from {_FIRST_POST_TREATMENT_VISIT} on ({some_of(treated)}) are post-treatment "
            f"cases of BraTS 2024, so all labels are read as {meaning.name!r}: as 'brats2023', and 4 is the "
            "resection cavity (set data.convention if that is wrong)"
        )
    paediatric = [case.case_id for case in cases if "-PED-" in case.case_id]
    if paediatric:
        notes.append(
            f"the names of paediatric cases ({some_of(paediatric)}) do not tell 2023 from 2024, whose label "
            f"values mean other tissues; they are read as {meaning.name!r} "
            "(set data.convention to brats2024-ped for the 2024 release)"
        )
    return meaning, notes


def _is_post_treatment(case: Case) -> bool:
    return "-GLI-" in case.case_id and case.visit != "" and int(case.visit) >= _FIRST_POST_TREATMENT_VISIT


BRATS2023 = Layout(
    name="brats2023",
    description="BraTS 2023 and 2024 (GLI, MEN, MET, SSA, PED, GoAT)",
    example="BraTS-GLI-00005-100/BraTS-GLI-00005-100-t1c.nii.gz",
    find=_find,
)
