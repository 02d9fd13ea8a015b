"""``brats3d benchmark train`` on small patches: what is measured, not how fast it is."""

from __future__ import annotations

import json
import math
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brats3d import assembly
from brats3d.__main__ import main
from brats3d.benchmarks.nnunet.plans import FILTERS, REGIONS
from brats3d.benchmarks.report import Measurement
from brats3d.benchmarks.train import benchmark_train
from brats3d.benchmarks.training import nnunet_worker, worker
from brats3d.benchmarks.training.job import Job, facts, load_job
from brats3d.benchmarks.training.patches import write_patches
from brats3d.benchmarks.training.stepwise import Repeated, Stepwise
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError, MissingExtraError
from brats3d.labels import convention_named

PATCH = (64, 32, 32)


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("train") / "patches.npz"
    write_patches(file, PATCH, 2)
    return file


@pytest.fixture
def job(patches: Path, tmp_path: Path) -> Job:
    return Job(str(patches), PATCH, 2, str(tmp_path))


def network_of_ours() -> torch.nn.Module:
    config = worker.recipe(PATCH, 2)
    return assembly.build_network(config, assembly.build_head(config, convention_named("msd-task01")))


def test_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "report.json"
    words = ["--patch", "64,32,32", "--batch_size", "1", "--repeats", "1", "--threads", "1"]
    words += ["--contenders", "brats3d", "monai", "--output", str(output)]
    assert main(["benchmark", "train", *words]) == 0
    assert "patches per second: brats3d " in capsys.readouterr().out
    (section,) = json.loads(output.read_text(encoding="utf-8"))["sections"]
    assert section["title"] == "1 patches of 4x64x32x32"
    found = {own["contender"]: own for own in section["measurements"]}
    assert list(found) == ["brats3d", "monai"]
    assert all(own["wall_ms"][0] > 0 and own["cpu_ms"][0] > 0 for own in found.values())
    assert all(math.isfinite(own["scores"]["step"]["loss"]) for own in found.values())
    fast = assembly.hardware("auto", "auto").training
    assert found["brats3d"]["scores"]["step"]["arithmetic"].split()[0] == fast
    # One network, whoever built it, apart from biases.
    ours = network_of_ours()
    kernels = {own["scores"]["step"]["in_kernels"] for own in found.values()}
    assert kernels == {sum(weight.numel() for weight in ours.parameters() if weight.ndim > 1)}
    parameters = sum(weight.numel() for weight in ours.parameters())
    assert found["brats3d"]["scores"]["step"]["parameters"] == parameters


def test_the_patches_are_heads_with_tumours(job: Job) -> None:
    image, labels = job.arrays()
    assert image.shape == (2, 4, *PATCH)
    assert image.dtype == np.float32
    assert labels.shape == (2, 1, *PATCH)
    assert labels.dtype == np.uint8
    assert not np.array_equal(image[0], image[1])
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    inside = image[:, :, (image[:, 0] != 0)[0]]
    assert abs(inside[0].mean()) < 0.01
    # Regions by nnU-Net's values are those by ours.
    convention = convention_named("msd-task01")
    ours = dict(zip(convention.region_names, convention.to_regions(labels[0, 0]), strict=True))
    for name, region in (("whole tumor", "WT"), ("tumor core", "TC"), ("enhancing tumor", "ET")):
        np.testing.assert_array_equal(np.isin(labels[0, 0], REGIONS[name]), ours[region])


def test_a_loop_is_held_between_two_steps() -> None:
    steps, done = Stepwise(Repeated("batch")), []
    steps.start(lambda loader: [done.append(batch) for batch in loader])
    assert done == []
    steps.step()
    assert done == ["batch"]
    steps.step()
    assert done == ["batch", "batch"]


def test_what_a_loop_raises_is_raised_where_it_is_waited_for() -> None:
    def fails(loader: Stepwise) -> None:
        for _ in loader:
            raise MemoryError("too large")

    steps = Stepwise(Repeated("batch"))
    steps.start(fails)
    with pytest.raises(MemoryError, match="too large"):
        steps.step()
    with pytest.raises(RuntimeError, match="has ended"):
        Stepwise(Repeated("batch")).start(lambda loader: None)


def test_a_training_without_a_finite_loss_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="loss is nan"):
        facts(torch.nn.Linear(1, 1), math.nan, "float32", compiled=False)


@pytest.mark.parametrize(("name", "precision"), [("brats3d", "auto"), ("brats3d-float32", "32-true")])
def test_what_of_the_recipe_is_changed(name: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def hardware(accelerator: str, precision: str) -> None:
        asked.append(precision)
        raise InterruptedError

    monkeypatch.setattr(assembly, "hardware", hardware)
    with pytest.raises(InterruptedError):
        worker.CONTENDERS[name].prepare(Job("", PATCH, 3, ""))
    assert asked == [precision]
    config = worker.recipe(PATCH, 3, precision=precision)
    assert (config.patch.size, config.patch.batch_size) == (PATCH, 3)
    assert (config.model.name, config.optim.ema_decay) == ("dynunet", None)


class Trainer:
    """Stands in for nnU-Net's, with a network that is quick."""

    made: dict[str, Any]
    enable_deep_supervision = True
    label_manager = types.SimpleNamespace(foreground_regions=tuple(REGIONS.values()))

    def __init__(
        self, plans: dict[str, Any], name: str, fold: int, dataset: dict[str, Any], device: Any
    ) -> None:
        Trainer.made = {"plans": plans, "dataset": dataset, "device": device}
        folder = Path(os.environ["nnUNet_preprocessed"]) / plans["dataset_name"]
        # The real one infers how cases are stored from what lies there, and fails on an empty folder.
        kinds = {file.suffix for file in (folder / f"nnUNetPlans_{name}").iterdir()}
        assert kinds == {".b2nd"}
        Path(os.environ["nnUNet_results"]).mkdir()

    def initialize(self) -> None:
        self.network = torch.nn.Conv3d(4, 3, 1)
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.01)

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        self.supervised = enabled

    def _get_deep_supervision_scales(self) -> list[list[float]]:
        return [[1.0] * 3, [0.5] * 3]

    @staticmethod
    def get_validation_transforms(scales: list[list[float]], regions: Any) -> Any:
        def apply(image: torch.Tensor, segmentation: torch.Tensor) -> dict[str, Any]:
            masks = torch.cat([torch.isin(segmentation, torch.tensor(region)) for region in regions])
            return {"image": image, "segmentation": [masks[:, :: int(1 / s[0])] for s in scales]}

        return apply

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        Trainer.made["batch"] = batch
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            self.network(batch["data"]), batch["target"][0].float()
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach().numpy()}


@pytest.fixture
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["nnunetv2", "nnunetv2.training", "nnunetv2.training.nnUNetTrainer"]
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    module = types.ModuleType(f"{names[-1]}.nnUNetTrainer")
    module.nnUNetTrainer = Trainer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for kind in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{kind}", "")  # what the worker sets ends with the test


@pytest.mark.usefixtures("_stand_in")
def test_what_the_trainer_of_nnunet_is_given(job: Job) -> None:
    before = torch.backends.cudnn.benchmark
    try:
        work, read = nnunet_worker.CONTENDERS["nnunet"].prepare(job)
    finally:
        torch.backends.cudnn.benchmark = before
    first, second = work(), work()
    assert second < first
    assert read(second)["step"]["parameters"] == 4 * 3 + 3
    plans = Trainer.made["plans"]["configurations"]["3d_fullres"]
    assert (plans["patch_size"], plans["batch_size"]) == (list(PATCH), 2)
    assert plans["architecture"]["arch_kwargs"]["features_per_stage"] == list(FILTERS)
    assert list(Trainer.made["dataset"]["labels"]) == ["background", *REGIONS]
    image, labels = job.arrays()
    np.testing.assert_array_equal(Trainer.made["batch"]["data"], image)
    full, half = Trainer.made["batch"]["target"]
    assert full.shape == (2, 3, *PATCH)
    assert half.shape[:3] == (2, 3, PATCH[0] // 2)
    np.testing.assert_array_equal(full[:, 0], labels[:, 0] > 0)


def test_nnunet_trains_the_same_network(nnunet_python: str) -> None:
    config = BenchmarkConfig(
        "train",
        repeats=1,
        contenders=("nnunet",),
        nnunet_python=nnunet_python,
        patch=PATCH,
        batch_size=1,
        threads=1,
    )
    found = only(benchmark_train(config).sections[0].measurements)
    assert "nnunetv2" in found.versions
    step = found.scores["step"]
    ours = [weight for weight in network_of_ours().parameters() if weight.ndim > 1]
    # Its loss gives the head of the fifth resolution no weight; ours has none.
    assert step["in_kernels"] == sum(weight.numel() for weight in ours) + FILTERS[4] * len(REGIONS)
    assert math.isfinite(step["loss"])


def only(measurements: tuple[Measurement, ...]) -> Measurement:
    (found,) = measurements
    return found


def test_a_python_without_nnunet(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    config = BenchmarkConfig("train", contenders=("nnunet",), nnunet_python=str(bare), patch=PATCH)
    with pytest.raises(MissingExtraError, match="nnunetv2 is not installed") as caught:
        benchmark_train(config)
    assert caught.value.where == str(bare)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"contenders": ("Monai",)}, "contenders"),
        ({"contenders": ("nnunet",)}, "nnunet_python"),
        ({"nnunet_python": "no/such/python"}, "nnunet_python"),
        ({"data": ("somewhere",)}, "data"),
        ({"batch_size": 0}, "batch_size"),
        ({"threads": 0}, "threads"),
        ({"patch": (60, 64, 64)}, "patch"),
        ({"patch": (32, 32, 32)}, "patch"),
    ],
)
def test_what_cannot_be_measured(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        benchmark_train(BenchmarkConfig(**{"name": "train", "patch": PATCH, **settings}))
    assert caught.value.where == where


def test_a_job_survives_its_file(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps(vars(job)), encoding="utf-8")
    assert load_job(str(file)) == job
