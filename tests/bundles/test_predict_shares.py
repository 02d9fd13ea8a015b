"""Prediction with a bundle by several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from brats3d.bundles.predict import predict
from brats3d.config import PredictConfig
from brats3d.data.phantom import write_phantoms

EXAMPLE = Path(__file__).parents[2] / "bundles" / "brats3d_phantoms"


def test_each_process_predicts_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_phantoms(tmp_path / "in", cases=3, size=(32, 32, 32), seed=5)
    config = PredictConfig(
        bundle=str(EXAMPLE), input=str(tmp_path / "in"), output=str(tmp_path / "out"), accelerator="cpu"
    )
    names = [f"BraTS2021_{number:05d}.nii.gz" for number in range(3)]
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        assert [path.name for path in predict(config)] == names[rank::2]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
