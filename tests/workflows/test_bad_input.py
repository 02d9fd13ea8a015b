"""Everything a user can get wrong: one clear error that says where, and nothing half-written."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d import files
from brats3d.config import FitConfig, PredictConfig, load_config
from brats3d.errors import (
    Brats3dError,
    ConfigError,
    DataError,
    LabelError,
    LayoutError,
    OutputError,
)
from brats3d.training.checkpoints import AtomicCheckpointIO
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.predict import predict

MakeConfig = Callable[..., FitConfig]
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


def assert_nothing_half_written(folder: Path) -> None:
    """No run, no file or folder in the making; what the store holds is whole."""
    if not folder.exists():
        return
    assert not list(folder.rglob("config.yaml"))
    assert not list(folder.rglob("*.tmp"))
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        assert relative.parts[0] == ".prepared", f"left behind: {relative}"
        assert len(relative.parts) < 2 or not relative.parts[1].startswith("."), f"left behind: {relative}"
    for entry in folder.glob(".prepared/*"):
        assert (entry / "record.json").is_file()


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


def message_has(error: Brats3dError, where: str, *parts: str) -> None:
    assert where in str(error.where), error
    for part in parts:
        assert part in str(error), error
    assert error.remedy, "no remedy"
    assert "Traceback" not in str(error)


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
) -> None:
    spoil(copied_set)
    runs = tmp_path / "runs"
    with pytest.raises(kind) as caught:
        fit(fit_config(runs, data__root=str(copied_set), data__store=None))
    assert type(caught.value) is kind
    message_has(caught.value, where, what, remedy)
    assert_nothing_half_written(runs)


def test_a_bad_test_case_is_found_before_the_training(
    copied_set: Path, tmp_path: Path, fit_config: MakeConfig, trained: FitResult
) -> None:
    rewrite(file(copied_set, case_id=trained.rows[0].case_id), put(np.nan))
    with pytest.raises(DataError, match="NaN"):
        fit(fit_config(tmp_path / "runs", data__root=str(copied_set), data__store=None))
    assert_nothing_half_written(tmp_path / "runs")


def test_a_file_that_may_not_be_read(
    copied_set: Path, tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
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
    assert_nothing_half_written(tmp_path / "runs")


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
) -> None:
    for case_id in ("BraTS2021_00003", "BraTS2021_00004", "BraTS2021_00005"):
        shutil.rmtree(copied_set / case_id)
    spoil(copied_set)
    output = tmp_path / "predictions"
    with pytest.raises(kind) as caught:
        predict(PredictConfig(run=(str(trained.run),), input=str(copied_set), output=str(output)))
    message_has(caught.value, where, what, remedy)
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
    ("spoil", "kind", "what"),
    [
        (truncated_label, DataError, "cannot read the file"),
        (label_of_other_shape, DataError, "shape"),
        (label_with_other_affine, DataError, "origin"),
        (label_outside_convention, LabelError, "label value 3"),
        (no_label, DataError, CASE),
        (empty, LayoutError, "data"),
        (gone, DataError, "do not exist"),
    ],
)
def test_evaluate_spoilt_predictions(
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
    tmp_path: Path, fit_config: MakeConfig, overrides: dict, where: str, closest: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(fit_config(tmp_path / "runs", data__store=None, **overrides))
    message_has(caught.value, where, closest)
    assert closest in str(caught.value.remedy)
    assert_nothing_half_written(tmp_path / "runs")


def test_a_patch_larger_than_the_image_is_padded(tmp_path: Path, fit_config: MakeConfig) -> None:
    result = fit(fit_config(tmp_path, patch__size=[48, 40, 48], trainer__max_epochs=1, patch__per_epoch=2))
    assert len(result.rows) == 3


@pytest.mark.parametrize("key", ["patch", "inference"])
def test_a_patch_that_does_not_divide_is_answered_with_the_next_size(
    tmp_path: Path, fit_config: MakeConfig, key: str
) -> None:
    setting = {"patch__size": [18, 16, 17]} if key == "patch" else {"inference__window": [18, 16, 17]}
    config = fit_config(tmp_path / "runs", data__store=None, model__params={"filters": [4, 8, 8]}, **setting)
    with pytest.raises(ConfigError) as caught:
        fit(config)
    message_has(caught.value, "patch.size" if key == "patch" else "inference.window", "[20, 16, 20]")
    assert_nothing_half_written(tmp_path / "runs")


# Output


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small disk of its own, or a skip that says why there is none."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount a small disk, and here it may not be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_fit_on_a_disk_too_small_for_the_prepared_cases(tmp_path: Path, fit_config: MakeConfig) -> None:
    with mounted(tmp_path / "small", "size=64k") as disk:
        with pytest.raises(OutputError, match="No space left") as caught:
            fit(fit_config(disk / "runs", data__store=None))
        message_has(caught.value, "small", "free space")
        assert_nothing_half_written(disk / "runs")


def test_fit_on_a_disk_too_small_for_a_checkpoint(tmp_path: Path, fit_config: MakeConfig) -> None:
    with mounted(tmp_path / "small", "size=48k") as disk:
        with pytest.raises(OutputError, match="No space left") as caught:
            fit(fit_config(disk / "runs"))
        message_has(caught.value, "small", "free space")
        assert_nothing_half_written(disk / "runs")


def test_output_to_a_read_only_disk(
    tmp_path: Path, fit_config: MakeConfig, trained: FitResult, phantom_set: Path
) -> None:
    with mounted(tmp_path / "fixed", "size=64k,ro") as disk:
        with pytest.raises(OutputError, match="read-only") as caught:
            fit(fit_config(disk / "runs", data__store=None))
        message_has(caught.value, "fixed", "another output folder")
        case_folder = str(phantom_set / CASE)
        with pytest.raises(OutputError, match="read-only"):
            predict(PredictConfig(run=(str(trained.run),), input=case_folder, output=str(disk / "p")))
        with pytest.raises(OutputError, match="read-only"):
            evaluate(phantom_set, phantom_set, disk / "scores", prediction_pattern="*_seg.nii.gz", quiet=True)


def test_output_below_a_file(
    tmp_path: Path, fit_config: MakeConfig, trained: FitResult, phantom_set: Path
) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError) as caught:
        fit(fit_config(tmp_path / "file" / "runs"))
    message_has(caught.value, "file", "another output folder")
    with pytest.raises(OutputError):
        predict(
            PredictConfig(
                run=(str(trained.run),), input=str(phantom_set / CASE), output=str(tmp_path / "file")
            )
        )
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_that_holds_something_else_is_not_taken_for_a_run(
    tmp_path: Path, fit_config: MakeConfig
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="not empty"):
        fit(fit_config(tmp_path))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("step", ["config.yaml", "split.json", "environment.json"])
def test_a_run_that_cannot_be_begun_leaves_nothing(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_text = Path.write_text

    def fill(path: Path, *args: Any, **kwargs: Any) -> int:
        if path.name.endswith(step):
            raise FULL
        return write_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(OutputError, match="free space"):
        fit(fit_config(tmp_path / "runs"))
    assert_nothing_half_written(tmp_path / "runs")


def test_a_run_whose_folder_cannot_be_made(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def refuse(path: Path, *args: Any, **kwargs: Any) -> None:
        if path.name == "run":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="permissions") as caught:
        fit(fit_config(tmp_path / "runs"))
    assert caught.value.where == tmp_path / "runs" / "run"


def test_two_processes_do_not_begin_the_same_run(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    is_dir = Path.is_dir

    def other_was_faster(path: Path) -> bool:
        seen = is_dir(path)
        if path == run and not seen:
            run.mkdir()
        return seen

    monkeypatch.setattr(Path, "is_dir", other_was_faster)
    with pytest.raises(OutputError, match="exists already"):
        fit(fit_config(tmp_path))
    assert list(run.iterdir()) == []


def test_a_disk_that_fills_up_later_keeps_what_can_be_resumed(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = AtomicCheckpointIO.save_checkpoint
    written: list[str] = []

    def fill(self: AtomicCheckpointIO, checkpoint: dict, path: Any, storage_options: Any = None) -> None:
        if checkpoint["epoch"] == 1:
            monkeypatch.setattr(os, "fsync", out_of_space)
        save(self, checkpoint, path)
        written.append(Path(path).name)

    def out_of_space(descriptor: int) -> None:
        raise FULL

    with monkeypatch.context():
        monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", fill)
        with pytest.raises(OutputError, match="free space"):
            fit(fit_config(tmp_path, trainer__max_epochs=3))
    monkeypatch.undo()
    checkpoints = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert checkpoints == ["best.ckpt", "last.ckpt"]
    result = fit(FitConfig(resume=str(tmp_path / "run")))
    assert len(result.rows) == 3


def test_predict_on_a_disk_that_is_full(
    tmp_path: Path, trained: FitResult, phantom_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(path: Path, content: bytes) -> int:
        with path.open("wb") as half:
            half.write(content[: len(content) // 2])
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", fill)
    config = PredictConfig(run=(str(trained.run),), input=str(phantom_set), output=str(tmp_path / "p"))
    with pytest.raises(OutputError, match="free space") as caught:
        predict(config)
    message_has(caught.value, "BraTS2021_00000.nii.gz", "No space left")
    assert list((tmp_path / "p").iterdir()) == []


def test_an_interrupted_prediction_leaves_no_part_of_a_file(
    tmp_path: Path, trained: FitResult, phantom_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(path: Path, content: bytes) -> int:
        with path.open("wb") as half:
            half.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupt)
    config = PredictConfig(run=(str(trained.run),), input=str(phantom_set), output=str(tmp_path / "p"))
    with pytest.raises(KeyboardInterrupt):
        predict(config)
    assert list((tmp_path / "p").iterdir()) == []


@pytest.mark.parametrize("moment", ["preparation", "first epoch"])
def test_an_interrupted_fit_without_a_checkpoint_leaves_no_run(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    if moment == "preparation":
        monkeypatch.setattr(np.lib.format, "write_array_header_1_0", interrupt)
    else:
        monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(fit_config(tmp_path / "runs", data__store=None))
    assert_nothing_half_written(tmp_path / "runs")


def test_scores_are_written_whole_or_not_at_all(
    tmp_path: Path, phantom_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        evaluate(
            phantom_set, phantom_set, tmp_path / "s", prediction_pattern="{case}/*_seg.nii.gz", quiet=True
        )
    assert list((tmp_path / "s").iterdir()) == []


# The command line


def command(verb: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"brats3d.{verb}", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_told(finished: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr + finished.stdout
    for part in ("brats3d: error: ", *parts):
        assert part in finished.stderr


def test_an_unknown_key_at_the_command_line(tmp_path: Path) -> None:
    finished = command("fit", "--trainer.max_epoch=3", cwd=tmp_path)
    assert_told(finished, "trainer.max_epoch", "did you mean 'trainer.max_epochs'")
    assert list(tmp_path.iterdir()) == []


def test_a_torn_file_at_the_command_line(copied_set: Path, tmp_path: Path) -> None:
    truncated_image(copied_set)
    words = [f"--data.root={copied_set}", "--split.val=1", "--split.test=1", "--name=torn"]
    assert_told(command("fit", *words, cwd=tmp_path), "cannot read the file", f"{CASE}_t1ce.nii.gz")
    assert_nothing_half_written(tmp_path / "runs")


def test_a_run_that_is_none_at_the_command_line(phantom_set: Path, tmp_path: Path) -> None:
    finished = command("predict", f"--run={phantom_set}", f"--input={phantom_set}", cwd=tmp_path)
    assert_told(finished, "not a run", "brats3d fit")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_configuration_names_the_recipes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found") as caught:
        load_config(tmp_path / "cpu_20mni.yaml")
    message_has(caught.value, "cpu_20mni.yaml", "cpu_20min.yaml")
