"""On phantoms with inverted contrast: what adaptation and fine-tuning gain, and that the target does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from domain_shift import gains, write_shifted

from brats3d.data.phantom import write_phantoms
from brats3d.imaging import read_volume


def test_the_shift_turns_contrast_round_and_leaves_the_rest(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "own", cases=1, size=(32, 32, 32), seed=1)
    write_shifted(tmp_path / "own", tmp_path / "shifted")
    case = next((tmp_path / "own").iterdir())

    def voxels(root: str, part: str) -> np.ndarray:
        return read_volume(tmp_path / root / case.name / f"{case.name}_{part}.nii.gz")[0]

    brain = voxels("own", "t1") > 0
    for part in ("t1", "t2"):
        assert np.corrcoef(voxels("own", part)[brain], voxels("shifted", part)[brain])[0, 1] < -0.9
        assert np.array_equal(voxels("shifted", part) > 0, brain)
    for part in ("t1ce", "flair", "seg"):
        assert np.array_equal(voxels("own", part), voxels("shifted", part))


@pytest.mark.slow
def test_adaptation_and_fine_tuning_gain_on_a_shifted_target(tmp_path: Path) -> None:
    dice = gains(tmp_path, seed=0)
    assert dice["adapted"] > dice["source"] + 0.05
    assert dice["adapted"] > dice["control"] + 0.05
    assert dice["fine-tuned"] > dice["source"] + 0.05
