"""What the service says is what ``brats3d predict`` writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from foreign_bundles import foreign_bundle, foreign_config
from zoo_bundles import zoo_bundle

from brats3d.bundles.predict import predict
from brats3d.cases import Case
from brats3d.config import AppConfig, PredictConfig
from brats3d.viewer import SegmentationService, offered_models

Make = Callable[[str], Path]
Pair = tuple[PredictConfig, AppConfig]


def with_threshold(gate: Path, path: Path, threshold: float) -> Path:
    """A copy of a classifier with another threshold."""
    shutil.copytree(gate, path)
    record = json.loads((path / "gate.json").read_text())
    (path / "gate.json").write_text(json.dumps({**record, "threshold": threshold}))
    return path


def middle_confidence(gate: Path, run: Path, case: Case, tmp_path: Path) -> float:
    """A threshold that some slices of a case pass and some do not."""
    output = tmp_path / "judged"
    folder = str(next(iter(case.images.values())).parent)
    predict(PredictConfig(run=(str(run),), gate=str(gate), input=folder, output=str(output)))
    (record,) = (json.loads(path.read_text()) for path in output.glob("*_gate.json"))
    return float(np.median([judged["confidence"] for judged in record["confidences"]]))


def _run(make: Make, tmp_path: Path, case: Case) -> Pair:
    run = str(make("volumes"))
    return PredictConfig(run=(run,)), AppConfig(run=(run,))


def _slices(make: Make, tmp_path: Path, case: Case) -> Pair:
    run = str(make("slices"))
    return PredictConfig(run=(run,), flips=True), AppConfig(run=(run,), flips=True)


def _gated(make: Make, tmp_path: Path, case: Case) -> Pair:
    run = str(make("slices"))
    threshold = middle_confidence(make("gate"), make("slices"), case, tmp_path)
    gate = str(with_threshold(make("gate"), tmp_path / "gate", threshold))
    return PredictConfig(run=(run,), gate=gate), AppConfig(run=(run,), gate=gate)


def _classical(make: Make, tmp_path: Path, case: Case) -> Pair:
    return PredictConfig(classical="kmeans.yaml"), AppConfig(classical=("kmeans.yaml",))


def _own_bundle(make: Make, tmp_path: Path, case: Case) -> Pair:
    bundle = str(Path(__file__).parents[2] / "bundles" / "brats3d_phantoms")
    return PredictConfig(bundle=bundle), AppConfig(bundle=(bundle,))


def _zoo(make: Make, tmp_path: Path, case: Case) -> Pair:
    bundle = str(zoo_bundle(tmp_path / "zoo"))
    return PredictConfig(bundle=bundle), AppConfig(bundle=(bundle,))


def _of_others(make: Make, tmp_path: Path, case: Case) -> Pair:
    regions = {"0": "ET", "1": "TC", "2": "WT"}
    bundle = str(foreign_bundle(tmp_path / "foreign", foreign_config(), regions))
    return PredictConfig(bundle=bundle, trust=True), AppConfig(bundle=(bundle,), trust=True)


KINDS = [_run, _slices, _gated, _classical, _own_bundle, _zoo, _of_others]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.strip("_"))
def test_the_label_map_is_that_of_predict(
    kind: Callable[[Make, Path, Case], Pair], run_of: Make, phantom_case: Case, tmp_path: Path
) -> None:
    job, page = kind(run_of, tmp_path, phantom_case)
    folder = next(iter(phantom_case.images.values())).parent
    settings = {"input": str(folder), "output": str(tmp_path / "p"), "accelerator": "cpu"}
    (expected,) = predict(PredictConfig(**{**vars(job), **settings}))
    models = offered_models(AppConfig(**{**vars(page), "accelerator": "cpu"}))
    with SegmentationService(models, tmp_path / "service") as service:
        done = service.submit(phantom_case, models[-1].id)
        assert done.wait(60)["state"] == "done", done.snapshot()["error"]
        result = done.result()
        assert result.labels_file().read_bytes() == expected.read_bytes()
        written = nib.load(expected)
        np.testing.assert_array_equal(result.labels, written.dataobj)
        found = result.as_dict()
        labels = np.asarray(written.dataobj)
        for row in found["classes"]:
            assert row["voxels"] == (labels == row["label"]).sum()
        assert found["tumour"] == labels.any()
        assert (found["gate"] is not None) == models[-1].gated == (kind is _gated)
        if kind is _gated:
            assert 0 < found["gate"]["segmented"] < found["gate"]["judged"]


def test_probabilities_are_those_of_predict(run_of: Make, phantom_case: Case, tmp_path: Path) -> None:
    run = str(run_of("volumes"))
    folder = str(next(iter(phantom_case.images.values())).parent)
    (labels,) = predict(
        PredictConfig(
            run=(run,), input=folder, output=str(tmp_path / "p"), probabilities=True, accelerator="cpu"
        )
    )
    expected = labels.with_name(f"{phantom_case.case_id}_probabilities.nii.gz")
    with SegmentationService(offered_models(AppConfig(run=(run,), accelerator="cpu"))) as service:
        job = service.submit(phantom_case, "volumes")
        job.wait(60)
        assert job.result().probabilities_file().read_bytes() == expected.read_bytes()
