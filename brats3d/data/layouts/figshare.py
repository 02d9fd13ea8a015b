"""Brain tumours of figshare (Cheng et al. 2015): one contrast-enhanced T1 slice per MATLAB file.

The patient is told by the file alone, so that every file is opened to find the cases, but no image is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from brats3d.cases import Case
from brats3d.data.layouts.layout import Found, Layout
from brats3d.data.layouts.masks import TUMOR_MASK
from brats3d.data.layouts.tree import Tree
from brats3d.errors import DataError
from brats3d.imaging.matlab import read_field, read_text
from brats3d.labels import LabelConvention

STRUCTURE = "cjdata"
DIAGNOSES: Mapping[int, str] = {1: "meningioma", 2: "glioma", 3: "pituitary"}
# cvind.mat has the authors' folds.
_NAMES = re.compile(r"(?P<case>\d+)\.mat")


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    meaning = convention or TUMOR_MASK
    cases = [
        _case(Path(folder, name), match["case"], meaning)
        for folder, listing in tree.walk()
        for name in listing.files
        if (match := _NAMES.fullmatch(name))
    ]
    return Found(cases, meaning) if cases else None


def _case(file: Path, case_id: str, meaning: LabelConvention) -> Case:
    patient = read_text(file / STRUCTURE / "PID")
    if not patient:
        raise DataError(
            "a slice without a patient",
            where=file,
            got=f"an empty {STRUCTURE}/PID",
            expected="the patient's name, since slices of one patient must not be parted",
            remedy="leave the file out",
        )
    return Case(
        case_id=case_id,
        patient=patient,
        images={"t1ce": file / STRUCTURE / "image"},
        convention=meaning,
        label=file / STRUCTURE / "tumorMask",
        attributes={"diagnosis": _diagnosis(file)},
    )


def _diagnosis(file: Path) -> str:
    label = read_field(file / STRUCTURE / "label").ravel()
    if label.size != 1 or float(label[0]) not in DIAGNOSES:
        raise DataError(
            "an unknown kind of tumour",
            where=file,
            got=f"{STRUCTURE}/label is {', '.join(f'{value:g}' for value in label[:3].tolist()) or 'empty'}",
            expected=", ".join(f"{value} ({name})" for value, name in DIAGNOSES.items()),
            remedy="leave the file out",
        )
    return DIAGNOSES[int(label[0])]


FIGSHARE = Layout(
    name="figshare",
    description="brain tumours of figshare, one slice per MATLAB file",
    example="1.mat with cjdata/image, cjdata/tumorMask, cjdata/PID and cjdata/label",
    find=_find,
    local_only=True,
    in_pixels=True,
)
