"""Everything a user can get wrong: one clear error that says where, and nothing half-written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d.config import FitConfig, PredictConfig, load_config
from brats3d.errors import (
    Brats3dError,
    ConfigError,
    DataError,
    LabelError,
    LayoutError,
)
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.predict import predict

MakeConfig = Callable[..., FitConfig]
Check = Callable[..., None]
CASE = "BraTS2021_00001"
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def file(root: Path, part: str = "t1ce", case_id: str = CASE) -> Path:
    return root / case_id / f"{case_id}_{part}.nii.gz"


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], affine: Any = None) -> None:
    """Change voxels or affine of a file."""
    image = nib.load(path)
    voxels = change(np.asarray(image.dataobj, dtype=np.float32).copy())
    nib.save(nib.Nifti1Image(voxels, image.affine if affine is None else affine), path)


def put(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(voxels: np.ndarray) -> np.ndarray:
        voxels[16, 16, 16] = value
        return voxels

    return change


def moved_affine(path: Path) -> np.ndarray:
    affine = nib.load(path).affine.copy()
    affine[0, 3] += 10.0
    return affine


# Data sets


def no_modality(root: Path) -> None:
    file(root).unlink()


def dangling_link(root: Path) -> None:
    file(root).unlink()
    file(root).symlink_to(root / "gone.nii.gz")


def dangling_label(root: Path) -> None:
    file(root, "seg").unlink()
    file(root, "seg").symlink_to(root / "gone.nii.gz")


def not_nifti(root: Path) -> None:
    file(root).write_bytes(b"this is not an image, although its name says so" * 20)


def empty_file(root: Path) -> None:
    file(root).write_bytes(b"")


def truncated_image(root: Path) -> None:
    file(root).write_bytes(file(root).read_bytes()[:-3000])


def truncated_label(root: Path) -> None:
    path = file(root, "seg")
    path.write_bytes(path.read_bytes()[:-100])


def nan_voxel(root: Path) -> None:
    rewrite(file(root), put(np.nan))


def infinite_voxel(root: Path) -> None:
    rewrite(file(root), put(-np.inf))


def zero_modality(root: Path) -> None:
    rewrite(file(root), np.zeros_like)


def other_shape(root: Path) -> None:
    rewrite(file(root), lambda voxels: voxels[:-1])


def other_affine(root: Path) -> None:
    rewrite(file(root), lambda voxels: voxels, moved_affine(file(root)))


def label_of_other_shape(root: Path) -> None:
    rewrite(file(root, "seg"), lambda voxels: voxels[:, 2:])


def label_with_other_affine(root: Path) -> None:
    rewrite(file(root, "seg"), lambda voxels: voxels, moved_affine(file(root, "seg")))


def label_outside_convention(root: Path) -> None:
    rewrite(file(root, "seg"), put(3))


def label_not_whole(root: Path) -> None:
    rewrite(file(root, "seg"), put(1.5))


def label_not_a_number(root: Path) -> None:
    rewrite(file(root, "seg"), put(np.nan))


def no_label(root: Path) -> None:
    file(root, "seg").unlink()


def twice(root: Path) -> None:
    shutil.copytree(root / CASE, root / "copy" / CASE)


def empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def gone(root: Path) -> None:
    shutil.rmtree(root)


def a_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("not a folder")


def photos(root: Path) -> None:
    shutil.rmtree(root)
    (root / "holidays").mkdir(parents=True)
    (root / "holidays" / "beach.jpg").write_bytes(b"sand")
    (root / "notes.txt").write_text("to do")


DATA_SETS = [
    (no_modality, DataError, CASE, "case without t1ce", "data.modalities"),
    (dangling_link, DataError, "_t1ce.nii.gz", "file not found", "link"),
    (dangling_label, DataError, "_seg.nii.gz", "file not found", "link"),
    (not_nifti, DataError, "_t1ce.nii.gz", "cannot read the file", "again"),
    (empty_file, DataError, "_t1ce.nii.gz", "cannot read the file", "again"),
    (truncated_image, DataError, "_t1ce.nii.gz", "cannot read the file", "gzip -t"),
    (truncated_label, DataError, "_seg.nii.gz", "cannot read the file", "gzip -t"),
    (nan_voxel, DataError, "_t1ce.nii.gz", "1 NaN and 0 infinite", "again"),
    (infinite_voxel, DataError, "_t1ce.nii.gz", "0 NaN and 1 infinite", "again"),
    (zero_modality, DataError, "_t1ce.nii.gz", "all voxels are 0", "data.modalities"),
    (other_shape, DataError, "_t1ce.nii.gz", "(31, 32, 32) instead of (32, 32, 32)", "resample"),
    (other_affine, DataError, "_t1ce.nii.gz", "origin", "resample"),
    (label_of_other_shape, DataError, "_seg.nii.gz", "(32, 30, 32) instead of", "grid"),
    (label_with_other_affine, DataError, "_seg.nii.gz", "origin", "trust_array"),
    (label_outside_convention, LabelError, "_seg.nii.gz", "label value 3", "brats2012"),
    (label_not_whole, LabelError, "_seg.nii.gz", "label value 1.5", "data.labels"),
    (label_not_a_number, LabelError, "_seg.nii.gz", "label value nan", "data.labels"),
    (no_label, DataError, CASE, "without a label map", "add the label map"),
    (twice, LayoutError, CASE, "more than once", "remove the copies"),
    (empty, LayoutError, "data", "the folder is empty", "unpacked"),
    (gone, LayoutError, "data", "does not exist", "check the path"),
    (a_file, LayoutError, "data", "not a folder", "check the path"),
    (photos, LayoutError, "data", "beach.jpg", "data.pattern"),
]


@pytest.mark.parametrize(
    ("spoil", "kind", "where", "what", "remedy"), DATA_SETS, ids=[row[0].__name__ for row in DATA_SETS]
)
def test_fit_on_a_spoilt_data_set(
    copied_set: Path,
    tmp_path: Path,
    fit_config: MakeConfig,
    spoil: Callable[[Path], None],
    kind: type[Brats3dError],
    where: str,
    what: str,
    remedy: str,
    check_clean: Check,
    check_message: Check,
) -> None:
    spoil(copied_set)
    runs = tmp_path / "runs"
    with pytest.raises(kind) as caught:
        fit(fit_config(runs, data__root=str(copied_set), data__store=None))
    assert type(caught.value) is kind
    check_message(caught.value, where, what, remedy)
    check_clean(runs)


def test_a_bad_test_case_is_found_before_the_training(
    copied_set: Path, tmp_path: Path, fit_config: MakeConfig, trained: FitResult, check_clean: Check
) -> None:
    rewrite(file(copied_set, case_id=trained.rows[0].case_id), put(np.nan))
    with pytest.raises(DataError, match="NaN"):
        fit(fit_config(tmp_path / "runs", data__root=str(copied_set), data__store=None))
    check_clean(tmp_path / "runs")


def test_a_file_that_may_not_be_read(
    copied_set: Path,
    tmp_path: Path,
    fit_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    check_clean: Check,
) -> None:
    file(copied_set).chmod(0)
    if os.geteuid() == 0:  # nothing is forbidden to root
        load = nib.load

        def guarded(path: Path) -> object:
            if path == file(copied_set):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return load(path)

        monkeypatch.setattr(nib, "load", guarded)
    with pytest.raises(DataError, match="not readable by you") as caught:
        fit(fit_config(tmp_path / "runs", data__root=str(copied_set), data__store=None))
    assert caught.value.where == file(copied_set)
    check_clean(tmp_path / "runs")


PREDICTABLE = [row for row in DATA_SETS if "label" not in row[0].__name__]


@pytest.mark.parametrize(
    ("spoil", "kind", "where", "what", "remedy"), PREDICTABLE, ids=[row[0].__name__ for row in PREDICTABLE]
)
def test_predict_on_a_spoilt_data_set(
    copied_set: Path,
    tmp_path: Path,
    trained: FitResult,
    spoil: Callable[[Path], None],
    kind: type[Brats3dError],
    where: str,
    what: str,
    remedy: str,
    check_message: Check,
) -> None:
    for case_id in ("BraTS2021_00003", "BraTS2021_00004", "BraTS2021_00005"):
        shutil.rmtree(copied_set / case_id)
    spoil(copied_set)
    output = tmp_path / "predictions"
    with pytest.raises(kind) as caught:
        predict(PredictConfig(run=(str(trained.run),), input=str(copied_set), output=str(output)))
    check_message(caught.value, where, what, remedy)
    # Cases before the bad one are done, and whole.
    for path in output.iterdir() if output.exists() else ():
        assert path.name == "BraTS2021_00000.nii.gz"
        assert nib.load(path).get_fdata().shape == (32, 32, 32)


@pytest.mark.parametrize("spoil", [no_label, truncated_label, label_outside_convention])
def test_predict_does_not_read_label_maps(
    copied_set: Path, tmp_path: Path, trained: FitResult, spoil: Callable[[Path], None]
) -> None:
    spoil(copied_set)
    (path,) = predict(
        PredictConfig(run=(str(trained.run),), input=str(copied_set / CASE), output=str(tmp_path / "p"))
    )
    assert path.exists()


@pytest.mark.parametrize(
    ("spoil", "kind", "what"), [(empty, LayoutError, "data"), (gone, DataError, "do not exist")]
)
def test_evaluate_without_predictions(
    copied_set: Path,
    phantom_set: Path,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    kind: type[Brats3dError],
    what: str,
) -> None:
    spoil(copied_set)
    output = tmp_path / "scores"
    with pytest.raises(kind, match=what):
        evaluate(copied_set, phantom_set, output, prediction_pattern="{case}/*_seg.nii.gz", quiet=True)
    assert not output.exists()


# Configuration


@pytest.mark.parametrize(
    ("overrides", "where", "closest"),
    [
        ({"trainer__max_epoch": 3}, "", "trainer.max_epochs"),
        ({"trainr__max_epochs": 3}, "", "trainer"),
        ({"model__name": "unett"}, "model.name", "unet"),
        ({"model__params": {"filter": [4, 8]}}, "model.params", "filters"),
        ({"model__head": "sigmoidal"}, "model.head", "sigmoid"),
        ({"loss__name": "dice_cee"}, "loss.name", "dice_ce"),
        ({"loss__params": {"gama": 2.0}, "loss__name": "focal"}, "loss.params", "gamma"),
        ({"optim__name": "adamW2"}, "optim.name", "adamw"),
        ({"optim__schedule": "polly"}, "optim.schedule", "poly"),
        ({"data__layout": "brats221"}, "data.layout", "brats2021"),
        ({"data__convention": "brats2016"}, "data.convention", "brats2017"),
        ({"data__modalities": ["flare"]}, "data.modalities", "flair"),
        ({"preprocess__normalise": "zscor"}, "preprocess.normalise", "zscore"),
        ({"preprocess__denoise": "curvature"}, "preprocess.denoise", "curvature_flow"),
        ({"postprocess__thresholds": {"EN": 0.4}}, "postprocess.thresholds", "ET"),
        ({"trainer__accelerator": "gpuu"}, "trainer.accelerator", "gpu"),
        ({"trainer__precision": "bf16-mixd"}, "trainer.precision", "bf16-mixed"),
    ],
)
def test_an_unknown_name_is_answered_with_the_closest(
    tmp_path: Path,
    fit_config: MakeConfig,
    overrides: dict,
    where: str,
    closest: str,
    check_clean: Check,
    check_message: Check,
) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(fit_config(tmp_path / "runs", data__store=None, **overrides))
    check_message(caught.value, where, closest)
    assert closest in str(caught.value.remedy)
    check_clean(tmp_path / "runs")


def test_a_patch_larger_than_the_image_is_padded(tmp_path: Path, fit_config: MakeConfig) -> None:
    result = fit(fit_config(tmp_path, patch__size=[48, 40, 48], trainer__max_epochs=1, patch__per_epoch=2))
    assert len(result.rows) == 3


@pytest.mark.parametrize("key", ["patch", "inference"])
def test_a_patch_that_does_not_divide_is_answered_with_the_next_size(
    tmp_path: Path, fit_config: MakeConfig, key: str, check_clean: Check, check_message: Check
) -> None:
    setting = {"patch__size": [18, 16, 17]} if key == "patch" else {"inference__window": [18, 16, 17]}
    config = fit_config(tmp_path / "runs", data__store=None, model__params={"filters": [4, 8, 8]}, **setting)
    with pytest.raises(ConfigError) as caught:
        fit(config)
    check_message(caught.value, "patch.size" if key == "patch" else "inference.window", "[20, 16, 20]")
    check_clean(tmp_path / "runs")


def test_a_key_given_twice(tmp_path: Path, check_message: Check) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("optim: {lr: 0.1}\ntrainer:\n  max_epochs: 2\n  max_epochs: 3\n")
    with pytest.raises(ConfigError, match="'max_epochs' is given twice") as caught:
        load_config(path)
    check_message(caught.value, str(path), "lines 3 and 4")


def test_a_missing_configuration_names_the_recipes(tmp_path: Path, check_message: Check) -> None:
    with pytest.raises(ConfigError, match="not found") as caught:
        load_config(tmp_path / "cpu_20mni.yaml")
    check_message(caught.value, "cpu_20mni.yaml", "cpu_20min.yaml")
