"""Small cases written to disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.cases import MODALITIES, Case
from brats3d.labels import CONVENTIONS

LPS_AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])


def write_case(
    folder: Path,
    images: dict[str, np.ndarray],
    labels: np.ndarray | None = None,
    *,
    affine: np.ndarray = LPS_AFFINE,
    affines: dict[str, np.ndarray] | None = None,
    brain_mask: np.ndarray | None = None,
    convention: str = "brats2017",
) -> Case:
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, voxels: np.ndarray | None) -> Path | None:
        if voxels is None:
            return None
        path = folder / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(voxels, (affines or {}).get(name, affine)), path)
        return path

    paths = {modality: write(modality, voxels) for modality, voxels in images.items()}
    return Case(
        "case7",
        "case7",
        {modality: path for modality, path in paths.items() if path},
        CONVENTIONS[convention],
        label=write("seg", labels),
        brain_mask=write("brain", brain_mask),
    )


def ball_images(
    shape: tuple[int, int, int] = (24, 20, 16), background: float = 0.0
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Images of a noisy ball, the ball, and a label map inside it."""
    generator = np.random.default_rng(7)
    grid = np.stack(np.meshgrid(*[np.arange(side) for side in shape], indexing="ij"))
    centre = np.array([11.0, 9.0, 7.0]).reshape(3, 1, 1, 1)
    distance = np.sqrt(((grid - centre) ** 2).sum(axis=0))
    ball = distance < 6
    images = {
        modality: np.where(ball, generator.normal(100 * (index + 1), 10, shape), background).astype(
            np.float32
        )
        for index, modality in enumerate(MODALITIES)
    }
    labels = np.zeros(shape, dtype=np.uint8)
    labels[distance < 4], labels[distance < 3], labels[distance < 2] = 2, 4, 1
    return images, ball, labels


@pytest.fixture
def make_case(tmp_path: Path) -> Callable[..., Case]:
    """Write a ball case; keyword arguments replace single files or pass on to ``write_case``."""

    def make(background: float = 0.0, **changes: object) -> Case:
        images, _, labels = ball_images(background=background)
        images.update({key: changes.pop(key) for key in list(changes) if key in images})  # type: ignore[misc]
        return write_case(tmp_path / "case7", images, changes.pop("labels", labels), **changes)  # type: ignore[arg-type]

    return make
