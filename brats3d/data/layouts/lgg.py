"""Lower-grade gliomas of TCGA as slices (``kaggle_3m``): a folder per patient, three sequences as RGB.

Red is T1 before contrast, green FLAIR, blue T1 after contrast. Where a sequence is missing, its channel
repeats FLAIR; nothing but the data set's own list says where. The slices of a patient make one volume.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from brats3d.cases import Case
from brats3d.data.layouts.layout import Found, Layout, some_of
from brats3d.data.layouts.masks import TUMOR_MASK
from brats3d.data.layouts.tree import Tree
from brats3d.imaging.picture_patterns import SLICE
from brats3d.labels import LabelConvention

CHANNELS: Mapping[str, int] = {"t1": 0, "t1ce": 2, "flair": 1}
TABLE = "data.csv"
_NAMES = re.compile(r"(?P<case>.+)_(?P<slice>\d+)(?P<mask>_mask)?\.tif")
_DATED = re.compile(r"(?P<patient>TCGA_\w+?_\w+?)_(?P<visit>\d{8})")
_NOTHING = frozenset({"", "na", "nan"})


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    meaning = convention or TUMOR_MASK
    cases, incomplete, tables = [], [], set()
    for folder, files in tree.walk():
        case_id = Path(folder).name
        found = [
            match for name in files.files if (match := _NAMES.fullmatch(name)) and match["case"] == case_id
        ]
        images = {int(match["slice"]) for match in found if not match["mask"]}
        masks = {int(match["slice"]) for match in found if match["mask"]}
        if not images:
            continue
        if masks and masks != images:
            incomplete.append(f"{case_id} (slice {min(masks ^ images)})")
        if TABLE in tree.listing(Path(folder).parent).files:
            tables.add(Path(folder).parent / TABLE)
        cases.append(_case(Path(folder), meaning, labelled=masks == images))
    if not cases:
        return None
    notes = []
    if incomplete:
        notes.append(
            f"slices without a mask, or the reverse; their cases count as unlabelled: {some_of(incomplete)}"
        )
    for table in sorted(tables):
        rows, problem = _read_table(tree, table)
        cases = [replace(case, attributes=rows.get(case.patient, case.attributes)) for case in cases]
        notes += [problem] if problem else list(_differences(cases, rows))
    return Found(cases, meaning, notes=tuple(notes))


def _case(folder: Path, meaning: LabelConvention, *, labelled: bool) -> Case:
    match = _DATED.fullmatch(folder.name)
    return Case(
        case_id=folder.name,
        patient=match["patient"] if match else folder.name,
        images=dict.fromkeys(CHANNELS, folder / f"{folder.name}_{SLICE}.tif"),
        convention=meaning,
        visit=match["visit"] if match else "",
        label=folder / f"{folder.name}_{SLICE}_mask.tif" if labelled else None,
        channels=CHANNELS,
    )


def _read_table(tree: Tree, table: Path) -> tuple[dict[str, dict[str, str]], str | None]:
    """Rows by patient without empty entries, or why there are none; segmentation does not need them."""
    try:
        rows = list(csv.DictReader(tree.read_text(table).splitlines()))
        patients = [row["Patient"] for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        return {}, f"{TABLE} is not read ({type(error).__name__}); it should have a column Patient"
    said = [{key: text for key, text in row.items() if _says_something(key, text)} for row in rows]
    return dict(zip(patients, said, strict=True)), None


def _says_something(key: str | None, text: object) -> bool:
    return bool(key) and key != "Patient" and isinstance(text, str) and text.strip().lower() not in _NOTHING


def _differences(cases: Sequence[Case], rows: Mapping[str, object]) -> Iterator[str]:
    patients = {case.patient for case in cases}
    absent = sorted(set(rows) - patients)
    unlisted = sorted(patients - set(rows))
    if absent:
        yield f"{len(absent)} rows of {TABLE} without a folder ({some_of(absent)})"
    if unlisted:
        yield f"{len(unlisted)} patients without a row in {TABLE} ({some_of(unlisted)})"


LGG = Layout(
    name="lgg",
    description="lower-grade gliomas of TCGA as RGB slices (kaggle_3m)",
    example="TCGA_CS_4941_19960909/TCGA_CS_4941_19960909_1.tif with ..._1_mask.tif",
    find=_find,
    local_only=True,
    partly_labelled=True,
    in_pixels=True,
)
