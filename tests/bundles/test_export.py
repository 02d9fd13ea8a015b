"""Exported bundles: complete, run without this package, say what ``predict`` says; else nothing is left."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, verify_net_in_out

from brats3d.bundles import export as exporting
from brats3d.bundles.export import export
from brats3d.bundles.parity import job, run_bundle
from brats3d.bundles.scripts.runner import CaseEvaluator
from brats3d.config import ExportConfig, PredictConfig
from brats3d.errors import Brats3dError, ConfigError, OutputError, RunError
from brats3d.metrics import write_lesions_csv, write_metrics_csv
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.predict import predict

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


def predicted(run: Path, data: Path, output: Path) -> list[Path]:
    return predict(
        PredictConfig(
            run=(str(run),), input=str(data), output=str(output), probabilities=True, accelerator="cpu"
        )
    )


def check_same(expected: list[Path], output: Path, *, probabilities: bool = True) -> None:
    assert expected
    seen = set()
    for path in expected:
        ours, theirs = nib.load(path), nib.load(output / path.name)
        np.testing.assert_array_equal(theirs.dataobj, ours.dataobj)
        assert (output / path.name).read_bytes() == path.read_bytes()  # the header, too
        seen |= set(np.unique(ours.dataobj))
        if probabilities:
            name = path.name.replace(".nii.gz", "_probabilities.nii.gz")
            pair = [nib.load(folder / name).get_fdata() for folder in (path.parent, output)]
            np.testing.assert_allclose(*pair, atol=1e-4)
    assert len(seen) > 1, "a prediction without any tumour tells nothing"


@kinds
def test_what_is_in_a_bundle(bundle_of: Make, kind: str) -> None:
    bundle = bundle_of(kind)
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("scripts/")} == FILES
    assert all(name.endswith(".py") for name in found - FILES)
    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert list(state) == ["model"]
    assert all(isinstance(value, torch.Tensor) for value in state["model"].values())
    assert sum(path.stat().st_size for path in bundle.rglob("*")) < 5e6
    assert "Apache License" in (bundle / "LICENSE").read_text()


@kinds
def test_a_bundle_predicts_and_scores_as_this_package(
    bundle_of: Make, run_of: Make, labelled_set: Path, tmp_path: Path, kind: str
) -> None:
    bundle, output = bundle_of(kind), tmp_path / "bundle"
    run_bundle(bundle, [job(bundle, labelled_set, output, ["inference.json", "evaluate.json"])])
    paths = predicted(run_of(kind), labelled_set, tmp_path / "predict")
    check_same(paths, output)
    for path in paths:  # evaluate shall see label maps alone
        path.with_name(path.name.replace(".nii.gz", "_probabilities.nii.gz")).unlink()
    expected = evaluate(tmp_path / "predict", labelled_set, quiet=True)
    write_metrics_csv(tmp_path / "expected.csv", expected.rows)
    assert (output / "metrics.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    write_lesions_csv(tmp_path / "lesions.csv", expected.lesions)
    assert (output / "lesions.csv").read_bytes() == (tmp_path / "lesions.csv").read_bytes()
    summary = json.loads((output / "metrics.json").read_text())
    assert summary["cases"] == 4
    assert summary == {name: json.loads(json.dumps(expected.summary[name])) for name in summary}


def test_scores_by_another_profile(bundle_of: Make, labelled_set: Path, tmp_path: Path) -> None:
    configs = ["inference.json", "evaluate.json"]
    run_bundle(
        bundle_of("slices"),
        [job(bundle_of("slices"), labelled_set, tmp_path / "out", configs, profile="brats2025")],
    )
    summary = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert summary["profile"]["name"] == "brats2025"
    assert summary["profile"]["definition"] == "pooled"


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


def test_a_label_map_on_another_grid(bundle_of: Make, labelled_set: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    name = "BraTS2021_00001"
    shutil.copytree(labelled_set / name, data / name)
    label = data / name / f"{name}_seg.nii.gz"
    image = nib.load(label)
    moved = image.affine.copy()
    moved[0, 3] += 5
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), label)
    bundle, configs = bundle_of("slices"), ["inference.json", "evaluate.json"]
    with pytest.raises(RunError, match="does not run") as caught:
        run_bundle(bundle, [job(bundle, data, tmp_path / "out", configs)])
    assert "DataError" in str(caught.value.got)
    assert not (tmp_path / "out" / "metrics.csv").exists()
    run_bundle(bundle, [job(bundle, data, tmp_path / "out", configs, check_affine=False)])
    assert (tmp_path / "out" / "metrics.csv").exists()


def test_torchscript_gives_the_same_answer(
    bundle_of: Make, run_of: Make, labelled_set: Path, tmp_path: Path
) -> None:
    bundle = bundle_of("sigmoid")
    run_bundle(bundle, [job(bundle, labelled_set, tmp_path / "ts", ["inference.json", "torchscript.json"])])
    check_same(predicted(run_of("sigmoid"), labelled_set, tmp_path / "predict"), tmp_path / "ts")


def test_a_4d_file_gives_the_same_answer_in_its_own_axes(
    bundle_of: Make, run_of: Make, labelled_set: Path, tmp_path: Path
) -> None:
    name = "BraTS2021_00001"
    folder = tmp_path / "turned" / name
    folder.mkdir(parents=True)
    turned = []
    for modality in ("t1", "t1ce", "t2", "flair"):
        image = nib.load(labelled_set / name / f"{name}_{modality}.nii.gz")
        turned.append(
            nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine).as_reoriented(
                np.array([[2, -1], [0, 1], [1, -1]])
            )
        )
        nib.save(turned[-1], folder / f"{name}_{modality}.nii.gz")
    (tmp_path / "data").mkdir()
    stacked = np.stack([np.asarray(image.dataobj) for image in turned], axis=-1)
    nib.save(nib.Nifti1Image(stacked, turned[0].affine), tmp_path / "data" / f"{name}.nii.gz")
    bundle = bundle_of("softmax")
    run_bundle(bundle, [job(bundle, tmp_path / "data", tmp_path / "out", ["inference.json"])])
    check_same(predicted(run_of("softmax"), folder.parent, tmp_path / "predict"), tmp_path / "out")


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


def test_a_bundle_that_needs_this_package_does_not_run(
    bundle_of: Make, labelled_set: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(bundle_of("sigmoid"), tmp_path / "bundle"))
    runner = bundle / "scripts" / "runner.py"
    runner.write_text(runner.read_text().replace("import logging", "import logging\nimport brats3d", 1))
    with pytest.raises(RunError, match="does not run") as caught:
        run_bundle(bundle, [job(bundle, labelled_set, tmp_path / "out", ["inference.json"])])
    assert caught.value.got == "ModuleNotFoundError: No module named 'brats3d'"


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


def test_the_command_line(run_of: Make, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "brats3d.export", "--run", str(run_of("sigmoid"))]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{Path('bundles') / 'sigmoid'}\n"), done.stderr
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == ["sigmoid"]
    assert not list((tmp_path / "bundles").rglob("*onnx.json"))
    assert "model.onnx" not in (tmp_path / "bundles" / "sigmoid" / "docs" / "README.md").read_text()
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "the output exists already" in again.stderr
    assert "Traceback" not in again.stderr


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
