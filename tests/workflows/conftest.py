"""Tiny phantoms, a tiny trained run and checks, shared by the tests of the workflows."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brats3d.config import FitConfig, load_config
from brats3d.data.phantom import write_phantoms
from brats3d.errors import Brats3dError
from brats3d.workflows.fit import FitResult, fit

MakeConfig = Callable[..., FitConfig]


@pytest.fixture(scope="session")
def phantom_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six labelled cases of 32 x 32 x 32 voxels, named as in 2021."""
    root = tmp_path_factory.mktemp("phantoms") / "brats2021"
    write_phantoms(root, cases=6, size=(32, 32, 32), seed=3)
    return root


@pytest.fixture(scope="session")
def fit_config(phantom_set: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeConfig:
    """Makes configurations of trainings that take a second; all share one store."""
    store = tmp_path_factory.mktemp("store")

    def make(folder: Path, name: str | None = "run", **overrides: Any) -> FitConfig:
        chosen = {
            "name": name,
            "folder": str(folder),
            "data__root": str(phantom_set),
            "data__store": str(store),
            "data__workers": 0,
            "split__val": 1,
            "split__test": 1,
            "patch__size": [16, 16, 16],
            "patch__batch_size": 2,
            "patch__per_epoch": 4,
            "model__params": {"filters": [4, 8]},
            "trainer__max_epochs": 2,
            "trainer__check_val_every_n_epoch": 1,
            "trainer__accelerator": "cpu",
            "trainer__precision": "32-true",
            "report": False,  # it takes longer than the training
            **overrides,
        }
        return load_config(None, **chosen)

    return make


@pytest.fixture(scope="session")
def trained(fit_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A run of two epochs; not to be written to."""
    return fit(fit_config(tmp_path_factory.mktemp("runs"), "trained", trainer__log_every_n_steps=1))


@pytest.fixture
def copied_set(phantom_set: Path, tmp_path: Path) -> Path:
    """The phantoms in a folder of the test's own."""
    return Path(shutil.copytree(phantom_set, tmp_path / "data"))


@pytest.fixture(scope="session")
def logged() -> Callable[[Path, str], dict[int, float]]:
    """Reads a column of a run's logs: epoch to value, over all sessions."""

    def read(run: Path, column: str) -> dict[int, float]:
        values = {}
        for file in sorted((run / "logs").glob("csv/part-*/metrics.csv")):
            with file.open(newline="") as rows:
                for row in csv.DictReader(rows):
                    if row.get(column):
                        values[int(row["epoch"])] = float(row[column])
        return values

    return read


@pytest.fixture(scope="session")
def check_clean() -> Callable[[Path], None]:
    """Checks a folder for runs: no run, nothing in the making; what the store holds is whole."""

    def check(folder: Path) -> None:
        if not folder.exists():
            return
        assert not list(folder.rglob("config.yaml"))
        for path in folder.rglob("*"):
            relative = path.relative_to(folder)
            assert relative.parts[0] == ".prepared", f"left behind: {relative}"
            assert len(relative.parts) < 2 or not relative.parts[1].startswith("."), (
                f"left behind: {relative}"
            )
        for entry in folder.glob(".prepared/*"):
            assert (entry / "record.json").is_file()

    return check


@pytest.fixture(scope="session")
def check_message() -> Callable[..., None]:
    """Checks that an error says where, has the given parts, and tells what to do."""

    def check(error: Brats3dError, where: str, *parts: str) -> None:
        assert where in str(error.where), error
        for part in parts:
            assert part in str(error), error
        assert error.remedy, "no remedy"
        assert "Traceback" not in str(error)

    return check


@pytest.fixture
def without_figures_of_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves figures out of reports that other tests look at, and that take most of the time."""
    for part in ("figure_parts", "lesion_parts", "calibration_parts"):
        monkeypatch.setattr(f"brats3d.workflows.report_run.{part}", lambda *_: [])
