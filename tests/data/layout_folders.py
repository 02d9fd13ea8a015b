"""Folders of empty files in each layout, for the tests of the layouts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

UNDERSCORED = ("t1", "t1ce", "t2", "flair", "seg")
DASHED = ("t1n", "t1c", "t2w", "t2f", "seg")
MSD_JSON = {
    "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
    "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
}
NNUNET_JSON = {
    "channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"},
    "labels": {
        "background": 0,
        "whole tumor": [1, 2, 3],
        "tumor core": [2, 3],
        "enhancing tumor": [3],
    },
    "regions_class_order": [1, 2, 3],
    "file_ending": ".nii.gz",
}


def touch(root: Path, names: Iterable[str]) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def add_case(
    folder: Path, case_id: str, endings: Iterable[str] = UNDERSCORED, suffix: str = ".nii.gz"
) -> None:
    joint = "_" if set(endings) & {"t1", "t1ce", "t2", "flair"} else "-"
    touch(folder / case_id, [f"{case_id}{joint}{ending}{suffix}" for ending in endings])


def write_json(root: Path, content: Any) -> None:
    (root / "dataset.json").write_text(json.dumps(content))


def make_brats2018(root: Path) -> None:
    add_case(root / "HGG", "Brats18_TCIA01_150_1")
    add_case(root / "HGG", "BraTS19_CBICA_AAB_1")
    add_case(root / "LGG", "Brats18_2013_0_1")
    touch(root, ["survival_data.csv"])


def make_brats2020(root: Path) -> None:
    folder = root / "MICCAI_BraTS2020_TrainingData"
    add_case(folder, "BraTS20_Training_001", suffix=".nii")
    add_case(folder, "BraTS20_Training_355", UNDERSCORED[:4], suffix=".nii")
    touch(folder / "BraTS20_Training_355", ["W39_1998.09.19_Segm.nii"])
    add_case(folder, "BraTS20_Training_369")


def make_brats2021(root: Path) -> None:
    for number in range(3):
        add_case(root, f"BraTS2021_{number:05d}")


def make_brats2023(root: Path) -> None:
    for case_id in ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001", "BraTS-MET-00110-000", "BraTS-GoAT-00001"):
        add_case(root, case_id, DASHED)


def make_msd(root: Path) -> None:
    touch(root, ["imagesTr/BRATS_001.nii.gz", "imagesTr/BRATS_002.nii.gz", "imagesTs/BRATS_485.nii.gz"])
    touch(root, ["labelsTr/BRATS_001.nii.gz", "labelsTr/BRATS_002.nii.gz", "imagesTr/._BRATS_001.nii.gz"])
    write_json(root, MSD_JSON)


def make_nnunet(root: Path) -> None:
    for case_id in ("BraTS-GLI-00005-000", "case_02"):
        touch(root / "imagesTr", [f"{case_id}_{channel:04d}.nii.gz" for channel in range(4)])
        touch(root / "labelsTr", [f"{case_id}.nii.gz"])
    write_json(root, NNUNET_JSON)


MAKERS = {
    "brats2018": make_brats2018,
    "brats2020": make_brats2020,
    "brats2021": make_brats2021,
    "brats2023": make_brats2023,
    "msd": make_msd,
    "nnunet": make_nnunet,
}
