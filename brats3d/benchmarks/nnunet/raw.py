"""A data set in the form in which nnU-Net reads it, made with links where the files will do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brats3d.benchmarks.nnunet.plans import dataset_json
from brats3d.cases import Case
from brats3d.imaging import read_volume, write_image, write_label_map
from brats3d.labels import REGIONS

FILE_ENDING = ".nii.gz"


def write_raw(cases: Sequence[Case], folder: Path, modalities: Sequence[str]) -> dict[str, Any]:
    """Make ``imagesTr``, ``labelsTr`` and ``dataset.json`` of labelled cases.

    Args:
        cases: Cases with all ``modalities`` and a label map of ET, TC and WT.
        folder: Folder of the data set, such as ``nnUNet_raw/Dataset001_BraTS``.
        modalities: Channels in their order.

    Returns:
        Content of ``dataset.json``.

    Raises:
        DataError: A file of a case cannot be read, or a label value is unknown.
    """
    for sub in ("imagesTr", "labelsTr"):
        (folder / sub).mkdir(parents=True)
    for case in cases:
        write_images(case, folder / "imagesTr", modalities)
        write_labels(case, folder / "labelsTr" / f"{case.case_id}{FILE_ENDING}")
    content = dataset_json(modalities, len(cases), file_ending=FILE_ENDING)
    (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return content


def write_images(case: Case, folder: Path, modalities: Sequence[str]) -> tuple[Path, ...]:
    """Link the images of a case, one file for each channel, named as nnU-Net wants them.

    Files of another format, and those that hold several modalities, are copied instead.

    Returns:
        The files in the order of ``modalities``.
    """
    files = tuple(folder / f"{case.case_id}_{number:04d}{FILE_ENDING}" for number in range(len(modalities)))
    for file, modality in zip(files, modalities, strict=True):
        image, channel = case.images[modality], case.channels.get(modality)
        if channel is None and image.name.endswith(FILE_ENDING):
            file.symlink_to(image.resolve())
        else:
            voxels, geometry = read_volume(image, channel=channel)
            write_image(file, voxels, geometry, overwrite=False)
    return files


def write_labels(case: Case, file: Path) -> None:
    """Write a case's label map with the values of :data:`~brats3d.benchmarks.nnunet.plans.LABELS`."""
    assert case.label is not None
    assert case.convention.regions == REGIONS
    voxels, geometry = read_volume(case.label)
    regions = case.convention.to_regions(case.convention.check(voxels, case.label))
    # Oedema lies in one region, the core in two, its enhancing part in all three.
    write_label_map(file, regions.sum(axis=0, dtype="uint8"), geometry, overwrite=False)
