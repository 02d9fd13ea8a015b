"""Bundles with a network for ONNX Runtime."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from brats3d.bundles import weights
from brats3d.bundles.export import export
from brats3d.bundles.scripts.onnx_network import OnnxNetwork
from brats3d.bundles.source import BundleSource
from brats3d.config import ExportConfig
from brats3d.errors import MissingExtraError
from brats3d.export import main
from brats3d.models import MODELS, build_network, valid_patch_multiple
from brats3d.workflows.runs import RunFolder

Make = Callable[[str], Path]
TINY: dict[str, dict[str, Any]] = {
    "unet": {"filters": [4, 6]},
    "attention_unet": {"filters": [4, 6], "deep_supervision": True},
    "residual_unet": {"filters": [4, 6]},
    "dynunet": {"filters": [4, 6, 8]},
    "segresnet": {"filters": [4, 8], "blocks_down": [1, 1], "blocks_up": [1]},
    "swin_unetr": {"feature_size": 12, "num_heads": [2, 2, 2, 2], "window_size": 4, "depths": [1, 1, 1, 1]},
    "unet_plus_plus": {"filters": [4, 6, 8]},
    "transunet": {"filters": [4, 6, 8], "hidden_size": 8, "layers": 1, "heads": 2, "positions": 4},
    "segnet": {"filters": [4, 6]},
    "fcn": {"filters": [4, 6, 8]},
    "two_path": {"filters": [4, 6], "merging": [8], "factor": 2},
    "vgg19_unet": {"filters": [4, 6, 8, 8, 8]},
    "resnet50_unet": {"width": 4, "filters": [4, 4, 6, 6, 8]},
    "multiscale_attention_unet": {"filters": [4, 4, 4, 6, 6], "width": 0.1, "depth": 0.1},
}


class Source:
    """What :func:`brats3d.bundles.weights.write_onnx` asks of a run."""

    modalities = ("t1", "flair")

    def __init__(self, name: str, window: tuple[int, ...]) -> None:
        self.window = window
        self.members = (self,)
        self.config = type("Config", (), {"model": type("Model", (), {"name": name})})


def test_the_registry_is_covered() -> None:
    assert set(TINY) == set(MODELS)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", TINY)
def test_every_network_says_the_same(name: str, dims: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network(name, spatial_dims=dims, in_channels=2, out_channels=3, params=TINY[name]).eval()
    fixed = name == "swin_unetr"
    side = max(16, *valid_patch_multiple(name, TINY[name], dims))
    window = (64 if fixed else side,) * dims if dims == 2 else (32, 32, 64) if fixed else (side,) * dims
    path = tmp_path / "model.onnx"
    weights.write_onnx(network, path, Source(name, window))  # type: ignore[arg-type]
    session = OnnxNetwork(str(path))
    shapes = [(1, *window), (2, *window)] + ([] if fixed else [(1, *(2 * side for side in window))])
    for batch, *sides in shapes:
        image = torch.randn(batch, 2, *sides, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            torch.testing.assert_close(session(image), network(image), rtol=1e-3, atol=1e-3)


def test_the_answer_comes_back_on_the_device_and_with_the_threads_of_pytorch(bundle_of: Make) -> None:
    network = OnnxNetwork(str(bundle_of("sigmoid") / "models" / "model.onnx"))
    options = network.session.get_session_options()
    assert options.intra_op_num_threads == torch.get_num_threads()
    logits = network(torch.zeros(2, 4, 16, 16, 16, dtype=torch.float64))
    assert (logits.dtype, logits.device.type, tuple(logits.shape)) == (
        torch.float32,
        "cpu",
        (2, 3, 16, 16, 16),
    )


@pytest.mark.parametrize(("kind", "shape"), [("softmax", (1, 4, 24, 16, 40)), ("slices", (3, 2, 48, 32))])
def test_any_onnx_runtime_can_use_the_file(bundle_of: Make, kind: str, shape: tuple[int, ...]) -> None:
    session = onnxruntime.InferenceSession(
        bundle_of(kind) / "models" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], {"image": np.zeros(shape, np.float32)})
    assert logits.shape == (shape[0], 4, *shape[2:])


# What a user can get wrong


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_package_is_told_before_any_work(
    run_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == missing else find(name))
    output = tmp_path / "bundles" / "x"
    with pytest.raises(MissingExtraError, match=rf"needs the package {missing}\n") as caught:
        export(ExportConfig(run=str(run_of("sigmoid")), output=str(output), onnx=True))
    assert 'pip install "brats3d[onnx]"' in str(caught.value.remedy)
    assert not output.parent.exists()


def test_a_missing_package_ends_the_command_with_2(
    run_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == "onnxruntime" else find(name)
    )
    monkeypatch.chdir(tmp_path)
    assert main(["--run", str(run_of("sigmoid")), "--onnx", "true"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "--onnx needs the package onnxruntime" in shown.err
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_onnx_runtime_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError) as caught:
        OnnxNetwork("model.onnx")
    assert caught.value.remedy == "pip install onnxruntime"


def test_the_window_is_the_only_size_of_what_was_traced(run_of: Make) -> None:
    source = BundleSource.of(RunFolder(run_of("sigmoid")))
    assert not weights._takes_only_its_window(source)
