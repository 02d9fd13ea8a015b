"""Prediction with bundles that this package exported: read as data, and the answer of the run."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

import brats3d
from brats3d.assembly import build_head, build_network
from brats3d.bundles.predict import predict
from brats3d.bundles.reading.folder import UnfamiliarError
from brats3d.bundles.reading.own import read_source
from brats3d.bundles.rendering import render_configs
from brats3d.bundles.rendering.inference import render_inference
from brats3d.bundles.scripts.ensemble import EnsembleNetwork
from brats3d.bundles.source import BundleSource
from brats3d.bundles.weights import write_state
from brats3d.config import PredictConfig, load_config
from brats3d.errors import ConfigError, DataError, RunError
from brats3d.files import write_json
from brats3d.labels import custom_convention
from brats3d.predict import main
from brats3d.workflows.loading import load_weights
from brats3d.workflows.runs import RunFolder

Make = Callable[[str], Path]
kinds = pytest.mark.parametrize("kind", ["sigmoid", "softmax", "slices"])


def job(bundle: Path, output: Path, **changes: Any) -> PredictConfig:
    return PredictConfig(bundle=str(bundle), output=str(output), accelerator="cpu", **changes)


def check_same(config: PredictConfig, output: Path, *runs: Path) -> None:
    """Predict with a bundle and with its runs, and compare the files."""
    ours = predict(config)
    names = tuple(map(str, runs))
    theirs = predict(dataclasses.replace(config, bundle=None, run=names, output=str(output)))
    assert [path.name for path in ours] == [path.name for path in theirs]
    files = sorted(Path(config.output).iterdir())
    assert [path.name for path in files] == sorted(path.name for path in output.iterdir())
    for path in files:
        assert path.read_bytes() == (output / path.name).read_bytes(), path.name
    assert any(nib.load(path).get_fdata().any() for path in ours), "an empty prediction tells nothing"


@kinds
def test_a_bundle_answers_as_its_run(
    bundle_of: Make, run_of: Make, labelled_set: Path, tmp_path: Path, kind: str
) -> None:
    config = job(bundle_of(kind), tmp_path / "bundle", input=str(labelled_set), probabilities=True)
    check_same(config, tmp_path / "run", run_of(kind))


@kinds
def test_options_mean_what_they_mean_for_a_run(
    bundle_of: Make, run_of: Make, labelled_set: Path, tmp_path: Path, kind: str
) -> None:
    names = ("flair", "t1ce") if kind == "slices" else ("t1", "t1ce", "t2", "flair")
    case = labelled_set / "BraTS2021_00001"
    files = {name: str(case / f"{case.name}_{name}.nii.gz") for name in names}
    config = job(
        bundle_of(kind),
        tmp_path / "bundle",
        files=files,
        flips=kind != "softmax",
        overlap=0.25,
        convention="brats2023",
        probabilities=True,
    )
    check_same(config, tmp_path / "run", run_of(kind))


@pytest.fixture
def another_run(run_of: Make, tmp_path: Path) -> Path:
    """A run with other weights, settings of its own, and the name of another."""
    run = Path(shutil.copytree(run_of("sigmoid"), tmp_path / "another"))
    path = run / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"] = {name: value * 1.5 for name, value in checkpoint["state_dict"].items()}
    torch.save(checkpoint, path)
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("precision: 32-true", "precision: bf16-mixed"))
    return run


@pytest.fixture
def ensemble(run_of: Make, another_run: Path, tmp_path: Path) -> Path:
    """A bundle of two runs as the export writes it, without its comparison."""
    runs = [RunFolder.open(run_of("sigmoid")), RunFolder.open(another_run)]
    source = BundleSource.of_ensemble(runs)
    networks = []
    for run, member in zip(runs, source.members, strict=True):
        head = build_head(member.config, member.convention)
        networks.append(build_network(member.config, head))
        load_weights(networks[-1], run.checkpoint())
    bundle = tmp_path / "ensemble"
    for name, content in render_configs(source, onnx=False).items():
        write_json(bundle / "configs" / name, content)
    (bundle / "models").mkdir()
    write_state(EnsembleNetwork(networks, "sigmoid"), bundle / "models" / "model.pt")
    return bundle


def test_an_ensemble_answers_as_its_runs(
    ensemble: Path, run_of: Make, another_run: Path, labelled_set: Path, tmp_path: Path
) -> None:
    config = job(ensemble, tmp_path / "a", input=str(labelled_set / "BraTS2021_00001"), probabilities=True)
    check_same(config, tmp_path / "b", run_of("sigmoid"), another_run)
    single = dataclasses.replace(config, bundle=None, run=(str(another_run),), output=str(tmp_path / "c"))
    assert predict(single)[0].read_bytes() != (tmp_path / "a" / "BraTS2021_00001.nii.gz").read_bytes()


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_an_ensemble_of_another_number(
    ensemble: Path, labelled_set: Path, tmp_path: Path, change: str
) -> None:
    path = ensemble / "models" / "model.pt"
    state = torch.load(path, weights_only=True)["model"]
    if change == "more":
        state |= {name.replace("members.1.", "members.2."): value for name, value in state.items()}
    else:
        state = {name: value for name, value in state.items() if not name.startswith("members.1.")}
    torch.save({"model": state}, path)
    with pytest.raises(RunError, match="another network"):
        predict(job(ensemble, tmp_path / "p", input=str(labelled_set)))


def test_nothing_of_a_bundle_is_executed(bundle_of: Make, labelled_set: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(bundle_of("sigmoid"), tmp_path / "bundle"))
    for path in (bundle / "scripts").rglob("*.py"):
        path.write_text("raise SystemExit('the scripts of the bundle were run')\n")
    before = set(sys.path)
    (path, *_) = predict(job(bundle, tmp_path / "p", input=str(labelled_set)))
    assert path.exists()
    assert set(sys.path) == before
    assert not [name for name in sys.modules if name.partition(".")[0] == "scripts"]


def edited(bundle_of: Make, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    bundle = Path(shutil.copytree(bundle_of("sigmoid"), tmp_path / "edited"))
    path = bundle / "configs" / "inference.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return bundle


def test_an_edited_value_counts(bundle_of: Make, run_of: Make, labelled_set: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["postprocessing"]["transforms"][0]["thresholds"] = {"WT": 0.3}
        content["inferer"]["flips"] = True
        content["dataset_dir"] = "/somewhere"
        content["device"] = "cpu"

    bundle = edited(bundle_of, tmp_path, change)
    run = Path(shutil.copytree(run_of("sigmoid"), tmp_path / "run"))
    config = run / "config.yaml"
    text = config.read_text().replace("thresholds: {}", "thresholds: {WT: 0.3}")
    config.write_text(text.replace("flips: false", "flips: true"))
    check_same(job(bundle, tmp_path / "a", input=str(labelled_set)), tmp_path / "b", run)


EDITS: dict[str, Callable[[dict[str, Any]], None]] = {
    "network": lambda c: c.update(network="$__import__('os').system('touch poisoned')"),
    "run": lambda c: c["run"].insert(0, "$__import__('os').system('touch poisoned')"),
    "precision": lambda c: c.update(precision="$__import__('os').system('touch poisoned')"),
    "dataset_dir": lambda c: c.update(dataset_dir="$__import__('os').system('touch poisoned')"),
    "model.params": lambda c: c["network_def"].update(
        filters={"_target_": "os.system", "command": "touch p"}
    ),
    "thresholds": lambda c: c["postprocessing"]["transforms"][0].update(thresholds={"WT": "$1/0"}),
    "labels": lambda c: c["labels"].update(name="$1/0"),
    "target": lambda c: c["inferer"].update(_target_="os.system"),
    "a step more": lambda c: c["preprocessing"]["transforms"].append({"_target_": "os.getcwd"}),
    "a key more": lambda c: c.update(more="$1/0"),
    "a key less": lambda c: c.pop("run"),
    "bias_field_shrink": lambda c: c["preprocessing"]["transforms"][1].update(bias_field_shrink=7),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_program_needs_trust(
    bundle_of: Make, labelled_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bundle = edited(bundle_of, tmp_path, EDITS[name])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="would run code on this machine") as caught:
        predict(job(bundle, tmp_path / "p", input=str(labelled_set)))
    assert caught.value.where == bundle / "configs" / "inference.json"
    assert "--trust" in str(caught.value.remedy)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edited"]


# Reading back, for settings that no fixture was trained with

SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "numbers": {
        "inference__window": [32, 24, 16],
        "inference__overlap": 0.25,
        "inference__window_batch": 3,
        "preprocess__clip": None,
        "preprocess__bias_field": True,
        "preprocess__denoise": "curvature_flow",
        "preprocess__orientation": "LPS",
        "trainer__precision": "bf16-mixed",
    },
    "contrast": {
        "preprocess__clahe": True,
        "preprocess__clahe_clip": 3.0,
        "preprocess__denoise": "median",
        "preprocess__denoise_strength": 2.0,
        "preprocess__normalise": "minmax",
    },
    "modalities": {"data__modalities": ["T1c", "t2f"], "data__label_geometry": "trust_array"},
    "sagittal": {
        "model__spatial_dims": 2,
        "model__head": "softmax",
        "slices__axis": "sagittal",
        "patch__size": [64, 32],
    },
    "dynunet": {"model__name": "dynunet", "patch__size": [64, 64, 64]},
    "swin_unetr": {"model__name": "swin_unetr", "patch__size": [64, 64, 64]},
    "segresnet": {"model__name": "segresnet", "model__params": {"filters": [8, 16], "blocks_down": [1, 1]}},
}


@pytest.mark.parametrize("own_labels", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_what_was_rendered_is_read_back(run_of: Make, name: str, own_labels: bool) -> None:
    source = BundleSource.of(RunFolder.open(run_of("sigmoid")))
    source = dataclasses.replace(source, config=load_config(None, **SETTINGS[name]))
    if own_labels:
        regions = {"lesion": ["core", "rim"], "core": ["core"]}
        source = dataclasses.replace(source, convention=custom_convention({7: "core", 3: "rim"}, regions))
    rendered = json.loads(json.dumps(render_inference(source)))
    read = read_source(rendered)
    assert json.loads(json.dumps(render_inference(read))) == rendered
    assert read.convention == source.convention
    assert read.convention.region_names == source.convention.region_names
    assert read.preprocessing() == source.preprocessing()
    assert read.config.model.name == source.config.model.name
    assert read.config.inference.overlap == source.config.inference.overlap
    assert read.config.slices.axis == source.config.slices.axis


def test_parameters_that_networks_got_since_have_their_defaults(run_of: Make) -> None:
    source = BundleSource.of(RunFolder.open(run_of("sigmoid")))
    rendered = json.loads(json.dumps(render_inference(source)))
    for name in ("level_dropout", "upsampling"):
        del rendered["network_def"][name]
    assert json.loads(json.dumps(read_source(rendered).network())) == json.loads(json.dumps(source.network()))


@pytest.mark.parametrize("content", [{}, {"network_def": []}, {"network_def": {"_target_": "SegResNet"}}])
def test_what_was_not_rendered_is_unfamiliar(content: dict[str, Any]) -> None:
    with pytest.raises(UnfamiliarError):
        read_source(content)


# What a user can get wrong


def test_folders_that_are_no_bundles(run_of: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("file", "empty", "absent"):
        with pytest.raises(RunError, match="not a bundle") as caught:
            predict(job(tmp_path / name, tmp_path / "p", input=str(tmp_path)))
        assert caught.value.where == tmp_path / name
        assert "configs/inference.json" in str(caught.value.expected)
    with pytest.raises(RunError, match="not a bundle") as caught:
        predict(job(run_of("sigmoid"), tmp_path / "p", input=str(tmp_path)))
    assert caught.value.got == "a run"
    assert f"--run {run_of('sigmoid')}" in str(caught.value.remedy)


@pytest.mark.parametrize("name", ["models/model.pt", "configs/inference.json", "configs/metadata.json"])
def test_a_missing_file_is_named(bundle_of: Make, tmp_path: Path, name: str) -> None:
    bundle = Path(shutil.copytree(bundle_of("sigmoid"), tmp_path / "bundle"))
    (bundle / name).unlink()
    with pytest.raises(RunError, match="the bundle is incomplete") as caught:
        predict(job(bundle, tmp_path / "p", input=str(tmp_path)))
    assert caught.value.got == f"without {name}"


@pytest.mark.parametrize("name", ["inference.json", "metadata.json"])
@pytest.mark.parametrize("content", ['{"network_def": ', "[1, 2]", "\udcff", "[" * 100_000])
def test_torn_json(bundle_of: Make, tmp_path: Path, name: str, content: str) -> None:
    bundle = Path(shutil.copytree(bundle_of("sigmoid"), tmp_path / "bundle"))
    (bundle / "configs" / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(RunError, match="cannot read a file of the bundle") as caught:
        predict(job(bundle, tmp_path / "p", input=str(tmp_path)))
    assert caught.value.where == bundle / "configs" / name


class Poison:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def poisoned(path: Path) -> None:
    torch.save({"model": {"weight": torch.zeros(1), "x": Poison(path.with_name("ran"))}}, path)


WEIGHTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "torn": (lambda path: path.write_bytes(path.read_bytes()[:1000]), "cannot read the weights"),
    "empty": (lambda path: path.write_bytes(b""), "cannot read the weights"),
    "poisoned": (poisoned, "cannot read the weights"),
    "no weights": (lambda path: torch.save([1, 2], path), "no weights in the file"),
    "none": (lambda path: torch.save({}, path), "no weights in the file"),
    "of another network": (lambda path: torch.save({"a": torch.zeros(1)}, path), "another network"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_cannot_be_used(bundle_of: Make, labelled_set: Path, tmp_path: Path, name: str) -> None:
    bundle = Path(shutil.copytree(bundle_of("sigmoid"), tmp_path / "bundle"))
    path = bundle / "models" / "model.pt"
    change, message = WEIGHTS[name]
    change(path)
    with pytest.raises(RunError, match=message) as caught:
        predict(job(bundle, tmp_path / "p", input=str(labelled_set)))
    assert caught.value.where == path
    assert ("which is code" in str(caught.value.got)) == (name == "poisoned")
    assert not (path.parent / "ran").exists()
    assert not (tmp_path / "p").exists()


def test_a_missing_modality_is_named(bundle_of: Make, labelled_set: Path, tmp_path: Path) -> None:
    case = Path(shutil.copytree(labelled_set / "BraTS2021_00001", tmp_path / "BraTS2021_00001"))
    gone = case / "BraTS2021_00001_t2.nii.gz"
    files = {m: str(case / f"{case.name}_{m}.nii.gz") for m in ("t1", "t1ce", "t2", "flair")}
    gone.unlink()
    bundle = bundle_of("sigmoid")
    with pytest.raises(DataError, match="case without t2") as caught:
        predict(job(bundle, tmp_path / "p", input=str(case)))
    assert caught.value.where == "BraTS2021_00001"
    with pytest.raises(DataError) as absent:
        predict(job(bundle, tmp_path / "p", files=files))
    assert str(gone) in str(absent.value)
    assert not (tmp_path / "p").exists()


def test_a_4d_file_with_too_few_channels_is_named(
    bundle_of: Make, labelled_set: Path, tmp_path: Path
) -> None:
    images = tmp_path / "Task01" / "imagesTs"
    images.mkdir(parents=True)
    channels = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    (tmp_path / "Task01" / "dataset.json").write_text(json.dumps({"modality": channels, "labels": {}}))
    one = nib.load(labelled_set / "BraTS2021_00001" / "BraTS2021_00001_t1.nii.gz")
    stacked = np.stack([one.get_fdata(dtype=np.float32)] * 3, axis=-1)
    path = images / "BRATS_001.nii.gz"
    nib.save(nib.Nifti1Image(stacked, one.affine), path)
    config = job(bundle_of("sigmoid"), tmp_path / "p", input=str(tmp_path / "Task01"))
    with pytest.raises(DataError, match="number of dimensions or channels") as caught:
        predict(config)
    assert str(path) in str(caught.value.where)
    assert "(32, 32, 32, 3)" in str(caught.value.got)
    with pytest.raises(DataError, match="number of dimensions or channels") as caught:
        predict(
            dataclasses.replace(
                config, input=None, files=dict.fromkeys(("t1", "t1ce", "t2", "flair"), str(path))
            )
        )
    assert str(path) in str(caught.value.where)


def test_settings_that_exclude_each_other(bundle_of: Make, tmp_path: Path) -> None:
    config = job(bundle_of("sigmoid"), tmp_path / "p", input=str(tmp_path))
    for where, changes in {
        "run, bundle": {"run": ("runs/x",)},
        "checkpoint": {"checkpoint": "last"},
        "trust": {"bundle": None, "trust": True},
    }.items():
        with pytest.raises(ConfigError) as caught:
            predict(dataclasses.replace(config, **changes))
        assert caught.value.where == where
        assert caught.value.remedy


def test_the_command_line(
    bundle_of: Make, labelled_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, output = labelled_set / "BraTS2021_00001", tmp_path / "p"
    words = ["--bundle", str(bundle_of("slices")), "--input", str(case), "--output", str(output)]
    assert main([*words, "--accelerator", "cpu"]) == 0
    assert capsys.readouterr().out == f"{output / case.name}.nii.gz\n"
    assert main([*words, "--overwrite", "--run", "x"]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_the_public_function_takes_bundles() -> None:
    assert brats3d.predict is predict
