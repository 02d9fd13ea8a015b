"""A classifier and what is behind it in one bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml

from brats3d import assembly
from brats3d.bundles.export import export
from brats3d.bundles.predict import predict
from brats3d.bundles.running import job, run_bundle
from brats3d.bundles.scripts.gate import GatedInferer
from brats3d.config import ExportConfig, PredictConfig
from brats3d.errors import ConfigError, RunError
from brats3d.files import write_json
from brats3d.workflows.runs import RunFolder

Make = Callable[[str], Path]


def with_threshold(gate: Path, path: Path, threshold: float) -> Path:
    """Copy the run of a classifier and give it another threshold."""
    shutil.copytree(gate, path)
    content = json.loads((path / "gate.json").read_text())
    write_json(path / "gate.json", content | {"threshold": threshold})
    return path


def with_settings(run: Path, **sections: dict[str, Any]) -> Path:
    """Change settings of a run."""
    path = run / "config.yaml"
    content = yaml.safe_load(path.read_text())
    for section, values in sections.items():
        content[section] |= values
    path.write_text(yaml.safe_dump(content))
    return run


@pytest.fixture(scope="module")
def half_open(run_of: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of slices with a threshold that about half of them pass."""
    gate = run_of("gate")
    lines = (gate / "classification.csv").read_text().splitlines()
    column = lines[0].split(",").index("confidence")
    confidences = [float(line.split(",")[column]) for line in lines[1:]]
    path = tmp_path_factory.mktemp("gates") / "half_open"
    return with_threshold(gate, path, float(np.median(confidences)))


@pytest.fixture(scope="module")
def bundle(half_open: Path, run_of: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both in one bundle, which was compared with ``predict`` on its way."""
    output = tmp_path_factory.mktemp("gated") / "bundle"
    return export(ExportConfig(run=str(run_of("slices")), gate=str(half_open), output=str(output)))


def check_same_files(ours: Path, theirs: Path) -> None:
    """Check that all label maps and probabilities of one folder are in the other, byte by byte."""
    names = sorted(path.name for path in ours.glob("*.nii.gz"))
    assert names
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def skipped(folder: Path) -> list[list[int]]:
    return [json.loads(path.read_text())["skipped"] for path in sorted(folder.glob("*_gate.json"))]


def test_it_answers_as_run_and_gate_with_and_without_this_package(
    bundle: Path, half_open: Path, run_of: Make, labelled_set: Path, tmp_path: Path
) -> None:
    shared = {"input": str(labelled_set), "probabilities": True, "accelerator": "cpu"}
    run = (str(run_of("slices")),)
    expected, ours, theirs = (tmp_path / name for name in ("expected", "ours", "theirs"))
    predict(PredictConfig(run=run, gate=str(half_open), output=str(expected), **shared))
    predict(PredictConfig(bundle=str(bundle), output=str(ours), **shared))
    shut, scripted = tmp_path / "shut", tmp_path / "scripted"
    run_bundle(
        bundle,
        [
            job(bundle, labelled_set, theirs, ["inference.json", "evaluate.json"]),
            job(bundle, labelled_set, shut, ["inference.json"], **{"inferer#threshold": 1.1}),
            job(bundle, labelled_set, scripted, ["inference.json", "torchscript.json"]),
        ],
    )
    check_same_files(expected, ours)
    check_same_files(expected, theirs)
    assert skipped(ours) == skipped(expected)
    places = skipped(expected)
    assert any(places)
    paths = sorted(path for path in expected.glob("*.nii.gz") if "_probabilities" not in path.name)
    for path, gone in zip(paths, places, strict=True):
        labels, probabilities = (
            np.asarray(nib.load(theirs / name).dataobj)
            for name in (path.name, path.name.replace(".nii.gz", "_probabilities.nii.gz"))
        )
        assert not labels[:, :, gone].any()
        assert not probabilities[:, :, gone].any()
        assert not nib.load(shut / path.name).get_fdata().any()
        name = path.name.replace(".nii.gz", "_probabilities.nii.gz")
        np.testing.assert_allclose(nib.load(scripted / name).get_fdata(), probabilities, atol=1e-4)
    assert any(nib.load(path).get_fdata().any() for path in paths)
    assert (theirs / "metrics.json").is_file()


def test_card_metadata_and_training_say_what_is_there(bundle: Path, half_open: Path) -> None:
    threshold = json.loads((half_open / "gate.json").read_text())["threshold"]
    card = (bundle / "docs" / "README.md").read_text()
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    inferer = json.loads((bundle / "configs" / "inference.json").read_text())["inferer"]
    training = json.loads((bundle / "configs" / "train.json").read_text())
    assert (inferer["threshold"], inferer["slice_axis"]) == (threshold, "axial")
    for text in (card, metadata["description"]):
        assert "half_open" in text
        assert f"{threshold:.4g}" in text
    assert "slices skipped | 0 of " in card
    assert "the gate stays as it is" in card
    assert "half_open" not in json.dumps(training)
    assert training["validate"]["inferer"]["_target_"] == "scripts.inferer.RegionInferer"
    assert all(name.startswith("without_gate_") for name in metadata["eval_metrics"])
    assert metadata["eval_metrics"]


def test_a_label_server_finds_the_weights_of_the_segmentation_alone(bundle: Path) -> None:
    # MONAI Label lets users choose from these, and takes the one with the shortest name unasked.
    assert [path.name for path in (bundle / "models").glob("*.pt")] == ["model.pt"]


# What does not fit


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        ({"slices": {"axis": "coronal"}}, "slices"),
        ({"preprocess": {"normalise": "robust"}}, "preprocess.normalise"),
        ({"data": {"modalities": ["t1ce", "flair"]}}, "modalities"),
    ],
)
def test_a_gate_that_sees_something_else(
    half_open: Path, run_of: Make, tmp_path: Path, sections: dict[str, Any], named: str
) -> None:
    other = with_settings(Path(shutil.copytree(half_open, tmp_path / "other")), **sections)
    output = tmp_path / "bundles" / "x"
    with pytest.raises(ConfigError, match=f"differ in {named}"):
        export(ExportConfig(run=str(run_of("slices")), gate=str(other), output=str(output)))
    assert not output.parent.exists()


def test_a_gate_of_slices_before_volumes(half_open: Path, run_of: Make, tmp_path: Path) -> None:
    output = tmp_path / "bundles" / "x"
    with pytest.raises(ConfigError, match="differ in"):
        export(ExportConfig(run=str(run_of("sigmoid")), gate=str(half_open), output=str(output)))
    with pytest.raises(ConfigError, match="a gate is a classifier"):
        export(ExportConfig(run=str(run_of("slices")), gate=str(run_of("slices")), output=str(output)))
    assert not output.parent.exists()


def test_an_edited_bundle_whose_parts_differ(bundle: Path, case: Path, tmp_path: Path) -> None:
    edited = Path(shutil.copytree(bundle, tmp_path / "edited"))
    path = edited / "configs" / "inference.json"
    content = json.loads(path.read_text())
    content["preprocessing"]["transforms"][1]["normalise"] = "robust"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"differ in preprocess\.normalise"):
        predict(PredictConfig(bundle=str(edited), input=str(case), output=str(tmp_path / "p")))
    settings = {
        key: value
        for key, value in content["inferer"].items()
        if key not in ("_target_", "gate", "weights", "prepared", "labels", "segmenter")
    }
    other = content["preprocessing"]["transforms"][1] | {"_target_": None}
    other.pop("_target_")
    with pytest.raises(ConfigError, match="differ in preprocessing"):
        GatedInferer(
            **settings,
            gate=torch.nn.Identity(),
            weights={},
            prepared=other,
            labels=content["labels"],
            segmenter=lambda inputs, network: inputs,  # type: ignore[arg-type]
        )


def test_a_bundle_without_the_weights_of_its_gate(bundle: Path, case: Path, tmp_path: Path) -> None:
    torn = Path(shutil.copytree(bundle, tmp_path / "torn"))
    (torn / "models" / "gate" / "gate.pt").unlink()
    with pytest.raises(RunError, match="cannot read the weights"):
        predict(PredictConfig(bundle=str(torn), input=str(case), output=str(tmp_path / "p")))


# Other gates


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_gate_of_volumes_before_an_ensemble(
    run_of: Make, labelled_set: Path, tmp_path: Path, threshold: float
) -> None:
    gate = with_threshold(run_of("gate"), tmp_path / "gate", threshold)
    with_settings(
        gate,
        model={"spatial_dims": 3},
        patch={"size": [16, 16, 16]},
        data={"modalities": ["t1", "t1ce", "t2", "flair"]},
    )
    network = assembly.build_classifier_network(RunFolder(gate).config())
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state}, gate / "checkpoints" / "best.ckpt")
    other = Path(shutil.copytree(run_of("sigmoid"), tmp_path / "other"))
    runs = (str(run_of("sigmoid")), str(other))
    bundle = export(ExportConfig(ensemble=runs, gate=str(gate), output=str(tmp_path / "b"), onnx=True))
    shared = {"input": str(labelled_set), "probabilities": True, "accelerator": "cpu"}
    predict(PredictConfig(run=runs, gate=str(gate), output=str(tmp_path / "expected"), **shared))
    predict(PredictConfig(bundle=str(bundle), output=str(tmp_path / "ours"), **shared))
    check_same_files(tmp_path / "expected", tmp_path / "ours")
    labels = nib.load(tmp_path / "ours" / "BraTS2021_00001.nii.gz").get_fdata()
    assert labels.any() == (threshold == 0.0)
