"""Which models are offered, and what goes wrong before anything is computed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from foreign_bundles import foreign_bundle, foreign_config
from zoo_bundles import zoo_bundle

import brats3d.viewer
from brats3d.cases import Case
from brats3d.config import AppConfig
from brats3d.errors import Brats3dError, ConfigError, MissingExtraError, RunError
from brats3d.viewer import SegmentationService, offered_models, offering

Make = Callable[[str], Path]


@pytest.fixture
def runs(run_of: Make, tmp_path: Path) -> Path:
    """A folder of three runs, the newest a classifier, the oldest one of slices."""
    for age, kind in enumerate(("gate", "volumes", "slices")):
        copied = Path(shutil.copytree(run_of(kind), tmp_path / "runs" / kind))
        os.utime(copied / "config.yaml", (1e9 - age, 1e9 - age))
    return tmp_path / "runs"


def ids(config: AppConfig, **options: Any) -> list[str]:
    return [model.id for model in offered_models(config, **options)]


def test_without_a_name_the_newest_run_that_segments_and_fuzzy_k_means(runs: Path, tmp_path: Path) -> None:
    assert ids(AppConfig(), runs=runs) == ["volumes", "fuzzy_kmeans"]
    for checkpoint in (runs / "volumes" / "checkpoints").iterdir():
        checkpoint.unlink()
    assert ids(AppConfig(), runs=runs) == ["slices", "fuzzy_kmeans"]
    assert ids(AppConfig(), runs=tmp_path / "none") == ["fuzzy_kmeans"]


def test_without_scikit_learn_there_must_be_a_run(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise MissingExtraError("needs sklearn", remedy='pip install "brats3d[classical]"')

    monkeypatch.setattr(offering, "offered_recipe", missing)
    assert ids(AppConfig(), runs=runs) == ["volumes"]
    with pytest.raises(ConfigError, match=r"no model to offer(?s:.*)brats3d\[classical\]"):
        offered_models(AppConfig(), runs=tmp_path / "none")
    with pytest.raises(MissingExtraError):
        offered_models(AppConfig(classical=("kmeans.yaml",)))


def test_what_visitors_read_of_models(run_of: Make) -> None:
    run, gate = str(run_of("slices")), str(run_of("gate"))
    alone, gated = (model.as_dict() for model in offered_models(AppConfig(run=(run,), gate=gate)))
    assert alone == {
        "id": "slices",
        "title": "slices (unet, 2-D)",
        "kind": "run",
        "gated": False,
        "dimensions": 2,
        "modalities": ["flair", "t1ce"],
        "regions": [
            {"name": "ET", "colour": "#D55E00", "threshold": 0.5},
            {"name": "TC", "colour": "#56B4E9", "threshold": 0.5},
            {"name": "WT", "colour": "#F0E442", "threshold": 0.5},
        ],
        "classes": [
            {"name": "NCR", "value": 1, "colour": "#56B4E9", "label": 1},
            {"name": "ED", "value": 2, "colour": "#F0E442", "label": 2},
            {"name": "ET", "value": 3, "colour": "#D55E00", "label": 4},
        ],
    }
    assert gated == {
        **alone,
        "id": "slices-gated",
        "title": "slices (unet, 2-D) behind the gate gate",
        "gated": True,
    }


def test_bundles_of_three_kinds(tmp_path: Path) -> None:
    zoo = zoo_bundle(tmp_path / "zoo")
    regions = {"0": "ET", "1": "TC", "2": "WT"}
    foreign = foreign_bundle(tmp_path / "foreign", foreign_config(), regions)
    own = Path(__file__).parents[2] / "bundles" / "brats3d_phantoms"
    offered = offered_models(AppConfig(bundle=(str(own), str(zoo), str(foreign)), trust=True))
    assert [model.id for model in offered] == ["brats3d_phantoms", "zoo", "foreign"]
    assert [model.as_dict()["regions"][0]["threshold"] for model in offered] == [0.5, 0.5, None]
    assert offered[1].modalities == ("t1ce", "t1", "t2", "flair")
    with pytest.raises(ConfigError, match="would run code on this machine"):
        offered_models(AppConfig(bundle=(str(foreign),)))
    with pytest.raises(ConfigError, match="a bundle of others does not have"):
        offered_models(AppConfig(bundle=(str(foreign),), trust=True, flips=True))


def test_runs_of_one_name_have_ids_of_their_own(run_of: Make, tmp_path: Path) -> None:
    names = ("a/first", "b/first", "c/first-2", "d/Gehirn & Tumor", "e/???")
    copies = [str(shutil.copytree(run_of("slices"), tmp_path / name)) for name in names]
    found = ids(AppConfig(run=tuple(copies)))
    assert len(set(found)) == len(names)
    assert found[0] == "first"
    assert found[3:] == ["Gehirn-Tumor", "run"]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in found)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"run": ("nowhere",)}, RunError, "not a run"),
        ({"bundle": ("nowhere",)}, RunError, "not a bundle"),
        ({"classical": ("fuzzy_kmean.yaml",)}, ConfigError, "did you mean 'fuzzy_kmeans.yaml'"),
        ({"gate": "RUNS/gate"}, ConfigError, "a gate stands before runs"),
        ({"run": ("RUNS/gate",)}, ConfigError, "a classifier cannot segment"),
        ({"run": ("RUNS/slices",), "gate": "RUNS/volumes"}, ConfigError, "a gate is a classifier"),
        ({"run": ("RUNS/slices",), "gate": "nowhere"}, RunError, "not a run"),
        (
            {"run": ("RUNS/volumes",), "gate": "RUNS/gate"},
            ConfigError,
            "the gate and the segmentation differ",
        ),
        ({"run": ("RUNS/slices",), "overlap": 1.5}, ConfigError, "invalid overlap"),
        ({"run": ("RUNS/slices",), "accelerator": "gpus"}, ConfigError, "gpus"),
    ],
)
def test_wrong_names_fail_at_the_start(
    runs: Path, settings: dict[str, Any], error: type[Brats3dError], said: str
) -> None:
    def placed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(placed, value))
        return value.replace("RUNS", str(runs)) if isinstance(value, str) else value

    with pytest.raises(error, match=re.escape(said)):
        offered_models(AppConfig(**{key: placed(value) for key, value in settings.items()}))


def test_a_gate_that_fits_some_runs_stands_before_these(run_of: Make) -> None:
    runs = tuple(str(run_of(kind)) for kind in ("volumes", "slices"))
    found = ids(AppConfig(run=runs, gate=str(run_of("gate"))))
    assert found == ["volumes", "slices", "slices-gated"]


def test_weights_are_read_when_they_are_needed_once(
    runs: Path, phantom_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    from brats3d.workflows import loading

    read: list[Path] = []
    whole = loading.load_weights
    monkeypatch.setattr(
        loading, "load_weights", lambda network, path: (read.append(path), whole(network, path))
    )
    torn = runs / "volumes" / "checkpoints"
    for checkpoint in torn.iterdir():
        checkpoint.write_bytes(b"torn")
    config = AppConfig(
        run=(str(runs / "volumes"), str(runs / "slices")), gate=str(runs / "gate"), accelerator="cpu"
    )
    models = offered_models(config)
    assert read == []
    with SegmentationService(models) as service:
        failed = service.submit(phantom_case, "volumes").wait(60)
        assert failed["state"] == "failed"
        assert "checkpoint" in str(failed["error"])
        read.clear()
        for name in ("slices", "slices-gated", "slices", "slices-gated"):
            assert service.submit(phantom_case, name).wait(60)["state"] == "done"
    assert read == [runs / "slices" / "checkpoints" / "best.ckpt"]


def test_a_case_of_other_values_gets_the_values_of_its_own(run_of: Make, phantom_case: Case) -> None:
    """ET is 4 in the data of the run, and 3 in those of the recipe; the case decides."""
    config = AppConfig(run=(str(run_of("slices")),), classical=("kmeans.yaml",), accelerator="cpu")
    with SegmentationService(offered_models(config)) as service:
        for model in service.models:
            job = service.submit(phantom_case, model.id)
            assert job.wait(60)["state"] == "done"
            classes = {row["name"]: row["label"] for row in job.result().as_dict()["classes"]}
            assert classes == {"NCR": 1, "ED": 2, "ET": 4}
        job = service.submit(replace(phantom_case, label=None), "kmeans")
        job.wait(60)
        assert job.result().as_dict()["scores"] is None


def test_the_import_is_quick() -> None:
    program = """
import sys
import brats3d.viewer
heavy = {"torch", "monai", "sklearn", "matplotlib", "fastapi"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_no_web_framework_is_needed() -> None:
    modules = set(Path(brats3d.viewer.__file__).parent.glob("*.py"))
    served = {module for module in modules if re.search("fastapi|uvicorn|viewer.http", module.read_text())}
    assert {module.name for module in served} <= {"serving.py"}
    assert len(modules) > 10
