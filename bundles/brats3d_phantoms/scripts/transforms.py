# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Preparation of a case and what becomes of its probabilities, as MONAI transforms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Invertd, MapTransform, SaveImaged

from scripts.siblings import convention_of, logged_errors
from scripts.core.cases import Case
from scripts.core.imaging import Geometry, write_image, write_label_map
from scripts.core.postprocessing.postprocessing import Postprocessing
from scripts.core.transforms.preprocessing import Preprocessing


class PrepareCased(MapTransform):
    """Read ``case`` and replace ``image`` by what the network sees; add what leads back.

    ``image`` becomes float32 ``(C, *S)``; ``brain`` (bool ``(*S)``) and ``restoration`` are added.

    Args:
        settings: Preprocessing of the run, see
            :class:`~brats3d.transforms.preprocessing.Preprocessing`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(keys="image")
        self.preprocessing = Preprocessing(**settings)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Prepare one sample.

        Raises:
            DataError: A file is missing, torn or inconsistent with the others.
        """
        sample = dict(data)
        case: Case = sample["case"]
        with logged_errors():
            prepared = self.preprocessing.prepare(case, with_label=False)
        files = prepared.restoration.geometry
        image = _located(torch.from_numpy(prepared.image), files, case)
        image.affine = torch.from_numpy(prepared.restoration.prepared_geometry.affine.copy())
        sample["image"] = image
        sample["brain"] = prepared.brain
        sample["restoration"] = prepared.restoration
        return sample


class RestoreLabelsd(Invertd):
    """Replace ``pred`` by the label map of the case, on the grid of its files.

    ``pred`` comes as probabilities of the regions, ``(R, *S)`` on the prepared grid. It becomes label
    values, uint8 ``(1, X, Y, Z)``; ``probabilities``, float32 ``(R, X, Y, Z)``, is added.

    It inverts :class:`PrepareCased`, though not as ``Invertd`` itself does. Servers that score how
    uncertain a network is leave out what is an ``Invertd``, and so find the probabilities.

    Args:
        labels: Label convention in its JSON form.
        thresholds: Region to threshold.
        min_component_ml: Region to the volume below which a component is removed.
        et_to_ncr_below_ml: ET of less volume than this becomes NCR.
    """

    def __init__(
        self,
        labels: Mapping[str, Any],
        thresholds: Mapping[str, float],
        min_component_ml: Mapping[str, float],
        et_to_ncr_below_ml: float,
    ) -> None:
        MapTransform.__init__(self, keys="pred")
        self.convention = convention_of(labels)
        self.postprocessing = Postprocessing(thresholds, min_component_ml, (), et_to_ncr_below_ml)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Finish one sample."""
        sample = dict(data)
        predicted = torch.as_tensor(sample["pred"]).as_subclass(torch.Tensor).float().cpu().numpy()
        restoration = sample["restoration"]
        # Outside the brain there is nothing to segment, whatever the network thinks of the padding.
        probabilities = restoration.restore(predicted * sample["brain"], order=1).astype(
            np.float32, copy=False
        )
        geometry = restoration.geometry
        regions = self.postprocessing.regions(probabilities, self.convention, geometry.voxel_volume_ml)
        labels = self.convention.from_regions(regions)
        sample["pred"] = _located(torch.from_numpy(labels[None]), geometry, sample["case"])
        sample["probabilities"] = _located(torch.from_numpy(probabilities), geometry, sample["case"])
        return sample


class SaveLabelsd(SaveImaged):
    """Write ``pred`` as ``CASE.nii.gz``, and ``probabilities`` beside it where they are asked for.

    ``SaveImaged`` itself cannot write volumes whose axes are in another order than the patient's. Servers
    that send label maps instead of writing them leave out what is a ``SaveImaged``.

    Args:
        output_dir: Folder for the files; those of an earlier run are replaced.
        save_probabilities: Whether to write ``CASE_probabilities.nii.gz``, one channel per region.
    """

    def __init__(self, output_dir: str, save_probabilities: bool) -> None:
        super().__init__(keys="pred", output_dir=output_dir)
        self.folder = Path(output_dir)
        self.save_probabilities = save_probabilities

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the results of one sample.

        Raises:
            OutputError: The folder cannot be written to.
        """
        sample = dict(data)
        case, geometry = sample["case"], sample["restoration"].geometry
        if self.save_probabilities:
            voxels = np.moveaxis(np.asarray(sample["probabilities"]), 0, -1)
            path = self.folder / f"{case.case_id}_probabilities.nii.gz"
            write_image(path, voxels, geometry, overwrite=True)
        labels = np.asarray(sample["pred"])[0]
        write_label_map(self.folder / f"{case.case_id}.nii.gz", labels, geometry, overwrite=True)
        return sample


def _located(voxels: torch.Tensor, grid: Geometry, case: Case) -> MetaTensor:
    """Voxels with the grid of the files and a name to save them by."""
    first = next(iter(case.images.values()))
    return MetaTensor(
        voxels,
        affine=torch.from_numpy(grid.affine.copy()),
        meta={
            "filename_or_obj": str(Path(first).with_name(f"{case.case_id}.nii.gz")),
            "original_affine": grid.affine.copy(),
            "spatial_shape": np.array(grid.shape),
        },
    )
