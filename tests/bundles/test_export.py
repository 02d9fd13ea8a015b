"""Exported bundles: complete, compared with ``predict`` before they appear; else nothing is left."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser, verify_net_in_out

from brats3d.bundles import export as exporting
from brats3d.bundles.export import export
from brats3d.bundles.scripts.runner import CaseEvaluator
from brats3d.bundles.vendoring import vendored_scripts
from brats3d.config import ExportConfig
from brats3d.errors import Brats3dError, ConfigError, OutputError, RunError
from brats3d.export import main

FILES = {
    "LICENSE",
    "configs/evaluate.json",
    "configs/inference.json",
    "configs/logging.conf",
    "configs/metadata.json",
    "configs/multi_gpu_train.json",
    "configs/onnx.json",
    "configs/torchscript.json",
    "configs/train.json",
    "docs/README.md",
    "models/model.onnx",
    "models/model.pt",
    "models/model.ts",
}
# Of MONAI's metadata schema of 2022 and later.
REQUIRED_METADATA = {
    "schema",
    "version",
    "changelog",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
}
REQUIRED_TENSOR = {
    "type",
    "format",
    "num_channels",
    "spatial_shape",
    "dtype",
    "value_range",
    "is_patch_data",
    "channel_def",
}
Make = Callable[[str], Path]
kinds = pytest.mark.parametrize("kind", ["sigmoid", "softmax", "slices"])


def read(bundle: Path, name: str) -> dict[str, Any]:
    return json.loads((bundle / "configs" / name).read_text())


@kinds
def test_what_is_in_a_bundle(bundle_of: Make, kind: str) -> None:
    bundle = bundle_of(kind)
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("scripts/")} == FILES
    scripts = {name.removeprefix("scripts/") for name in found - FILES}
    assert {name: (bundle / "scripts" / name).read_text() for name in scripts} == vendored_scripts()
    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert list(state) == ["model"]
    assert all(isinstance(value, torch.Tensor) for value in state["model"].values())
    assert sum(path.stat().st_size for path in bundle.rglob("*")) < 5e6
    assert "Apache License" in (bundle / "LICENSE").read_text()


def test_rules_that_nobody_has(bundle_of: Make) -> None:
    labels = read(bundle_of("slices"), "inference.json")["labels"]
    with pytest.raises(ConfigError, match="brats2022") as caught:
        CaseEvaluator(
            labels=labels,
            profile="brats2022",
            check_affine=True,
            output_dir="unused",
            dataset=[],
            network=torch.nn.Identity(),
            inferer=lambda image, network: image,
            postprocessing=dict,
            device=torch.device("cpu"),
        )
    assert "brats2023" in str(caught.value)


@kinds
def test_metadata_tell_channels_labels_and_scores(bundle_of: Make, run_of: Make, kind: str) -> None:
    bundle = bundle_of(kind)
    metadata = read(bundle, "metadata.json")
    assert set(metadata) >= REQUIRED_METADATA
    image = metadata["network_data_format"]["inputs"]["image"]
    pred = metadata["network_data_format"]["outputs"]["pred"]
    assert set(image) >= REQUIRED_TENSOR
    assert set(pred) >= REQUIRED_TENSOR
    names = ("flair", "t1ce") if kind == "slices" else ("t1", "t1ce", "t2", "flair")
    assert image["channel_def"] == {str(index): name for index, name in enumerate(names)}
    assert image["num_channels"] == len(names)
    # No number is left out: 3D Slicer takes the n-th name for the value n.
    assert list(pred["channel_def"].items()) == list(
        {"0": "background", "1": "NCR", "2": "ED", "3": "unused_3", "4": "ET"}.items()
    )
    assert pred["num_channels"] == (3 if kind == "sigmoid" else 4)
    summary = json.loads((run_of(kind) / "metrics.json").read_text())
    assert metadata["eval_metrics"]["WT_dice"] == summary["regions"]["WT"]["dice"]["mean"]
    card = (bundle / "docs" / "README.md").read_text()
    assert f"| WT | Dice | {summary['regions']['WT']['dice']['mean']:.4g} | 1 |" in card
    assert summary["definitions"]["hd95_mm"] in card
    assert "2 for training, 1 for validation, 1 for testing" in card


@kinds
def test_monai_verifies_the_shapes_of_the_network(
    bundle_of: Make, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    bundle = bundle_of(kind)
    monkeypatch.syspath_prepend(bundle)
    try:
        verify_net_in_out(
            net_id="network_def",
            meta_file=str(bundle / "configs" / "metadata.json"),
            config_file=str(bundle / "configs" / "inference.json"),
            device="cpu",
        )
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
            del sys.modules[name]


def test_expressions_are_few_and_refer_to_the_bundle_alone(bundle_of: Make) -> None:
    parser = ConfigParser(read(bundle_of("softmax"), "inference.json"))
    expressions = {
        name: value
        for name, value in parser.get().items()
        if isinstance(value, str) and value.startswith("$")
    }
    assert set(expressions) == {
        "dataset_dir",
        "output_dir",
        "ckpt_path",
        "device",
        "network",
        "weights",
    }


# The gate


def changed_weights(network: torch.nn.Module, path: Path) -> None:
    state = {name: value.clone() for name, value in network.state_dict().items()}
    state["heads.0.bias"] += 0.01
    torch.save({"model": state}, path)


def changed_rules(source: Any, *, onnx: bool) -> dict[str, Any]:
    configs = REAL_CONFIGS(source, onnx=onnx)
    configs["inference.json"]["postprocessing"]["transforms"][0]["thresholds"] = {"WT": 0.9}
    return configs


REAL_CONFIGS = exporting.render_configs


@pytest.mark.parametrize(
    ("part", "change"), [("write_state", changed_weights), ("render_configs", changed_rules)]
)
def test_a_bundle_that_answers_otherwise_is_removed(
    run_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, change: Callable[..., Any]
) -> None:
    monkeypatch.setattr(exporting, part, change)
    with pytest.raises(RunError, match="another answer than predict") as caught:
        export(ExportConfig(run=str(run_of("sigmoid")), output=str(tmp_path / "bundles" / "x")))
    assert caught.value.remedy
    assert list((tmp_path / "bundles").iterdir()) == []


def test_the_command_line(
    run_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--run", str(run_of("sigmoid"))]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{Path('bundles') / 'sigmoid'}\n"
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == ["sigmoid"]
    assert not list((tmp_path / "bundles").rglob("*onnx.json"))
    assert "model.onnx" not in (tmp_path / "bundles" / "sigmoid" / "docs" / "README.md").read_text()
    assert main(words) == 2
    assert "the output exists already" in capsys.readouterr().err


# What a user can get wrong


def check_fails(kind: type[Brats3dError], message: str, where: object, **config: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        export(ExportConfig(**config))
    assert caught.value.where == where
    assert caught.value.remedy


def test_no_run(tmp_path: Path) -> None:
    check_fails(ConfigError, "no run to export", "run")
    check_fails(RunError, "not a run", str(tmp_path), run=str(tmp_path))


def test_a_run_without_a_checkpoint(run_of: Make, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_of("sigmoid"), tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    output = tmp_path / "out" / "x"
    check_fails(RunError, "no checkpoint yet", run / "checkpoints", run=str(run), output=str(output))
    assert not output.parent.exists()


def test_a_checkpoint_of_another_network(run_of: Make, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_of("sigmoid"), tmp_path / "run"))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("filters: [4, 8]", "filters: [4, 16]"))
    checkpoint = run / "checkpoints" / "best.ckpt"
    output = tmp_path / "out" / "x"
    check_fails(RunError, "another network", checkpoint, run=str(run), output=str(output))
    assert not output.parent.exists()


def test_an_output_that_exists(run_of: Make, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    for output in (tmp_path, tmp_path / "mine"):
        check_fails(OutputError, "exists already", output, run=str(run_of("sigmoid")), output=str(output))
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions stop")
def test_a_folder_that_is_read_only(run_of: Make, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    output = tmp_path / "locked" / "x"
    check_fails(
        OutputError, "cannot write the result", output, run=str(run_of("sigmoid")), output=str(output)
    )


def test_a_file_in_the_way_of_the_output(run_of: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    output = tmp_path / "file" / "x"
    check_fails(
        OutputError, "cannot write the result", output.parent, run=str(run_of("sigmoid")), output=str(output)
    )


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_fails_leaves_nothing(
    run_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fails(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(exporting, "write_torchscript", fails)
    output = tmp_path / "bundles" / "x"
    check_fails(
        OutputError, "cannot write the result", output, run=str(run_of("sigmoid")), output=str(output)
    )
    assert list(output.parent.iterdir()) == []
