"""From what a trusted bundle gives to regions: masks of regions, label values, or a channel per class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from brats3d.bundles.reading.channels import output_regions, output_tissues
from brats3d.bundles.reading.folder import BundleFolder
from brats3d.errors import RunError
from brats3d.imaging import Geometry
from brats3d.labels import CONVENTIONS, LabelConvention
from brats3d.postprocessing import Postprocessing


@dataclass(frozen=True)
class OutputMeaning:
    """What the metadata say of the output.

    Attributes:
        convention: Regions and label values.
        regions: Region of each channel, or None: values of the convention, or a channel for each.
    """

    convention: LabelConvention
    regions: tuple[str, ...] | None

    def read(
        self, result: Any, grid: Geometry, bundle: Path
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Read a finished result.

        Args:
            result: ``pred`` after the postprocessing, ``(C, X, Y, Z)``.
            grid: Grid of the case.
            bundle: Folder for messages.

        Returns:
            Class indices, uint8 ``(X, Y, Z)``, and masks of the regions, float32 ``(R, X, Y, Z)``.

        Raises:
            RunError: Another grid than the case's, or channels and values that the metadata do not tell.
        """
        voxels = _on_grid(result, grid, bundle)
        classes = self._classes(voxels, bundle)
        regions = self.convention.class_table[classes]
        return classes, np.moveaxis(regions, -1, 0).astype(np.float32)

    def _classes(self, voxels: NDArray[np.float32], bundle: Path) -> NDArray[np.uint8]:
        channels = len(voxels)
        if self.regions is not None:
            if channels != len(self.regions) or voxels.min() < 0 or voxels.max() > 1:
                raise _not_told(voxels, f"{len(self.regions)} channels from 0 to 1", bundle)
            masks = voxels[[self.regions.index(name) for name in self.convention.region_names]]
            nested = Postprocessing().regions(masks, self.convention, voxel_volume_ml=1e-3)
            return self.convention.classes_from_regions(nested)
        values = np.array([0, *sorted(self.convention.tissues)], dtype=np.uint8)
        if values.tolist() == [*range(channels)]:
            return self.convention.to_classes(values[voxels.argmax(axis=0)])
        if channels != 1 or not np.isin(voxels, values).all():
            told = f"one channel with the values {values.tolist()}, or a channel for each from 0 on"
            raise _not_told(voxels, told, bundle)
        return self.convention.to_classes(voxels[0].astype(np.uint8))


def output_meaning(bundle: BundleFolder) -> OutputMeaning:
    """Read the metadata of the output.

    Raises:
        RunError: They do not tell regions or label values.
    """
    regions = output_regions(bundle)
    if regions is not None:
        return OutputMeaning(CONVENTIONS["brats2017"], regions)
    return OutputMeaning(LabelConvention("of the bundle", output_tissues(bundle)), None)


def _on_grid(result: Any, grid: Geometry, bundle: Path) -> NDArray[np.float32]:
    if isinstance(result, MetaTensor) and result.ndim == 4:
        x, y, z = (int(size) for size in result.shape[1:])
        difference = grid.difference(Geometry((x, y, z), result.affine.cpu().double().numpy()))
    else:
        difference = f"a {type(result).__name__} of shape {tuple(getattr(result, 'shape', ()))}"
    if difference is not None:
        raise RunError(
            "the result of the bundle does not lie on the grid of the case",
            where=bundle,
            got=difference,
            expected=f"channels first, then the grid of the files: {grid.shape}",
            remedy="its postprocessing must lead back, such as by Invertd with the preprocessing",
        )
    return torch.as_tensor(result).as_subclass(torch.Tensor).float().cpu().numpy()


def _not_told(voxels: NDArray[np.float32], expected: str, bundle: Path) -> RunError:
    found = np.unique(voxels)
    shown = ", ".join(f"{value:g}" for value in found[:8]) + (" ..." if len(found) > 8 else "")
    return RunError(
        "the result of the bundle is not what its metadata say",
        where=bundle,
        got=f"shape {voxels.shape} with the values {shown}",
        expected=f"{expected}, as network_data_format.outputs.pred.channel_def has it",
        remedy="correct metadata.json, or the postprocessing",
    )
