"""``brats3d benchmark loader`` on tiny phantoms: what is measured, not how fast it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from brats3d.__main__ import main
from brats3d.benchmarks.loader import benchmark_loader
from brats3d.benchmarks.loading.worker import CONTENDERS, Job
from brats3d.config import BenchmarkConfig
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError, DataError, LayoutError

PATCH = (16, 24, 20)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loader") / "data"
    write_phantoms(folder, cases=2, size=(48, 48, 48))
    return folder


@pytest.mark.parametrize("name", CONTENDERS)
def test_a_contender_makes_patches_of_every_case(name: str, root: Path, tmp_path: Path) -> None:
    work, read = CONTENDERS[name].prepare(Job(str(root), str(tmp_path), PATCH))
    samples = [work() for _ in range(4)]
    images = [torch.as_tensor(sample["image"]).numpy() for sample in samples]
    assert all(image.shape == (4, *PATCH) for image in images)
    assert all(image.dtype == np.float32 for image in images)
    assert not any(np.array_equal(images[0], image) for image in images[1:])
    # Normalised, whoever did it: brain about zero, of about one standard deviation.
    inside = np.concatenate([image[image != 0] for image in images])
    assert abs(inside.mean()) < 0.7
    assert 0.4 < inside.std() < 1.6
    found = read(samples[0])
    assert found["patch"] == {"channels": 4, "x": 16, "y": 24, "z": 20}
    assert found["beforehand"]["seconds_per_case"] >= 0


def test_a_run(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "report.json"
    words = ["--data", str(root), "--patch", "16,24,20", "--repeats", "2", "--output", str(output)]
    assert main(["benchmark", "loader", *words, "--contenders", "brats3d", "monai"]) == 0
    (section,) = json.loads(output.read_text(encoding="utf-8"))["sections"]
    assert section["title"] == "patches of 4x16x24x20, 2 cases"
    assert [own["contender"] for own in section["measurements"]] == ["brats3d", "monai"]
    for own in section["measurements"]:
        assert len(own["wall_ms"]) == 2
        assert min(own["cpu_ms"]) > 0
        assert own["scores"]["patch"]["channels"] == 4
        assert "monai" in own["versions"]
    assert section["notes"][0].startswith("patches per second of one core")
    assert "brats3d" in capsys.readouterr().out


def test_on_phantoms() -> None:
    config = BenchmarkConfig("loader", repeats=1, size=(32, 32, 32), patch=(16, 16, 16))
    report = benchmark_loader(config)
    assert [own.contender for own in report.sections[0].measurements] == list(CONTENDERS)
    assert report.sections[0].title == "patches of 4x16x16x16, 2 phantoms of 32x32x32"


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
