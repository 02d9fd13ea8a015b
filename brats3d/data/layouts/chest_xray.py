"""Chest X-rays with lung masks: Montgomery as published, and with Shenzhen as on Kaggle.

The case name ends in 0 for a normal chest and in 1 for tuberculosis.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from brats3d.cases import Case
from brats3d.data.layouts.layout import Found, Layout, some_of
from brats3d.data.layouts.masks import LUNG_MASK
from brats3d.data.layouts.tree import Tree
from brats3d.labels import LabelConvention

IMAGE_FOLDER = "CXR_png"
MASK_FOLDER = "masks"
MANUAL_FOLDER = "ManualMask"
SIDES = ("left", "right")
_NAMES = re.compile(r"(?P<case>.+)\.png", re.IGNORECASE)
_FINDINGS: Mapping[str, str] = {"0": "normal", "1": "tuberculosis"}


def _find_montgomery(tree: Tree, convention: LabelConvention | None) -> Found | None:
    meaning, cases, notes = convention or LUNG_MASK, [], []
    for base in _bases(tree):
        if MANUAL_FOLDER not in tree.listing(base).folders:
            continue
        left, right = (set(_names(tree, base / MANUAL_FOLDER / f"{side}Mask").values()) for side in SIDES)
        pattern = base / MANUAL_FOLDER / f"{{{','.join(SIDES)}}}Mask"
        both = left & right
        images = _names(tree, base / IMAGE_FOLDER)
        cases += [
            _case(case_id, base / IMAGE_FOLDER / name, pattern / name if name in both else None, meaning)
            for case_id, name in images.items()
        ]
        one_sided = sorted((left ^ right) & set(images.values()))
        if one_sided:
            notes.append(f"masks of one lung alone are not read: {some_of(one_sided)}")
        notes += _masks_without_image((left | right) - set(images.values()))
    return Found(cases, meaning, notes=tuple(notes)) if cases else None


def _find_kaggle(tree: Tree, convention: LabelConvention | None) -> Found | None:
    meaning, cases, notes = convention or LUNG_MASK, [], []
    for base in _bases(tree):
        if MANUAL_FOLDER in tree.listing(base).folders:
            continue
        masks = {
            case_id.removesuffix("_mask"): name for case_id, name in _names(tree, base / MASK_FOLDER).items()
        }
        images = _names(tree, base / IMAGE_FOLDER)
        for case_id, name in images.items():
            mask = base / MASK_FOLDER / masks[case_id] if case_id in masks else None
            cases.append(_case(case_id, base / IMAGE_FOLDER / name, mask, meaning))
        notes += _masks_without_image({name for case_id, name in masks.items() if case_id not in images})
    return Found(cases, meaning, notes=tuple(notes)) if cases else None


def _bases(tree: Tree) -> list[Path]:
    return [Path(folder) for folder, listing in tree.walk() if IMAGE_FOLDER in listing.folders]


def _names(tree: Tree, folder: Path) -> dict[str, str]:
    """File names by what stands before the ending; nothing where there is no such folder."""
    if folder.name not in tree.listing(folder.parent).folders:
        return {}
    return {match["case"]: name for name in tree.listing(folder).files if (match := _NAMES.fullmatch(name))}


def _case(case_id: str, image: Path, mask: Path | None, meaning: LabelConvention) -> Case:
    finding = _FINDINGS.get(case_id.rpartition("_")[2])
    return Case(
        case_id=case_id,
        patient=case_id,
        images={"xray": image},
        convention=meaning,
        label=mask,
        attributes={} if finding is None else {"finding": finding},
    )


def _masks_without_image(names: set[str]) -> list[str]:
    return [f"{len(names)} masks without an image ({some_of(sorted(names))})"] if names else []


MONTGOMERY = Layout(
    name="montgomery",
    description="chest X-rays of Montgomery County with a mask of each lung",
    example="CXR_png/MCUCXR_0001_0.png with ManualMask/leftMask/ and ManualMask/rightMask/",
    find=_find_montgomery,
    local_only=True,
    partly_labelled=True,
    in_pixels=True,
)
CHEST_XRAY = Layout(
    name="chest_xray",
    description="chest X-rays of Shenzhen and Montgomery as on Kaggle (Chest Xray Masks and Labels)",
    example="CXR_png/CHNCXR_0001_0.png with masks/CHNCXR_0001_0_mask.png",
    find=_find_kaggle,
    partly_labelled=True,
    in_pixels=True,
)
