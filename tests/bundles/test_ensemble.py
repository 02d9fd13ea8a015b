"""Several runs in one bundle."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from monai.bundle import verify_net_in_out
from torch import Tensor, nn

from brats3d import assembly
from brats3d.bundles.export import export
from brats3d.bundles.running import job, run_bundle
from brats3d.bundles.scripts.ensemble import EnsembleNetwork
from brats3d.config import ExportConfig, PredictConfig
from brats3d.errors import Brats3dError, ConfigError
from brats3d.labels import convention_named
from brats3d.models import Head
from brats3d.workflows.predict import predict
from brats3d.workflows.runs import RunFolder

Make = Callable[[str], Path]
MEMBERS = {"sigmoid": "residual_unet", "slices": "attention_unet"}
kinds = pytest.mark.parametrize("kind", MEMBERS)


def another(run: Path, path: Path, **changes: object) -> Path:
    """Copy a run with other settings (``section__key``) and freshly drawn weights."""
    shutil.copytree(run, path)
    config = yaml.safe_load((path / "config.yaml").read_text())
    for key, value in changes.items():
        section, name = key.split("__")
        config[section][name] = value
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    copy = RunFolder(path)
    torch.manual_seed(1)
    network = assembly.build_network(copy.config(), assembly.build_head(copy.config(), copy.convention()))
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state}, path / "checkpoints" / "best.ckpt")
    return path


@pytest.fixture(scope="module")
def runs_of(run_of: Make, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, str]]:
    """Gives two runs of a kind, with different networks."""
    folder = tmp_path_factory.mktemp("members")

    def make(kind: str) -> tuple[str, str]:
        run, other = run_of(kind), folder / f"other_{kind}"
        if not other.exists():
            another(run, other, model__name=MEMBERS[kind])
        return str(run), str(other)

    return make


@pytest.fixture(scope="module")
def ensemble_of(
    runs_of: Callable[[str], tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Gives the bundle of two runs of a kind."""
    folder = tmp_path_factory.mktemp("ensembles")

    def make(kind: str) -> Path:
        if not (folder / kind).exists():
            export(ExportConfig(ensemble=runs_of(kind), output=str(folder / kind), onnx=True))
        return folder / kind

    return make


@pytest.fixture(scope="module")
def answers(ensemble_of: Make, labelled_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the bundles wrote: a folder for each kind."""
    folder = tmp_path_factory.mktemp("answers")
    jobs = [job(ensemble_of(kind), labelled_set, folder / kind, ["inference.json"]) for kind in MEMBERS]
    run_bundle(ensemble_of("sigmoid"), jobs)  # the scripts of all bundles are the same
    return folder


@kinds
def test_it_predicts_as_the_runs_together(
    answers: Path, runs_of: Callable[[str], tuple[str, str]], labelled_set: Path, tmp_path: Path, kind: str
) -> None:
    ours = PredictConfig(
        run=runs_of(kind),
        input=str(labelled_set),
        output=str(tmp_path / "predict"),
        probabilities=True,
        accelerator="cpu",
    )
    for path in predict(ours):
        assert len(np.unique(nib.load(path).dataobj)) > 1
        for name in (path.name, path.name.replace(".nii.gz", "_probabilities.nii.gz")):
            assert (answers / kind / name).read_bytes() == (path.parent / name).read_bytes()


@kinds
def test_every_file_with_the_networks_was_compared(ensemble_of: Make, kind: str) -> None:
    card = (ensemble_of(kind) / "docs" / "README.md").read_text()
    rows = [line.split("|")[1].strip() for line in card.splitlines() if line.startswith("| `model.")]
    assert sorted(rows) == sorted(["`model.pt`", "`model.ts`", "`model.onnx`"] * 2)


def test_card_and_metadata_name_the_members(ensemble_of: Make, run_of: Make) -> None:
    bundle = ensemble_of("sigmoid")
    card = (bundle / "docs" / "README.md").read_text()
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    dice = json.loads((run_of("sigmoid") / "metrics.json").read_text())["regions"]["WT"]["dice"]["mean"]
    assert card.startswith("# ensemble-sigmoid-other_sigmoid\n")
    for text in (card, metadata["description"]):
        assert "sigmoid (" in text
        assert "other_sigmoid (" in text
        assert "residual_unet" in text
    assert "## Metrics of sigmoid alone" in card
    assert "Nobody has scored the mean of the networks." in card
    assert metadata["eval_metrics"]["sigmoid_WT_dice"] == dice
    assert metadata["eval_metrics"]["other_sigmoid_WT_dice"] == dice
    assert not (bundle / "configs" / "train.json").exists()


@kinds
def test_monai_verifies_the_shapes(ensemble_of: Make, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    bundle = ensemble_of(kind)
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


class Fixed(nn.Module):
    """Says the same whatever it sees."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
def test_the_logits_of_all_are_those_of_the_mean_probabilities(head: str) -> None:
    reading = Head(head, convention_named("brats2023").class_table)
    generator = torch.Generator().manual_seed(0)
    shape = (2, reading.out_channels, 4, 4, 4)
    logits = [torch.randn(shape, generator=generator) * scale for scale in (1, 10, 200)]
    network = EnsembleNetwork([Fixed(each) for each in logits], head)
    expected = torch.stack([reading.probabilities(each) for each in logits]).mean(dim=0)
    for runner in (network, torch.jit.script(network)):
        torch.testing.assert_close(reading.probabilities(runner(logits[0])), expected, rtol=0, atol=2e-6)


# What a user can get wrong


def check_fails(message: str, **config: object) -> Brats3dError:
    with pytest.raises(ConfigError, match=message) as caught:
        export(ExportConfig(**config))  # type: ignore[arg-type]
    assert caught.value.remedy
    return caught.value


def test_one_run_is_no_ensemble(run_of: Make, tmp_path: Path) -> None:
    one = str(run_of("sigmoid"))
    output = tmp_path / "bundles" / "x"
    error = check_fails("an ensemble of one run", ensemble=(one,), output=str(output))
    assert f"--run {one}" in str(error.remedy)
    check_fails("exclude each other", run=one, ensemble=(one, one), output=str(output))
    assert not output.parent.exists()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"model__head": "softmax", "loss__name": "dice_ce"}, "model.head"),
        ({"inference__overlap": 0.25}, "inference.overlap"),
        ({"inference__flips": True}, "inference.flips"),
        ({"patch__size": [32, 16, 16]}, "inference.window"),
        ({"preprocess__normalise": "robust"}, "preprocessing"),
        ({"data__modalities": ["t1", "t1ce", "flair", "t2"]}, "preprocessing"),
    ],
)
def test_unlike_runs(run_of: Make, tmp_path: Path, changes: dict[str, object], what: str) -> None:
    other = another(run_of("sigmoid"), tmp_path / "other", **changes)
    output = tmp_path / "bundles" / "x"
    error = check_fails(
        f"runs with different {what} cannot",
        ensemble=(str(run_of("sigmoid")), str(other)),
        output=str(output),
    )
    assert error.where == other
    assert not output.parent.exists()


def test_slices_and_volumes(run_of: Make, tmp_path: Path) -> None:
    members = (str(run_of("sigmoid")), str(run_of("slices")))
    check_fails("different model.spatial_dims cannot", ensemble=members, output=str(tmp_path / "x"))
