"""``brats3d benchmark predict`` on a tiny phantom: what is compared, not how fast it is."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from brats3d.__main__ import main
from brats3d.benchmarks.predict import benchmark_predict
from brats3d.benchmarks.predicting.model import Job
from brats3d.benchmarks.predicting.results import OF_NNUNET, agreement, classes_of, differing
from brats3d.benchmarks.predicting.worker import CONTENDERS
from brats3d.config import BenchmarkConfig
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError, MissingExtraError, RunError
from brats3d.imaging import Geometry, write_image, write_label_map
from brats3d.labels import convention_named

SIZE = (36, 40, 32)
SMALL = [name for name in CONTENDERS if name != "monai-whole"]  # its window is that of a whole head
CLASSES = ["background", "NCR", "ED", "ET"]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict") / "data"
    write_phantoms(folder, cases=1, size=SIZE, with_labels=False)
    return folder


@pytest.mark.parametrize("name", SMALL)
def test_a_contender_segments_the_case(name: str, case: Path, tmp_path: Path) -> None:
    work, read = CONTENDERS[name].prepare(Job(str(case), None, str(tmp_path), (32, 32, 32)))
    found = read(work())["voxels"]
    assert list(found) == CLASSES
    assert sum(found.values()) == math.prod(SIZE)


def test_labels_are_those_of_the_plain_full_image_result(tmp_path: Path) -> None:
    """Where there is nothing to crop, windows are the same, and so are the labels."""
    size, generator = (40, 32, 32), np.random.default_rng(0)
    geometry = Geometry(size, np.eye(4))
    for modality in ("t1", "t1ce", "t2", "flair"):
        voxels = generator.uniform(1, 2, size).astype(np.float32)
        write_image(tmp_path / f"all_{modality}.nii.gz", voxels, geometry, overwrite=False)
    maps = {}
    for name in ("brats3d-float32", "plain"):
        job = Job(str(tmp_path), None, str(tmp_path / name), (32, 32, 32))
        work, _ = CONTENDERS[name].prepare(job)
        maps[name] = classes_of(work(), convention_named("brats2017"))
    assert len(np.unique(maps["plain"])) > 1
    assert differing(maps["brats3d-float32"], maps["plain"]) < 0.001


def test_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "report.json"
    size = "[" + ",".join(map(str, SIZE)) + "]"
    arguments = ["--repeats", "1", "--size", size, "--contenders", "brats3d,plain", "--output", str(output)]
    assert main(["benchmark", "predict", *arguments]) == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("phantom 36x40x32", "random weights", "another label than plain"))
    (section,) = json.loads(output.read_text(encoding="utf-8"))["sections"]
    assert [own["contender"] for own in section["measurements"]] == ["brats3d", "plain"]
    for own in section["measurements"]:
        assert own["wall_ms"][0] > 0
        assert sum(own["scores"]["voxels"].values()) == math.prod(SIZE)


def test_nnunet_segments_the_same_case(case: Path, nnunet_python: str) -> None:
    config = BenchmarkConfig(
        "predict",
        repeats=1,
        contenders=("nnunet",),
        data=(str(case),),
        patch=(32, 32, 32),
        nnunet_python=nnunet_python,
    )
    section = benchmark_predict(config).sections[0]
    (measured,) = section.measurements
    assert sorted(measured.scores["voxels"]) == sorted(CLASSES)
    assert sum(measured.scores["voxels"].values()) == math.prod(SIZE)
    assert "dynunet" in section.notes[0]


def test_label_maps_with_different_values_are_compared(tmp_path: Path) -> None:
    ours, theirs = np.zeros((2, 10, 1, 1), np.uint8)
    ours[:4, 0, 0], theirs[:4, 0, 0] = (1, 2, 4, 4), (2, 1, 3, 0)  # NCR, ED, ET, and one that differs
    geometry = Geometry(ours.shape, np.eye(4))
    write_label_map(tmp_path / "ours.nii.gz", ours, geometry, overwrite=False)
    write_label_map(tmp_path / "theirs.nii.gz", theirs, geometry, overwrite=False)
    maps = {
        "ours": classes_of(tmp_path / "ours.nii.gz", convention_named("brats2017")),
        "theirs": classes_of(tmp_path / "theirs.nii.gz", OF_NNUNET),
    }
    assert agreement(maps, "ours") == "foreground voxels with another label than ours: theirs 25.000 %"
    nothing = np.zeros_like(ours)
    assert differing(nothing, nothing) == 0


def test_cases_that_cannot_be_measured(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "two", cases=2, size=(32, 32, 32))
    with pytest.raises(ConfigError, match="one case at a time"):
        benchmark_predict(BenchmarkConfig("predict", data=(str(tmp_path / "two"),)))
    with pytest.raises(ConfigError, match="one case at a time"):
        benchmark_predict(BenchmarkConfig("predict", data=("a", "b")))


def test_contenders_and_runs_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'monai'"):
        benchmark_predict(BenchmarkConfig("predict", contenders=("monay",)))
    with pytest.raises(RunError):
        benchmark_predict(BenchmarkConfig("predict", run=str(tmp_path / "none")))


def test_a_python_without_nnunet(case: Path) -> None:
    with pytest.raises(ConfigError, match="pip install nnunetv2") as caught:
        benchmark_predict(BenchmarkConfig("predict", contenders=("nnunet",)))
    assert caught.value.where == "nnunet_python"
    config = BenchmarkConfig(
        "predict",
        contenders=("nnunet",),
        data=(str(case),),
        patch=(32, 32, 32),
        nnunet_python=sys.executable,
    )
    with pytest.raises(MissingExtraError, match="the package nnunetv2 is not installed"):
        benchmark_predict(config)
