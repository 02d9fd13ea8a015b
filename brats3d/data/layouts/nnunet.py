"""nnU-Net raw data sets: one file per channel, ``CASE_0000.nii.gz``, and ``dataset.json``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from brats3d.cases import MODALITIES, Case
from brats3d.data.layouts.dataset_json import convention_of, image_folder, left_out, read_dataset_json
from brats3d.data.layouts.layout import Found, Layout
from brats3d.data.layouts.tree import Tree
from brats3d.data.layouts.visits import patient_and_visit
from brats3d.errors import LayoutError
from brats3d.labels import LabelConvention

_IMAGES = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})\.nii(?:\.gz)?")
_LABELS = re.compile(r"(?P<case>.+?)\.nii(?:\.gz)?")


def is_nnunet(names: Sequence[str]) -> bool:
    """Whether image names end in channel numbers, among them the first channel's."""
    matches = [_IMAGES.fullmatch(name) for name in names]
    return all(matches) and any(match["channel"] == "0000" for match in matches if match)


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    folder = image_folder(tree)
    if folder is None:
        return None
    names = [name for name in tree.listing(folder.path).files if _LABELS.fullmatch(name)]
    if not names or not is_nnunet(names):
        return None
    dataset = read_dataset_json(tree, folder.base)
    meaning = convention or convention_of(dataset, NNUNET.name)
    labels = {
        match["case"]: folder.labels / name
        for name in tree.listing(folder.labels).files
        if (match := _LABELS.fullmatch(name))
    }
    modality_of = {index: modality for modality, index in dataset.channels.items()}
    cases = []
    for case_id, images in _images(names, modality_of, folder.path).items():
        patient, visit = patient_and_visit(case_id)
        cases.append(Case(case_id, patient, images, meaning, visit, labels.get(case_id)))
    return Found(cases, meaning, notes=tuple(left_out(tree, folder)))


def _images(names: Sequence[str], modality_of: dict[int, str], folder: Path) -> dict[str, dict[str, Path]]:
    """Image paths by case and modality, the modalities in their usual order."""
    found: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    for name in names:
        match = _IMAGES.fullmatch(name)
        assert match is not None
        modality = modality_of.get(int(match["channel"]))
        if modality is None:
            raise LayoutError(
                "a channel that dataset.json does not name",
                where=folder / name,
                got=f"channel {match['channel']}",
                expected="one of " + ", ".join(f"{index:04d} ({m})" for index, m in modality_of.items()),
                remedy="add it to channel_names in dataset.json, or remove the file",
            )
        found[match["case"]][modality] = folder / name
    return {
        case_id: {modality: images[modality] for modality in MODALITIES if modality in images}
        for case_id, images in found.items()
    }


NNUNET = Layout(
    name="nnunet",
    description="nnU-Net raw data",
    example="imagesTr/CASE_0000.nii.gz with dataset.json and labelsTr/CASE.nii.gz",
    find=_find,
)
