"""Training a bundle further: as the run was trained, without this package, in one process or several."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from brats3d.bundles.running import run_bundle
from brats3d.bundles.scripts.saved_labels import convention_of_file
from brats3d.bundles.scripts.siblings import convention_of
from brats3d.bundles.scripts.training import AsRegionsd, AutocastInferer, RegionLoss, float16_on_gpu
from brats3d.bundles.scripts.training_data import labelled_parts
from brats3d.errors import DataError

Make = Callable[[str], Path]
LABELS = {
    "name": "brats2017",
    "values": {"1": "NCR", "2": "ED", "4": "ET"},
    "regions": {"ET": ["ET"], "TC": ["ET", "NCR"], "WT": ["ET", "NCR", "ED"]},
}
KINDS = ("sigmoid", "softmax", "slices")
MODALITIES = ("t1", "t1ce", "t2", "flair")


def training(bundle: Path, data: Path, **overrides: Any) -> dict[str, Any]:
    return {
        "config_file": str(bundle / "configs" / "train.json"),
        "meta_file": str(bundle / "configs" / "metadata.json"),
        "logging_file": str(bundle / "configs" / "logging.conf"),
        "bundle_root": str(bundle),
        "dataset_dir": str(data),
        "device": "$torch.device('cpu')",
        **overrides,
    }


def weights(bundle: Path) -> dict[str, torch.Tensor]:
    content = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert list(content) == ["model"]
    return content["model"]


def check_changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> None:
    assert list(after) == list(before)
    changed = [name for name in after if not torch.equal(after[name], before[name])]
    assert len(changed) > len(after) / 2
    assert all(torch.isfinite(value).all() for value in after.values())


@pytest.fixture
def copy_of(bundle_of: Make, tmp_path: Path) -> Make:
    """Gives a copy of the bundle of a kind, to be trained."""

    def make(kind: str) -> Path:
        return Path(shutil.copytree(bundle_of(kind), tmp_path / kind))

    return make


@pytest.fixture(scope="module")
def trained(bundle_of: Make, labelled_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of bundles after a training: one of each kind, and ``deeper`` with a network of its own.

    An earlier training of each was killed while it prepared a case.
    """
    folder = tmp_path_factory.mktemp("trained")
    kept = {"max_epochs": 1, "validation": 0}
    for kind in KINDS:
        shutil.copytree(bundle_of(kind), folder / kind)
    shutil.copytree(bundle_of("sigmoid"), folder / "deeper")
    for bundle in folder.iterdir():
        (bundle / "prepared" / ".another-0123456789abcdef.0123abcd.tmp").mkdir(parents=True)
    deeper = {"network_def#deep_supervision": True, "network_def#filters": [4, 4, 8, 8]}
    anew = {**deeper, "run": ["$@train#trainer.run()"]}
    # One process for all, whose scripts are those of the first: they are the same in every bundle.
    jobs = [training(folder / kind, labelled_set, **kept) for kind in KINDS]
    run_bundle(folder / "sigmoid", [*jobs, training(folder / "deeper", labelled_set, **kept, **anew)])
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_is_trained_without_this_package(bundle_of: Make, trained: Path, kind: str) -> None:
    bundle = trained / kind
    check_changed(weights(bundle_of(kind)), weights(bundle))
    assert len(list((bundle / "prepared").iterdir())) == 4
    assert sorted(path.name for path in (bundle / "models").glob("*.pt")) == ["model.pt"]


def test_deeply_supervised_from_random_weights(bundle_of: Make, trained: Path) -> None:
    found = weights(trained / "deeper")
    assert {name.split(".")[1] for name in found if name.startswith("heads.")} == {"0", "1"}
    assert set(found) > set(weights(bundle_of("sigmoid")))


@pytest.fixture
def parsed(copy_of: Make, labelled_set: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives ``train.json`` of a bundle in this process."""
    bundle = copy_of("sigmoid")
    monkeypatch.syspath_prepend(bundle)
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "train.json")
    changes = training(bundle, labelled_set)
    for key in ("config_file", "meta_file", "logging_file"):
        changes.pop(key)
    parser.update(changes)
    yield parser
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]


def test_training_learns_and_keeps_the_best_weights(parsed: Any) -> None:
    parsed.update({"max_epochs": 30, "val_interval": 10, "learning_rate": 0.02, "validation": 1})
    trainer = parsed.get_parsed_content("train#trainer")
    evaluator = parsed.get_parsed_content("validate#evaluator")
    evaluator.run(1)
    first = evaluator.state.metrics["dice"]
    trainer.run()
    assert evaluator.state.best_metric > first + 0.1
    network = parsed.get_parsed_content("plain_network")
    network.load_state_dict(weights(Path(parsed.get("bundle_root"))))
    evaluator.run(99)
    assert evaluator.state.metrics["dice"] == pytest.approx(evaluator.state.best_metric)


def test_what_a_label_server_overrides(parsed: Any, labelled_set: Path) -> None:
    """The keys of MONAI Label, and the forms of their values."""
    cases = sorted(labelled_set.iterdir())[:2]
    data = [
        {"image": str(case / f"{case.name}_t2.nii.gz"), "label": str(case / f"{case.name}_seg.nii.gz")}
        for case in cases
    ]
    handlers = parsed.get("train#handlers")
    loader = {
        "_target_": "CheckpointLoader",
        "load_path": str(Path(parsed.get("bundle_root")) / "models" / "model.pt"),
        "load_dict": {"model": "$@network"},
        "strict": False,
    }
    parsed.update(
        {
            "device": "cpu",
            "train#trainer#max_epochs": 1,
            "train#dataset#data": data,
            "train#handlers": [loader, *handlers],
            "validate#dataset#data": [],
            "dataset_dir": "/nowhere",
        }
    )
    trainer = parsed.get_parsed_content("train#trainer")
    trainer.run()
    assert trainer.state.epoch == 1
    assert len(parsed.get_parsed_content("train#dataset").samples.cases) == 2


def test_two_processes_train_one_network(copy_of: Make, labelled_set: Path, tmp_path: Path) -> None:
    bundle = copy_of("sigmoid")
    before = weights(bundle)
    configs = [str(bundle / "configs" / name) for name in ("train.json", "multi_gpu_train.json")]
    words = ["--standalone", "--nproc_per_node=2", "-m", "monai.bundle", "run", "--config_file", str(configs)]
    words += ["--dataset_dir", str(labelled_set), "--max_epochs", "2", "--validation", "1"]
    words += ["--on_gpu", "False", "--learning_rate", "0.01"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words],
        cwd=bundle,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    check_changed(before, weights(bundle))


# Data


def test_cases_are_parted_by_patient(labelled_set: Path, tmp_path: Path) -> None:
    names = [f"BraTS-GLI-{patient:05d}-{visit:03d}" for patient in range(4) for visit in (100, 101)]
    source = labelled_set / "BraTS2021_00000"
    for name in names:
        (tmp_path / name).mkdir()
        for ours, theirs in {"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair", "seg": "seg"}.items():
            target = tmp_path / name / f"{name}-{ours}.nii.gz"
            target.symlink_to(source / f"{source.name}_{theirs}.nii.gz")
    parts = labelled_parts(str(tmp_path), MODALITIES, LABELS, validation=0.25)
    patients = {
        part: {Path(item["image"]).parent.name[:-4] for item in items} for part, items in parts.items()
    }
    assert (len(parts["training"]), len(parts["validation"])) == (6, 2)
    assert not patients["training"] & patients["validation"]


def test_a_data_list_may_part_them(labelled_set: Path, tmp_path: Path) -> None:
    items = [
        {"image": f"{name}/{name}_t1.nii.gz", "label": f"{name}/{name}_seg.nii.gz"}
        for name in sorted(path.name for path in labelled_set.iterdir())
    ]
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"training": items[:1], "validation": items[1:3]}))
    parts = labelled_parts(str(labelled_set), MODALITIES, LABELS, validation=0.5, list_file=str(file))
    assert [len(parts[part]) for part in ("training", "validation")] == [1, 2]
    assert parts["training"][0]["label"] == str(labelled_set / items[0]["label"])
    file.write_text(json.dumps({"training": [{"image": "a.nii.gz"}]}))
    with pytest.raises(DataError, match="cannot read the data list") as caught:
        labelled_parts(str(labelled_set), MODALITIES, LABELS, validation=0.5, list_file=str(file))
    assert caught.value.where == str(file)


def test_a_folder_without_label_maps(parsed: Any, labelled_set: Path, tmp_path: Path) -> None:
    shutil.copytree(labelled_set, tmp_path / "bare", ignore=shutil.ignore_patterns("*_seg*"))
    parsed.update({"dataset_dir": str(tmp_path / "bare")})
    with pytest.raises(RuntimeError) as caught:
        parsed.get_parsed_content("train#trainer")
    said = "".join(traceback.format_exception(caught.value))
    assert "DataError: no case with a label map" in said


def test_segments_that_a_client_has_numbered(tmp_path: Path) -> None:
    convention = convention_of(LABELS)
    label = tmp_path / "labels" / "final" / "a.nii.gz"
    assert convention_of_file(label, convention) is convention

    def save(*names: str) -> None:
        segments = [{"name": name, "idx": index + 1} for index, name in enumerate(names)]
        saved = {"a": {"labels": {"final": {"info": {"label_info": segments}}}}}
        (tmp_path / "datastore_v2.json").write_text(json.dumps({"objects": saved}))

    save("et", "ed")
    found = convention_of_file(label, convention)
    assert dict(found.tissues) == {1: "ET", 2: "ED"}
    np.testing.assert_array_equal(found.class_table, convention.class_table)
    assert convention_of_file(label.with_name("b.nii.gz"), convention) is convention
    save("et", "vessel")
    with pytest.raises(DataError, match="segment 'vessel' is none of the model's") as caught:
        convention_of_file(label, convention)
    assert caught.value.where == label


# Loss, precision, regions


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
def test_the_loss_takes_classes_and_one_resolution_or_several(head: str) -> None:
    loss = RegionLoss("dice_ce", {}, head, LABELS)
    classes = torch.randint(0, 4, (2, 1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    perfect = 40 * loss.head.target(classes) - 20
    assert loss(perfect, classes) < 1e-3
    assert loss([perfect, perfect[..., ::2, ::2, ::2]], classes) < 1e-3
    assert loss(-perfect, classes) > 1


def test_networks_run_in_the_precision_of_the_run() -> None:
    image, network = torch.ones(1, 1), torch.nn.Linear(1, 1)
    assert AutocastInferer("bf16-mixed")(image, network).dtype == torch.bfloat16
    assert AutocastInferer("32-true")(image, network).dtype == torch.float32
    AutocastInferer("16-mixed")(image, network)  # which a CPU cannot


def test_the_trainer_scales_gradients_of_float16_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    off = {"amp": False, "amp_kwargs": {}}
    assert float16_on_gpu("cpu", "16-mixed") == off
    assert float16_on_gpu("cuda:0", "bf16-mixed") == off
    on = {"amp": True, "amp_kwargs": {"dtype": torch.float16}}
    assert float16_on_gpu(torch.device("cuda"), "16-mixed") == on


def test_validation_scores_regions() -> None:
    classes = torch.tensor([0, 1, 2, 3], dtype=torch.uint8).reshape(1, 4, 1, 1)
    probabilities = torch.tensor([[0, 0, 0, 0.9], [0, 0.3, 0, 0.9], [0, 0.9, 0.2, 0.9]]).reshape(3, 4, 1, 1)
    done = AsRegionsd(LABELS, {"TC": 0.25})({"pred": probabilities, "label": classes})
    assert done["label"].flatten(1).tolist() == [[0, 0, 0, 1], [0, 1, 0, 1], [0, 1, 1, 1]]
    assert done["pred"].flatten(1).tolist() == [[0, 0, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1]]
