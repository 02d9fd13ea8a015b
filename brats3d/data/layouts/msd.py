"""Medical Segmentation Decathlon, Task01 (brain tumours): one 4-D file with all modalities."""

from __future__ import annotations

import re

from brats3d.cases import MODALITIES, Case
from brats3d.data.layouts.dataset_json import convention_of, image_folder, left_out, read_dataset_json
from brats3d.data.layouts.layout import Found, Layout
from brats3d.data.layouts.nnunet import is_nnunet
from brats3d.data.layouts.tree import Tree
from brats3d.data.layouts.visits import patient_and_visit
from brats3d.labels import CONVENTIONS, LabelConvention

_NAMES = re.compile(r"(?P<case>.+?)\.nii(?:\.gz)?")


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    folder = image_folder(tree)
    if folder is None:
        return None
    names = [match for name in tree.listing(folder.path).files if (match := _NAMES.fullmatch(name))]
    if not names or is_nnunet([match.string for match in names]):
        return None
    dataset = read_dataset_json(tree, folder.base)
    meaning = convention or CONVENTIONS["msd-task01"]
    if convention is None and dataset.labels:
        meaning = convention_of(dataset, MSD.name)
    labels = {
        match["case"]: folder.labels / name
        for name in tree.listing(folder.labels).files
        if (match := _NAMES.fullmatch(name))
    }
    modalities = [modality for modality in MODALITIES if modality in dataset.channels]
    cases = []
    for match in names:
        patient, visit = patient_and_visit(match["case"])
        cases.append(
            Case(
                case_id=match["case"],
                patient=patient,
                images=dict.fromkeys(modalities, folder.path / match.string),
                convention=meaning,
                visit=visit,
                label=labels.get(match["case"]),
                channels={modality: dataset.channels[modality] for modality in modalities},
            )
        )
    return Found(cases, meaning, notes=tuple(left_out(tree, folder)))


MSD = Layout(
    name="msd",
    description="Medical Segmentation Decathlon Task01",
    example="imagesTr/BRATS_001.nii.gz (4-D) with dataset.json and labelsTr/",
    find=_find,
)
