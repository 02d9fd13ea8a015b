# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Reading the files of a case into one sample, with every check that needs voxels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from numpy.typing import NDArray

from scripts.core.cases import Case
from scripts.core.errors import DataError
from scripts.core.imaging import Geometry, read_geometry, read_volume

LABEL_GEOMETRIES = ("strict", "trust_array")


class LoadCase(Transform):
    """Read the images, label map and brain mask of a case and check them.

    The sample has ``case_id``, ``geometry``, ``image`` (float32 ``(C, X, Y, Z)``) and, where the
    case has them and they are wanted, ``classes`` and ``brain_mask`` (uint8 ``(1, X, Y, Z)``); the
    arrays are MetaTensors in the axes of the files.

    Args:
        modalities: Channels of the image, in this order.
        with_label: Whether to read the label map.
        label_geometry: ``strict``: label map and brain mask must lie on the images' grid.
            ``trust_array``: their headers are ignored as long as the shape agrees.
    """

    def __init__(self, modalities: tuple[str, ...], *, with_label: bool, label_geometry: str) -> None:
        self.modalities = modalities
        self.with_label = with_label
        self.label_geometry = label_geometry

    def __call__(self, case: Case) -> dict[str, Any]:
        """Read one case.

        Raises:
            DataError: A file is missing or torn, grids disagree, voxels are NaN or infinite, or a
                modality is constant.
            LabelError: A label value outside the convention of the case.
        """
        case.require(self.modalities, label=self.with_label)
        image, geometry = self._read_images(case)
        sample = {"case_id": case.case_id, "geometry": geometry, "image": _located(image, geometry)}
        if self.with_label and case.label is not None:
            labels = self._read_on_grid(case, case.label, geometry, "label map")
            classes = case.convention.to_classes(
                case.convention.check(labels, where=f"{case.case_id}: {case.label}")
            )
            sample["classes"] = _located(classes[None], geometry)
        if case.brain_mask is not None:
            mask = self._read_on_grid(case, case.brain_mask, geometry, "brain mask") > 0.5
            _check_not_empty(mask, case)
            sample["brain_mask"] = _located(mask[None].astype(np.uint8), geometry)
        return sample

    def _read_images(self, case: Case) -> tuple[NDArray[np.float32], Geometry]:
        first = case.images[self.modalities[0]]
        geometry = read_geometry(first)
        image = np.empty((len(self.modalities), *geometry.shape), dtype=np.float32)
        for channel, modality in zip(image, self.modalities, strict=True):
            path = case.images[modality]
            # Headers are compared before voxels are read: a wrong shape is reported, not broadcast.
            _check_grid(case, path, read_geometry(path), first, geometry)
            channel[...] = read_volume(path, channel=case.channels.get(modality))[0]
            _check_voxels(case, modality, channel, path)
        return image, geometry

    def _read_on_grid(self, case: Case, path: Path, grid: Geometry, noun: str) -> NDArray[np.float32]:
        found = read_geometry(path)
        if self.label_geometry == "strict" or found.shape != grid.shape:
            difference = grid.difference(found)
            if difference is not None:
                remedy = "export it on the grid of the images"
                if found.shape == grid.shape:
                    remedy += (
                        "; if its voxels line up with theirs all the same (look at both in a viewer that "
                        "ignores headers), set data.label_geometry to trust_array"
                    )
                raise DataError(
                    f"the {noun} lies on another grid than the images",
                    where=f"{case.case_id}: {path}",
                    got=difference,
                    expected=f"the grid of {case.images[self.modalities[0]].name}",
                    remedy=remedy,
                )
        voxels = read_volume(path)[0]
        _check_finite(case, noun, voxels, path)
        return voxels


def _located(array: NDArray[np.generic], geometry: Geometry) -> MetaTensor:
    return MetaTensor(torch.from_numpy(array), affine=torch.from_numpy(geometry.affine.copy()))


def _check_grid(case: Case, path: Path, found: Geometry, first: Path, expected: Geometry) -> None:
    difference = expected.difference(found)
    if difference is not None:
        raise DataError(
            "the modalities of a case lie on different grids",
            where=f"{case.case_id}: {path}",
            got=difference,
            expected=f"the grid of {first.name}",
            remedy="register and resample the modalities to one grid (BraTS cases come so), or leave it out",
        )


def _check_finite(case: Case, noun: str, voxels: NDArray[np.float32], path: Path) -> None:
    # A float64 sum of finite float32 values is finite, and needs no array of its own.
    with np.errstate(invalid="ignore"):
        total = voxels.sum(dtype=np.float64)
    if np.isfinite(total):
        return
    not_a_number = int(np.isnan(voxels).sum())
    infinite = int(np.isinf(voxels).sum())
    raise DataError(
        f"{noun} with voxels that are not numbers",
        where=f"{case.case_id}: {path}",
        got=f"{not_a_number} NaN and {infinite} infinite of {voxels.size} voxels",
        expected="finite values",
        remedy="convert the file again from its source, or leave the case out",
    )


def _check_voxels(case: Case, modality: str, voxels: NDArray[np.float32], path: Path) -> None:
    _check_finite(case, f"{modality} image", voxels, path)
    lowest = float(voxels.min())
    if lowest == float(voxels.max()):
        raise DataError(
            f"{modality} image without content",
            where=f"{case.case_id}: {path}",
            got=f"all voxels are {lowest:g}",
            expected="an image of the head",
            remedy="replace the file, leave the case out, or select a subset in data.modalities",
        )


def _check_not_empty(mask: NDArray[np.bool_], case: Case) -> None:
    if not mask.any():
        raise DataError(
            "empty brain mask",
            where=f"{case.case_id}: {case.brain_mask}",
            got="no voxel above 0.5",
            expected="1 inside the brain, 0 outside",
            remedy="replace the mask, or remove it (the brain is then found from the images)",
        )
