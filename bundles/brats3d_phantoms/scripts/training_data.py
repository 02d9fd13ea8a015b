# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Cases with label maps, as samples to train on and volumes to validate with."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scripts.core.assembly.slice_ranges import slice_range
from scripts.saved_labels import convention_of_file
from scripts.siblings import convention_of, find_case, find_cases
from scripts.core.cases import Case
from scripts.core.data.datasets import PatchDataset, SliceDataset
from scripts.core.data.layouts.visits import patient_and_visit
from scripts.core.data.splits import split_by_fractions
from scripts.core.data.store import PreparedStore, StoredCase
from scripts.core.errors import DataError
from scripts.core.inference.slices import SLICE_AXES
from scripts.core.transforms.augmentation import build_augmentation
from scripts.core.transforms.preprocessing import Preprocessing
from scripts.core.transforms.transplantation import Transplantation
from scripts.core.workflows.prepared_case import find_prepared, prepare_case

logger = logging.getLogger(__name__)
Item = dict[str, Any]
Parts = dict[str, list[Item]]


def labelled_parts(
    folder: str,
    modalities: Sequence[str],
    labels: Mapping[str, Any],
    validation: float,
    list_file: str | None = None,
    seed: int = 0,
) -> Parts:
    """Part cases with label maps into ``training`` and ``validation``, by patient.

    Args:
        folder: Where the cases are; paths in ``list_file`` start there.
        modalities: Modalities of the model, in channel order.
        labels: Label convention in its JSON form.
        validation: Patients for validation: a share below 1, or a number.
        list_file: JSON file of a MONAI data list: items with ``image`` and ``label`` under
            ``training`` and, if somebody has parted them already, ``validation``.
        seed: Seed of the choice.

    Raises:
        DataError: There is no case with a label map, or the list is torn.
    """
    listed = {"training": find_cases(folder, modalities)} if list_file is None else _read(list_file, folder)
    parts = {part: [item for item in items if item.get("label")] for part, items in listed.items()}
    training, chosen = parts.get("training", []), parts.get("validation", [])
    if not training:
        raise DataError(
            "no case with a label map",
            where=list_file or folder,
            expected="CASE_seg.nii.gz beside the images of a case, or a data list with `label`",
            remedy="set dataset_dir, or data_list_file, to cases with label maps",
        )
    if chosen or not validation:
        return {"training": training, "validation": chosen}
    convention = convention_of(labels)
    cases: dict[str, tuple[Case, Item]] = {}
    for item in training:
        case = find_case(item["image"], modalities, convention, item["label"])
        cases[case.case_id] = dataclasses.replace(case, patient=patient_and_visit(case.case_id)[0]), item
    split = split_by_fractions([case for case, _ in cases.values()], val=validation, test=0, seed=seed)
    return {
        "training": [cases[name][1] for name in split.train],
        "validation": [cases[name][1] for name in split.val],
    }


def _read(list_file: str, folder: str) -> dict[str, list[Item]]:
    try:
        content = json.loads(Path(list_file).read_text(encoding="utf-8"))
        return {
            part: [{key: _below(folder, item[key]) for key in ("image", "label")} for item in content[part]]
            for part in ("training", "validation")
            if part in content
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "cannot read the data list",
            where=list_file,
            got=f"{type(error).__name__}: {error}",
            expected='{"training": [{"image": ..., "label": ...}, ...]}',
        ) from error


def _below(folder: str, paths: Any) -> Any:
    if isinstance(paths, list):
        return [_below(folder, path) for path in paths]
    return str(Path(folder) / paths)


class Preparation:
    """Prepares labelled cases, each once, and keeps them in a folder.

    Args:
        labels: Label convention in its JSON form.
        folder: Where they are kept; may be removed at any time when no training runs.
        settings: Preprocessing of the run.
    """

    def __init__(self, labels: Mapping[str, Any], folder: str, **settings: Any) -> None:
        self.convention = convention_of(labels)
        self.store = PreparedStore(Path(folder))
        self.store.sweep()
        self.preprocessing = Preprocessing(**settings)

    def __call__(self, item: Item) -> StoredCase:
        """Return the prepared form of a case, given ``image`` and ``label`` (paths).

        Raises:
            DataError: A file is missing, torn or inconsistent with the others.
        """
        modalities = self.preprocessing.modalities
        convention = convention_of_file(item["label"], self.convention)
        case = find_case(item["image"], modalities, convention, item["label"])
        case.require(modalities, label=True)
        known = find_prepared(case, self.preprocessing, self.store)
        if known is None:
            logger.info("preparing %s", case.case_id)
        return known or prepare_case(case, self.preprocessing, self.store)


class TrainingSamples(Dataset[dict[str, Tensor]]):
    """Patches, or slices where ``slices`` is given, drawn as the run drew them.

    A sample is ``image`` float32 ``(C, *S)`` and ``label``, class indices uint8 ``(1, *S)``.

    Args:
        data: Cases: ``image`` and ``label`` (paths).
        preparation: Prepares them.
        size: Size of a sample in voxels.
        foreground: Share of samples centred on a tumour voxel.
        empty: Share of the others that is kept where they show no tumour.
        augmentation: Settings of the augmentation.
        transplantation: Settings of the transplantation of tumours, or None.
        slices: ``axis``, ``first`` and ``last`` slice for networks of slices, else None.
        seed: Seed of everything drawn.

    Raises:
        DataError: No case, or one that cannot be read.
    """

    def __init__(
        self,
        data: Sequence[Item],
        preparation: Preparation,
        *,
        size: Sequence[int],
        foreground: float,
        empty: float,
        augmentation: Mapping[str, Any],
        transplantation: Mapping[str, Any] | None,
        slices: Mapping[str, Any] | None,
        seed: int,
    ) -> None:
        if not data:
            raise DataError(
                "no case with a label map to train on",
                remedy="label a case, or lower the share for validation",
            )
        cases = [preparation(item) for item in data]
        shared: dict[str, Any] = {
            "size": size,
            "foreground": foreground,
            "empty": empty,
            "augmentation": build_augmentation(len(size), **augmentation),
            "seed": seed,
        }
        self.samples: PatchDataset | SliceDataset
        if slices is None:
            mixing = None if transplantation is None else Transplantation(**transplantation)
            self.samples = PatchDataset(cases, mixing=mixing, **shared)
        else:
            axis = SLICE_AXES[slices["axis"]]
            ranges = [slice_range(case, axis, slices["first"], slices["last"]) for case in cases]
            self.samples = SliceDataset(cases, axis=axis, ranges=ranges, **shared)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Make the sample of a running number."""
        sample = self.samples[number]
        return {"image": sample["image"], "label": sample["classes"]}


class ValidationVolumes(Dataset[dict[str, Tensor]]):
    """Whole prepared cases: ``image`` float32 ``(C, *S)``, ``label`` class indices uint8 ``(1, *S)``.

    Args:
        data: Cases: ``image`` and ``label`` (paths); may be empty.
        preparation: Prepares them.
    """

    def __init__(self, data: Sequence[Item], preparation: Preparation) -> None:
        self.cases = [preparation(item) for item in data]

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Read one case."""
        case = self.cases[index]
        image = torch.from_numpy(np.asarray(case.image(), dtype=np.float32))
        return {"image": image, "label": torch.from_numpy(np.array(case.classes())[None])}
