"""``brats3d benchmark loader`` on tiny phantoms: what is measured, not how fast it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from brats3d.__main__ import main
from brats3d.benchmarks.loader import benchmark_loader
from brats3d.benchmarks.loading.job import Job
from brats3d.benchmarks.loading.own import AS_IN_NNUNET, settings
from brats3d.benchmarks.loading.worker import CONTENDERS
from brats3d.config import BenchmarkConfig
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError, DataError, LayoutError, MissingExtraError
from brats3d.transforms.batch_augmentation.draws import Drawing

PATCH = (16, 24, 20)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loader") / "data"
    write_phantoms(folder, cases=2, size=(48, 48, 48))
    return folder


@pytest.mark.parametrize("name", CONTENDERS)
def test_a_contender_makes_patches_of_every_case(name: str, root: Path, tmp_path: Path) -> None:
    work, read = CONTENDERS[name].prepare(Job(str(root), str(tmp_path), PATCH, 2))
    samples = [*work(), *work()]
    assert len(samples) == 4
    images = [torch.as_tensor(sample["image"]).numpy() for sample in samples]
    assert all(image.shape == (4, *PATCH) for image in images)
    # What is only read is as it is stored.
    assert all(image.dtype == (np.float16 if name == "brats3d-read" else np.float32) for image in images)
    assert not any(np.array_equal(images[0], image) for image in images[1:])
    # Normalised, whoever did it: brain about zero, of about one standard deviation.
    inside = np.concatenate([image[image != 0] for image in images]).astype(np.float32)
    assert abs(inside.mean()) < 0.7
    assert 0.4 < inside.std() < 1.6
    found = read(samples)
    assert found["patch"] == {"channels": 4, "x": 16, "y": 24, "z": 20}
    assert found["beforehand"]["seconds_per_case"] >= 0


def test_brats3d_makes_the_random_changes_of_nnunet_as_often() -> None:
    draw = Drawing({"spatial_dims": 3, "flip_axes": None, **settings(AS_IN_NNUNET)})
    drawn = [draw(seed, 4) for seed in range(2000)]
    shares = {
        0.1: [draws.noise_std > 0 for draws in drawn],
        0.15: [bool(draws.offsets) for draws in drawn],
        0.25: [bool(draws.zooms) for draws in drawn],
        0.36: [draws.matrix is not None for draws in drawn],
        0.4: [bool(draws.gammas) for draws in drawn],
        0.5: [0 in draws.flips for draws in drawn],
    }
    for share, found in shares.items():
        assert abs(np.mean(found) - share) < 0.04


def test_a_run_on_phantoms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "report.json"
    words = ["--size", "[32,32,32]", "--patch", "16,24,20", "--repeats", "2", "--output", str(output)]
    assert main(["benchmark", "loader", *words, "--contenders", "brats3d-batch"]) == 0
    (section,) = json.loads(output.read_text(encoding="utf-8"))["sections"]
    assert section["title"] == "4 patches of 4x16x24x20, 2 phantoms of 32x32x32"
    (measured,) = section["measurements"]
    assert measured["contender"] == "brats3d-batch"
    assert len(measured["wall_ms"]) == 2
    assert min(measured["cpu_ms"]) > 0
    assert measured["scores"]["patch"]["channels"] == 4
    assert "monai" in measured["versions"]
    rate = 4000 / (sum(measured["cpu_ms"]) / 2)
    assert section["notes"][0].endswith(f"processor time: brats3d-batch {rate:.2f}")
    assert "brats3d-batch" in capsys.readouterr().out


def test_contenders_take_the_cases_of_a_data_set(root: Path) -> None:
    config = BenchmarkConfig("loader", repeats=1, contenders=("monai",), data=(str(root),), patch=PATCH)
    (section,) = benchmark_loader(config).sections
    assert section.title == "4 patches of 4x16x24x20, 2 cases"
    assert section.measurements[0].scores["patch"] == {"channels": 4, "x": 16, "y": 24, "z": 20}


def test_nnunet_makes_the_same_kind_of_patches(root: Path, nnunet_python: str) -> None:
    config = BenchmarkConfig(
        "loader",
        repeats=1,
        contenders=("nnunet",),
        data=(str(root),),
        patch=PATCH,
        nnunet_python=nnunet_python,
    )
    (measured,) = benchmark_loader(config).sections[0].measurements
    z, y, x = PATCH[::-1]
    assert measured.scores["patch"] == {"channels": 4, "x": z, "y": y, "z": x}
    assert measured.scores["targets"]["levels"] > 1
    assert "nnunetv2" in measured.versions


def test_a_python_without_nnunet(root: Path) -> None:
    with pytest.raises(ConfigError, match="pip install nnunetv2") as caught:
        benchmark_loader(BenchmarkConfig("loader", contenders=("nnunet",)))
    assert caught.value.where == "nnunet_python"
    with pytest.raises(ConfigError, match="no program"):
        benchmark_loader(BenchmarkConfig("loader", nnunet_python="no/such/python"))
    config = BenchmarkConfig(
        "loader", contenders=("nnunet",), data=(str(root),), nnunet_python=sys.executable
    )
    with pytest.raises(MissingExtraError, match="the package nnunetv2 is not installed"):
        benchmark_loader(config)


def test_what_cannot_be_measured(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'monai'"):
        benchmark_loader(BenchmarkConfig("loader", contenders=("Monai",)))
    with pytest.raises(ConfigError) as caught:
        benchmark_loader(BenchmarkConfig("loader", data=(str(root), str(root))))
    assert caught.value.where == "data"
    with pytest.raises(LayoutError):
        benchmark_loader(BenchmarkConfig("loader", data=(str(tmp_path),)))
    write_phantoms(tmp_path / "unlabelled", cases=1, size=(32, 32, 32), with_labels=False)
    with pytest.raises(DataError, match="without a label map"):
        benchmark_loader(BenchmarkConfig("loader", data=(str(tmp_path / "unlabelled"),)))
