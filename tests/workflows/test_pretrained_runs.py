"""Runs that start from pretrained weights: from these indeed, and without their file ever after."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from brats3d.bundles.export import export
from brats3d.bundles.predict import predict
from brats3d.config import ExportConfig, FitConfig, PredictConfig
from brats3d.errors import ConfigError
from brats3d.models.encoders import build_encoder
from brats3d.training.checkpoints import read_checkpoint
from brats3d.workflows.fit import fit

MakeConfig = Callable[..., FitConfig]
WIDTH = 4
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def settings(file: Path) -> dict[str, object]:
    """A training that hardly moves its weights."""
    return {
        "data__modalities": ["flair", "t1ce"],
        "model__name": "resnet50_unet",
        "model__spatial_dims": 2,
        "model__params": {"width": WIDTH, "filters": [4] * 5, "pretrained": str(file)},
        "patch__size": [64, 32],
        "optim__lr": 1e-12,
        "optim__weight_decay": 0.0,
        "trainer__max_epochs": 1,
    }


@pytest.fixture
def weights(tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """A file with the weights of an encoder, and its content."""
    torch.manual_seed(7)
    state = build_encoder("resnet50", width=WIDTH).state_dict()
    torch.save(state, tmp_path / "encoder.pth")
    return tmp_path / "encoder.pth", state


def check_encoder(run: Path, state: dict[str, Tensor]) -> None:
    """Check that the weights of the last checkpoint are those of the file; statistics move in any case."""
    prefix = "network.encoder."
    found = read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]
    compared = [name for name in state if not name.endswith(BUFFERS) and name != "conv1.weight"]
    assert len(compared) > 100
    for name in compared:
        torch.testing.assert_close(found[prefix + name], state[name], rtol=0, atol=1e-6)
    expected = state["conv1.weight"].sum(dim=1, keepdim=True).expand(-1, 2, -1, -1) / 2
    torch.testing.assert_close(found[prefix + "conv1.weight"], expected, rtol=0, atol=1e-6)


def test_a_run_starts_from_the_weights_and_does_without_their_file_afterwards(
    weights: tuple[Path, dict[str, Tensor]], fit_config: MakeConfig, phantom_set: Path, tmp_path: Path
) -> None:
    file, state = weights
    run = fit(fit_config(tmp_path, **settings(file))).run
    check_encoder(run, state)
    file.unlink()
    case = phantom_set / "BraTS2021_00001"
    predict(PredictConfig(run=(str(run),), input=str(case), output=str(tmp_path / "predicted")))
    assert len(list((tmp_path / "predicted").glob("*.nii.gz"))) == 1
    resumed = FitConfig(resume=str(run), folder=str(tmp_path), extend=1)
    assert fit(resumed).summary["checkpoint"] == "best.ckpt"
    check_encoder(run, state)


def test_without_their_file_no_run_begins(fit_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.params\.pretrained"):
        fit(fit_config(tmp_path, **settings(tmp_path / "gone.pth")))
    assert not (tmp_path / "run").exists()


def test_the_run_says_where_its_weights_came_from(
    weights: tuple[Path, dict[str, Tensor]],
    fit_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = fit(fit_config(tmp_path, **settings(Path("encoder.pth")))).run
    assert str(weights[0]) in (run / "config.yaml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "params", "ema_decay"),
    [
        ("vgg19_unet", {"filters": [4, 6, 8, 8, 8]}, 0.99),
        ("resnet50_unet", {"width": WIDTH, "filters": [4] * 5}, None),
        ("multiscale_attention_unet", {"width": 0.1, "depth": 0.1, "filters": [4] * 5}, 0.99),
    ],
)
def test_runs_become_bundles(
    name: str,
    params: dict[str, object],
    ema_decay: float | None,
    fit_config: MakeConfig,
    phantom_set: Path,
    tmp_path: Path,
) -> None:
    encoder = {"vgg19_unet": "vgg19", "resnet50_unet": "resnet50"}.get(name, "efficientnet_b4")
    options = {key: value for key, value in params.items() if key != "filters" or encoder == "vgg19"}
    file = tmp_path / "encoder.pth"
    torch.save(build_encoder(encoder, **options).state_dict(), file)
    chosen = {
        **settings(file),
        "model__name": name,
        "model__params": {**params, "pretrained": str(file)},
        "optim__lr": 1e-3,
        "optim__ema_decay": ema_decay,
    }
    run = fit(fit_config(tmp_path, **chosen)).run
    file.unlink()
    bundle = tmp_path / "bundle"
    export(ExportConfig(run=str(run), output=str(bundle), onnx=True))  # compares it with the run
    assert os.fspath(file) not in (bundle / "configs" / "inference.json").read_text()
    predict(PredictConfig(bundle=str(bundle), input=str(phantom_set), output=str(tmp_path / "predicted")))
    assert len(list((tmp_path / "predicted").glob("*.nii.gz"))) == 6
