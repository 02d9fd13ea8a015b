"""Tiny label maps with known overlaps, in folders of the test's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brats3d.imaging import Geometry, write_label_map
from brats3d.labels import CONVENTIONS, LabelConvention

BRATS2017 = CONVENTIONS["brats2017"]


class LabelMaps:
    """Writes references and predictions below ``root``.

    The tumour is three nested boxes; moved by ``shift`` voxels it has Dice (6 - shift) / 6 in WT.
    """

    shape = (12, 14, 10)
    geometry = Geometry(shape, np.diag([-1.0, -1.0, 2.0, 1.0]))
    cases = ("BraTS2021_00001", "BraTS2021_00002", "BraTS2021_00010")

    def __init__(self, root: Path) -> None:
        self.root = root

    def tumour(self, shift: int = 0) -> np.ndarray:
        """Class indices ``(X, Y, Z)``."""
        classes = np.zeros(self.shape, dtype=np.uint8)
        for index, margin in ((2, 2), (1, 3), (3, 4)):
            classes[margin + shift : 10 - margin + shift, margin:-margin, margin:-margin] = index
        return classes

    def write(
        self,
        path: Path,
        shift: int = 0,
        convention: LabelConvention = BRATS2017,
        geometry: Geometry | None = None,
    ) -> Path:
        """Write one label map, cropped to the shape of ``geometry``."""
        geometry = geometry or self.geometry
        path.parent.mkdir(parents=True, exist_ok=True)
        labels = convention.from_classes(self.tumour(shift))[tuple(slice(size) for size in geometry.shape)]
        write_label_map(path, labels, geometry, overwrite=True)
        return path

    def predict(
        self,
        folder: str = "p",
        naming: str = "{case}.nii.gz",
        *,
        cases: tuple[str, ...] = cases,
        convention: LabelConvention = BRATS2017,
        shift: int = 0,
    ) -> Path:
        """Write a label map per case, each moved by a voxel more than the one before."""
        for index, case_id in enumerate(cases):
            self.write(self.root / folder / naming.format(case=case_id), index + shift, convention)
        return self.root / folder

    def data_set(self) -> Path:
        """A BraTS 2021 data set whose images are never opened."""
        root = self.root / "data"
        for case_id in self.cases:
            self.write(root / case_id / f"{case_id}_seg.nii.gz")
            for modality in ("t1", "t1ce", "t2", "flair"):
                (root / case_id / f"{case_id}_{modality}.nii.gz").touch()
        return root


@pytest.fixture
def maps(tmp_path: Path) -> LabelMaps:
    return LabelMaps(tmp_path)


@pytest.fixture
def data_set(maps: LabelMaps) -> Path:
    return maps.data_set()
