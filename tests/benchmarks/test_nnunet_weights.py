"""A network of brats3d under nnU-Net's names."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brats3d.benchmarks.nnunet.counterpart import check_counterpart
from brats3d.benchmarks.nnunet.weights import CHECKPOINT, FOLD, renamed, write_model
from brats3d.config import FitConfig, ModelConfig, PreprocessConfig
from brats3d.errors import ConfigError
from brats3d.models import build_network

REGIONS = ("ET", "TC", "WT")
PARAMS = {"filters": (4, 6, 8, 10), "strides": (2, (1, 2, 2), 2)}
CONFIG = replace(FitConfig(), model=ModelConfig("dynunet", params=PARAMS))
SIDES = (16, 24, 32)
_THEIRS = """
import sys, numpy, torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
folder, image, result = sys.argv[1:]
predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
predictor.initialize_from_trained_model_folder(folder, (0,))
with torch.inference_mode():
    numpy.save(result, predictor.network.eval()(torch.from_numpy(numpy.load(image))[None])[0].numpy())
"""


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    network = build_network("dynunet", spatial_dims=3, in_channels=4, out_channels=3, params=PARAMS)
    for parameter in network.parameters():  # nothing may be left at a default that hides a swap
        nn.init.normal_(parameter, std=0.3)
    return network.eval()


def test_every_weight_is_used_and_turned(network: nn.Module) -> None:
    state = network.state_dict()
    found = renamed(state, 4, REGIONS)
    used = {name for name, own in state.items() if any(_holds(theirs, own) for theirs in found.values())}
    # Heads are listed by region, and nnU-Net's regions come in another order.
    assert set(state) - used == {name for name in state if name.startswith("heads.")}
    finest = found["decoder.seg_layers.2.weight"]
    assert torch.equal(finest, state["heads.0.weight"][[2, 1, 0]])
    assert torch.equal(found["decoder.seg_layers.1.bias"], state["heads.1.bias"][[2, 1, 0]])
    assert found["decoder.seg_layers.0.weight"].shape == (3, 8, 1, 1, 1)
    kernel = found["decoder.transpconvs.1.weight"]
    assert kernel.shape[2:] == (2, 2, 1)
    for name, value in found.items():
        if name.startswith("encoder."):
            assert found[f"decoder.{name}"] is value


def _holds(theirs: Tensor, own: Tensor) -> bool:
    turned = own.permute(0, 1, 4, 3, 2) if own.ndim == 5 else own
    return theirs.shape == turned.shape and torch.equal(theirs, turned)


def test_the_folder_of_a_trained_model(network: nn.Module, tmp_path: Path) -> None:
    _write(network, tmp_path / "model")
    plans = json.loads((tmp_path / "model" / "plans.json").read_text(encoding="utf-8"))
    (configuration,) = plans["configurations"].values()
    assert plans["image_reader_writer"] == "SimpleITKIO"
    assert configuration["patch_size"] == [32, 24, 16]
    assert configuration["spacing"] == [3.0, 2.0, 1.0]
    arguments = configuration["architecture"]["arch_kwargs"]
    assert arguments["features_per_stage"] == [4, 6, 8, 10]
    assert arguments["strides"] == [[1, 1, 1], [2, 2, 2], [2, 2, 1], [2, 2, 2]]
    checkpoint = torch.load(tmp_path / "model" / f"fold_{FOLD}" / CHECKPOINT, weights_only=True)
    assert checkpoint["trainer_name"] == "nnUNetTrainer"


def test_nnunet_computes_the_same(network: nn.Module, tmp_path: Path, nnunet_python: str) -> None:
    _write(network, tmp_path / "model")
    image = torch.randn(4, *SIDES, generator=torch.Generator().manual_seed(0))
    np.save(tmp_path / "image.npy", image.numpy().transpose(0, 3, 2, 1))
    arguments = [str(tmp_path / name) for name in ("model", "image.npy", "logits.npy")]
    subprocess.run([nnunet_python, "-c", _THEIRS, *arguments], check=True)
    theirs = np.load(tmp_path / "logits.npy").transpose(0, 3, 2, 1)[::-1]
    with torch.inference_mode():
        ours = network(image[None])[0].numpy()
    np.testing.assert_allclose(theirs, ours, atol=1e-4 * np.abs(ours).max())


def _write(network: nn.Module, folder: Path) -> None:
    write_model(
        folder,
        network.state_dict(),
        CONFIG,
        regions=REGIONS,
        window=SIDES,
        spacing_mm=(1.0, 2.0, 3.0),
        reader="SimpleITKIO",
    )


@pytest.mark.parametrize(
    ("config", "where"),
    [
        (FitConfig(), "model.name"),
        (
            replace(CONFIG, model=ModelConfig("dynunet", params={"activation": "relu"})),
            "model.params.activation",
        ),
        (replace(CONFIG, preprocess=PreprocessConfig(normalise="robust")), "preprocess.normalise"),
    ],
)
def test_runs_without_counterpart(config: FitConfig, where: str) -> None:
    check_counterpart(CONFIG)
    with pytest.raises(ConfigError, match="nnU-Net has no counterpart") as caught:
        check_counterpart(config)
    assert caught.value.where == where
