"""The main job on real MRI, as a user runs it: each verb in a process of its own, with its peak memory."""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.imaging import read_geometry

pytestmark = pytest.mark.real

# resource counts in KiB, except on macOS. A peak is that of the largest process so far.
GIB = 2**20 if sys.platform != "darwin" else 2**30
COLUMNS = (
    "case_id,region,dice,iou,sensitivity,specificity,precision,hd95_mm,volume_pred_ml,volume_ref_ml".split(
        ","
    )
)
BRATS2015 = (
    "{flair: '{case}/Flair_subtrMeanDivStd.nii.gz', t1ce: '{case}/T1c_subtrMeanDivStd.nii.gz', "
    "label: '{case}/OTMultiClass.nii.gz', mask: '{case}/brainmask.nii.gz'}"
)


def run(verb: str, *words: str, cwd: Path) -> str:
    command = [sys.executable, "-m", f"brats3d.{verb}", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / GIB


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def trained(real_data: Path, folder: Path) -> Path:
    """A short training of the recommended recipe on six real cases."""
    run(
        "fit", "--config", "cpu_20min.yaml", "--data.root", str(real_data / "brats2021"),
        "--split.val", "1", "--split.test", "1", "--trainer.max_minutes", "null", "--trainer.max_epochs", "4",
        "--patch.per_epoch", "4", "--name", "short",
        cwd=folder,
    )  # fmt: skip
    return folder / "runs" / "short"


@pytest.fixture(scope="module")
def predicted(real_data: Path, folder: Path, trained: Path) -> Path:
    run(
        "predict",
        "--run",
        str(trained),
        "--input",
        str(real_data / "brats_met"),
        "--output",
        "met",
        cwd=folder,
    )
    return folder / "met"


def test_fit_stays_within_its_memory_and_scores_the_held_out_case(trained: Path) -> None:
    assert peak_gib() < 6
    split = json.loads((trained / "split.json").read_text())
    assert [len(split[part]) for part in ("train", "val", "test")] == [4, 1, 1]
    rows = rows_of(trained / "metrics.csv")
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    assert [(row["case_id"], row["region"]) for row in rows] == [
        (split["test"][0], region) for region in ("ET", "TC", "WT")
    ]
    # Sixteen steps are far from a finished model, but further still from chance.
    log = rows_of(next((trained / "logs" / "csv").glob("part-0/metrics.csv")))
    losses = [float(row["train/loss_epoch"]) for row in log if row.get("train/loss_epoch")]
    assert losses[-1] < losses[0]


def test_prediction_of_an_unlabelled_case_lies_on_its_own_grid(real_data: Path, predicted: Path) -> None:
    source = real_data / "brats_met" / "BraTS-MET-00110-000" / "BraTS-MET-00110-000-t1c.nii.gz"
    written = predicted / "BraTS-MET-00110-000.nii.gz"
    assert read_geometry(source).difference(read_geometry(written)) is None
    labels = np.asarray(nib.load(written).dataobj)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 1, 2, 3}  # the 2023 convention of the case, not that of the training


def test_full_resolution_prediction_stays_within_its_memory(real_data: Path, folder: Path) -> None:
    run(
        "fit", "--data.root", str(real_data / "brats2021"), "--name", "full", "--patch.size", "[64,64,64]",
        "--patch.per_epoch", "2", "--patch.batch_size", "1", "--trainer.max_epochs", "1",
        "--split.val", "0", "--split.test", "1", "--inference.window", "[128,128,128]", cwd=folder,
    )  # fmt: skip
    case = real_data / "brats2021" / "BraTS2021_00006"
    run(
        "predict",
        "--run",
        "runs/full",
        "--input",
        str(case),
        "--output",
        "full",
        "--probabilities",
        cwd=folder,
    )
    assert peak_gib() < 4
    labels = nib.load(folder / "full" / "BraTS2021_00006.nii.gz")
    assert labels.shape == (240, 240, 155)
    probabilities = nib.load(folder / "full" / "BraTS2021_00006_probabilities.nii.gz")
    assert probabilities.shape == (240, 240, 155, 3)


def test_slices_of_the_2015_data_with_a_naming_of_their_own(real_data: Path, folder: Path) -> None:
    data = real_data / "brats2015"
    run(
        "fit", "--config", "unet2d_flair_t1ce.yaml", "--data.root", str(data), "--data.pattern", BRATS2015,
        "--data.convention", "brats2012", "--split.val", "1", "--split.test", "1", "--patch.per_epoch", "32",
        "--trainer.max_epochs", "2", "--trainer.check_val_every_n_epoch", "1", "--name", "slices",
        "--model.params", "{filters: [16, 32, 64]}", cwd=folder,
    )  # fmt: skip
    rows = rows_of(folder / "runs" / "slices" / "metrics.csv")
    assert {row["region"] for row in rows} == {"ET", "TC", "WT"}
    run(
        "predict", "--run", "runs/slices", "--input", str(data), "--pattern", BRATS2015,
        "--convention", "brats2012", "--output", "slices", cwd=folder,
    )  # fmt: skip
    run(
        "evaluate", "--predictions", "slices", "--references", str(data), "--output", "scores",
        "--reference_pattern", "{case}/OTMultiClass.nii.gz", "--reference_convention", "brats2012",
        cwd=folder,
    )  # fmt: skip
    scored = {(row["case_id"], row["region"]): row for row in rows_of(folder / "scores" / "metrics.csv")}
    assert len(scored) == 12
    for row in rows:  # what fit scored is what predict and evaluate give
        again = scored[row["case_id"], row["region"]]
        assert float(again["dice"]) == pytest.approx(float(row["dice"]), abs=1e-9)
