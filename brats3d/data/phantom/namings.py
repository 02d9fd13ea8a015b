"""How each year's data set names its cases and files, for writing phantoms.

Names equal those of the layouts that read them; a layout that covers several releases has one entry
for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brats3d.cases import MODALITIES
from brats3d.labels import BACKGROUND, CONVENTIONS, ET, REGIONS, TC, WT, LabelConvention

_ENDINGS_2023 = {"t1": "t1n", "t1ce": "t1c", "t2": "t2w", "flair": "t2f"}
# Order of the channels in Task01 of the Medical Segmentation Decathlon, with their names there.
_MSD_CHANNELS = {"flair": "FLAIR", "t1": "T1w", "t1ce": "t1gd", "t2": "T2w"}
_MSD_TISSUES = {"ED": "edema", "NET": "non-enhancing tumor", "ET": "enhancing tumour"}
_REGION_NAMES = {ET.name: "enhancing tumor", TC.name: "tumor core", WT.name: "whole tumor"}


@dataclass(frozen=True)
class CaseFiles:
    """Where a case goes.

    Attributes:
        images: Modality to file; one 4-D file for all, in this order, when the paths are the same.
        label: Label map.
    """

    images: Mapping[str, Path]
    label: Path

    @property
    def home(self) -> Path:
        """Folder of the case where it has its own, else its first image."""
        first = next(iter(self.images.values()))
        return first.parent if first.parent == self.label.parent else first


@dataclass(frozen=True)
class Naming:
    """One way to name and place the files of a data set.

    Attributes:
        layout: Layout that finds the cases again.
        convention: Label values that are written.
        case_id: Name of a case from patient (from 0), visit (from 0) and whether labels are written.
        place: Files of a case below the root, from its name, whether labels are written, and
            whether the tumour enhances.
        has_visits: Whether a case name has a part for the visit.
        describe: Content of ``dataset.json`` from the case names and whether labels are written.
    """

    layout: str
    convention: LabelConvention
    case_id: Callable[[int, int, bool], str]
    place: Callable[[Path, str, bool, bool], CaseFiles]
    has_visits: bool = False
    describe: Callable[[list[str], bool], dict[str, Any]] | None = None


def _letters(number: int) -> str:
    """Three letters, AAA, AAB, …, as centres number their patients."""
    return "".join(chr(ord("A") + number // 26**place % 26) for place in (2, 1, 0))


def _in_folder(folder: Path, case_id: str, joint: str, endings: Mapping[str, str], suffix: str) -> CaseFiles:
    images = {m: folder / f"{case_id}{joint}{endings[m]}{suffix}" for m in MODALITIES}
    return CaseFiles(images, folder / f"{case_id}{joint}seg{suffix}")


def _own_folder(joint: str, endings: Mapping[str, str], suffix: str) -> Callable[..., CaseFiles]:
    def place(root: Path, case_id: str, labelled: bool, enhancing: bool) -> CaseFiles:
        return _in_folder(root / case_id, case_id, joint, endings, suffix)

    return place


def _by_grade(root: Path, case_id: str, labelled: bool, enhancing: bool) -> CaseFiles:
    # The validation sets of these years are not sorted by grade.
    grade = ("HGG" if enhancing else "LGG") if labelled else ""
    return _in_folder(root / grade / case_id, case_id, "_", _PLAIN, ".nii.gz")


def _subset(labelled: bool) -> str:
    return "Tr" if labelled else "Ts"


def _msd_place(root: Path, case_id: str, labelled: bool, enhancing: bool) -> CaseFiles:
    name, subset = f"{case_id}.nii.gz", _subset(labelled)
    image = root / f"images{subset}" / name
    return CaseFiles(dict.fromkeys(_MSD_CHANNELS, image), root / f"labels{subset}" / name)


def _msd_json(case_ids: list[str], labelled: bool) -> dict[str, Any]:
    images = [f"./images{_subset(labelled)}/{case_id}.nii.gz" for case_id in case_ids]
    labels = [f"./labelsTr/{case_id}.nii.gz" for case_id in case_ids]
    training = [{"image": i, "label": m} for i, m in zip(images, labels, strict=True)] if labelled else []
    tissues = {str(v): _MSD_TISSUES[t] for v, t in CONVENTIONS["msd-task01"].tissues.items()}
    return {
        "name": "phantoms",
        "description": "made-up brain tumours",
        "tensorImageSize": "4D",
        "modality": {str(index): name for index, name in enumerate(_MSD_CHANNELS.values())},
        "labels": {"0": BACKGROUND, **tissues},
        "numTraining": len(training),
        "numTest": 0 if labelled else len(images),
        "training": training,
        "test": [] if labelled else images,
    }


def _nnunet_place(root: Path, case_id: str, labelled: bool, enhancing: bool) -> CaseFiles:
    subset = _subset(labelled)
    images = root / f"images{subset}"
    return CaseFiles(
        {modality: images / f"{case_id}_{index:04d}.nii.gz" for index, modality in enumerate(MODALITIES)},
        root / f"labels{subset}" / f"{case_id}.nii.gz",
    )


def _nnunet_json(case_ids: list[str], labelled: bool) -> dict[str, Any]:
    # Regions from the outermost in; each is written with the value that only its own tissue has.
    tissues = CONVENTIONS["msd-task01"].tissues
    regions = {
        _REGION_NAMES[region.name]: [value for value in sorted(tissues) if tissues[value] in region.tissues]
        for region in sorted(REGIONS, key=lambda region: -len(region.tissues))
    }
    nested = list(regions.values())
    inner: list[list[int]] = [*nested[1:], []]
    order = [next(v for v in own if v not in rest) for own, rest in zip(nested, inner, strict=True)]
    return {
        "channel_names": {str(index): modality for index, modality in enumerate(MODALITIES)},
        "labels": {BACKGROUND: 0, **regions},
        "regions_class_order": order,
        "numTraining": len(case_ids) if labelled else 0,
        "file_ending": ".nii.gz",
    }


_PLAIN = {modality: modality for modality in MODALITIES}

NAMINGS: Mapping[str, Naming] = MappingProxyType(
    {
        "brats2018": Naming(
            "brats2018",
            CONVENTIONS["brats2017"],
            lambda patient, visit, labelled: f"Brats18_CBICA_{_letters(patient)}_{visit + 1}",
            _by_grade,
            has_visits=True,
        ),
        "brats2019": Naming(
            "brats2018",
            CONVENTIONS["brats2017"],
            lambda patient, visit, labelled: f"BraTS19_CBICA_{_letters(patient)}_{visit + 1}",
            _by_grade,
            has_visits=True,
        ),
        "brats2020": Naming(
            "brats2020",
            CONVENTIONS["brats2017"],
            lambda patient, visit, labelled: (
                f"BraTS20_{'Training' if labelled else 'Validation'}_{patient + 1:03d}"
            ),
            _own_folder("_", _PLAIN, ".nii"),
        ),
        "brats2021": Naming(
            "brats2021",
            CONVENTIONS["brats2017"],
            lambda patient, visit, labelled: f"BraTS2021_{patient:05d}",
            _own_folder("_", _PLAIN, ".nii.gz"),
        ),
        "brats2023": Naming(
            "brats2023",
            CONVENTIONS["brats2023"],
            lambda patient, visit, labelled: f"BraTS-GLI-{patient:05d}-{visit:03d}",
            _own_folder("-", _ENDINGS_2023, ".nii.gz"),
            has_visits=True,
        ),
        # Visits after treatment are numbered from 100.
        "brats2024-gli": Naming(
            "brats2023",
            CONVENTIONS["brats2024-gli"],
            lambda patient, visit, labelled: f"BraTS-GLI-{patient:05d}-{100 + visit:03d}",
            _own_folder("-", _ENDINGS_2023, ".nii.gz"),
            has_visits=True,
        ),
        "msd": Naming(
            "msd",
            CONVENTIONS["msd-task01"],
            lambda patient, visit, labelled: f"BRATS_{patient + 1:03d}",
            _msd_place,
            describe=_msd_json,
        ),
        "nnunet": Naming(
            "nnunet",
            CONVENTIONS["msd-task01"],
            lambda patient, visit, labelled: f"PHANTOM_{patient:05d}",
            _nnunet_place,
            describe=_nnunet_json,
        ),
    }
)
