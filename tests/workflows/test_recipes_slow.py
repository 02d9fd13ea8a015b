"""Every shipped recipe as a user runs it: a few steps on made-up data, then one new case predicted.

Networks, losses, augmentation and preprocessing stay as they are; patches, epochs and data are small.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.__main__ import main
from brats3d.config import FitConfig, load_config, recipe_folder
from brats3d.metrics import read_metrics_csv
from brats3d.models import valid_patch_multiple
from brats3d.training.checkpoints import read_checkpoint

RECIPES = [
    name
    for name in sorted(file.name for file in recipe_folder().glob("*.yaml"))
    if load_config(name).task == "segment"
]
SHORTEST_SIDE = 32
STEPS, BATCH = 2, 2
# What stands in for the data of a recipe that names no layout, by its only modality.
LAYOUTS = {("xray",): "montgomery"}

pytestmark = pytest.mark.slow


def words(config: FitConfig) -> list[str]:
    """Options that shrink a recipe."""
    model = config.model
    step = valid_patch_multiple(model.name, model.params, model.spatial_dims)
    sides = [-(-SHORTEST_SIDE // multiple) * multiple for multiple in step]
    if sides == list(step):  # more than one cell at the coarsest level
        sides[0] *= 2
    options = {
        "patch.size": sides,
        "patch.batch_size": BATCH,
        "patch.per_epoch": STEPS * BATCH,
        "inference.window": "null",
        "inference.flips": "false",
        "split.val": 1,
        "split.test": 1,
        "trainer.max_epochs": 1,
        "trainer.max_minutes": "null",
        "trainer.accelerator": "cpu",
        "trainer.enable_progress_bar": "false",
    }
    return [f"--{key}={value}" for key, value in options.items()]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose checkpoints, gigabytes of some networks, do not outlive the test."""
    yield tmp_path
    for file in tmp_path.rglob("*.ckpt"):
        file.unlink()
    gc.collect()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_and_predicts(
    recipe: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    config = load_config(recipe)
    layout = config.data.layout
    if layout == "auto":
        layout = LAYOUTS.get(config.data.modalities, "brats2021")
    shared = ["--layout", layout, "--size", "32,32,32"]
    assert main(["synthesize", "data", "--cases", "6", *shared]) == 0
    assert main(["synthesize", "new", "--cases", "1", "--seed", "9", "--labels", "false", *shared]) == 0

    assert main(["fit", "--config", recipe, "--name", "run", "--data.root", "data", *words(config)]) == 0
    rows = read_metrics_csv(Path("runs/run/metrics.csv"))
    assert rows
    assert all(0 <= row["dice"] <= 1 for row in rows)
    checkpoint = read_checkpoint(Path("runs/run/checkpoints/last.ckpt"))
    assert checkpoint["global_step"] == STEPS // config.trainer.accumulate_grad_batches
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())
    del checkpoint

    capsys.readouterr()
    assert main(["predict", "--run", "runs/run", "--input", "new", "--output", "predictions"]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(written) == 1
    image = nib.load(written[0])
    assert np.isin(np.unique(np.asanyarray(image.dataobj)), range(5)).all()
