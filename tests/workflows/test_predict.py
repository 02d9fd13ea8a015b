"""Prediction with tiny trained runs: grid, values, names, ensembles, files that are already there."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from brats3d.config import FitConfig, PredictConfig
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError, DataError, OutputError, RunError
from brats3d.imaging import read_geometry, read_volume
from brats3d.labels import CONVENTIONS
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.predict import predict

MakeConfig = Callable[..., FitConfig]
BRATS2017, BRATS2023 = CONVENTIONS["brats2017"], CONVENTIONS["brats2023"]
ENDINGS_2023 = {"t1": "t1n", "t1ce": "t1c", "t2": "t2w", "flair": "t2f"}


def job(run: FitResult, output: Path, **changes: object) -> PredictConfig:
    return PredictConfig(run=(str(run.run),), output=str(output), accelerator="cpu", **changes)


@pytest.fixture(scope="module")
def case_folder(phantom_set: Path) -> Path:
    return phantom_set / "BraTS2021_00002"


@pytest.fixture(scope="module")
def predicted(trained: FitResult, case_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Label map of one case; its probabilities lie beside it."""
    output = tmp_path_factory.mktemp("predicted")
    (path,) = predict(job(trained, output, input=str(case_folder), probabilities=True))
    return path


@pytest.fixture(scope="module")
def second(fit_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Another run: other seed, other network, other window, softmax instead of sigmoid."""
    config = fit_config(
        tmp_path_factory.mktemp("runs"),
        "second",
        seed=1,
        model__name="attention_unet",
        model__head="softmax",
        patch__size=[24, 24, 24],
        trainer__max_epochs=1,
    )
    return fit(config)


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_label_map_is_named_after_its_case_and_lies_on_its_grid(predicted: Path, case_folder: Path) -> None:
    assert predicted.name == "BraTS2021_00002.nii.gz"
    expected = read_geometry(case_folder / "BraTS2021_00002_flair.nii.gz")
    assert expected.difference(read_geometry(predicted)) is None
    image = nib.load(predicted)
    assert image.get_data_dtype() == np.uint8
    assert image.header.get_xyzt_units()[0] == "mm"


def test_a_label_map_has_the_values_of_its_data_set(predicted: Path) -> None:
    # Which of them a model of two epochs finds may differ between machines.
    assert set(np.unique(read_volume(predicted)[0])) <= {0, 1, 2, 4}


def test_probabilities_decide_the_label_map(predicted: Path) -> None:
    path = predicted.with_name("BraTS2021_00002_probabilities.nii.gz")
    assert files_of(predicted.parent) == [predicted.name, path.name]
    image = nib.load(path)
    probabilities = np.moveaxis(np.asarray(image.dataobj), -1, 0)
    assert image.get_data_dtype() == np.float32
    assert probabilities.shape == (3, 32, 32, 32)
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    np.testing.assert_array_equal(image.affine, nib.load(predicted).affine)
    labels = read_volume(predicted)[0].astype(np.uint8)
    et, tc, wt = probabilities > 0.5
    np.testing.assert_array_equal(BRATS2017.to_regions(labels), [et & tc & wt, tc & wt, wt])


def test_nothing_is_predicted_outside_the_brain(predicted: Path, case_folder: Path) -> None:
    outside = np.ones((32, 32, 32), dtype=bool)
    for path in case_folder.glob("*_t*.nii.gz"):
        outside &= read_volume(path)[0] == 0
    assert outside.any()
    assert not read_volume(predicted)[0][outside].any()


def test_prediction_scores_as_the_training_said(
    trained: FitResult, phantom_set: Path, tmp_path: Path
) -> None:
    case_id = trained.rows[0].case_id
    predict(job(trained, tmp_path / "p", input=str(phantom_set / case_id)))
    result = evaluate(tmp_path / "p", phantom_set / case_id, quiet=True)
    assert result.rows == trained.rows


def test_a_data_set_is_predicted_case_by_case(
    trained: FitResult, phantom_set: Path, predicted: Path, tmp_path: Path
) -> None:
    paths = predict(job(trained, tmp_path, input=str(phantom_set)))
    assert [path.name for path in paths] == [f"BraTS2021_{number:05d}.nii.gz" for number in range(6)]
    assert files_of(tmp_path) == [path.name for path in paths]
    np.testing.assert_array_equal(read_volume(paths[2])[0], read_volume(predicted)[0])


@pytest.fixture
def turned_set(case_folder: Path, tmp_path: Path) -> Path:
    """The case as one of 2023 without a label map, its axes in another order and direction."""
    name = "BraTS-GLI-00077-001"
    folder = tmp_path / "turned" / name
    folder.mkdir(parents=True)
    for modality, ending in ENDINGS_2023.items():
        image = nib.load(case_folder / f"{case_folder.name}_{modality}.nii.gz")
        change = ornt_transform(io_orientation(image.affine), axcodes2ornt("PSR"))
        nib.save(image.as_reoriented(change), folder / f"{name}-{ending}.nii.gz")
    return folder.parent


def test_orientation_and_convention_are_those_of_the_data_set(
    trained: FitResult, turned_set: Path, predicted: Path, tmp_path: Path
) -> None:
    (path,) = predict(job(trained, tmp_path / "p", input=str(turned_set)))
    assert path.name == "BraTS-GLI-00077-001.nii.gz"
    case = discover(turned_set).cases[0]
    assert read_geometry(case.images["t2"]).difference(read_geometry(path)) is None
    assert nib.aff2axcodes(nib.load(path).affine) == ("P", "S", "R")
    # The same head turned gives the same prediction turned, with 2023's value for ET.
    image = nib.load(path)
    change = ornt_transform(io_orientation(image.affine), io_orientation(nib.load(predicted).affine))
    turned_back = np.asarray(image.as_reoriented(change).dataobj)
    classes = BRATS2017.to_classes(read_volume(predicted)[0].astype(np.uint8))
    np.testing.assert_array_equal(turned_back, BRATS2023.from_classes(classes))
    assert 3 in turned_back


def test_another_convention_can_be_asked_for(
    trained: FitResult, case_folder: Path, predicted: Path, tmp_path: Path
) -> None:
    (path,) = predict(job(trained, tmp_path, input=str(case_folder), convention="msd-task01"))
    classes = BRATS2017.to_classes(read_volume(predicted)[0].astype(np.uint8))
    np.testing.assert_array_equal(read_volume(path)[0], CONVENTIONS["msd-task01"].from_classes(classes))


def test_a_data_set_of_another_size_and_voxel_size(trained: FitResult, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_phantoms(
        root,
        cases=1,
        layout="brats2020",
        size=(40, 34, 36),
        spacing_mm=(4.0, 5.0, 4.5),
        with_labels=False,
    )
    (path,) = predict(job(trained, tmp_path / "p", input=str(root)))
    case = discover(root).cases[0]
    assert case.label is None
    assert path.name == f"{case.case_id}.nii.gz"
    assert read_geometry(case.images["t1"]).difference(read_geometry(path)) is None


@pytest.mark.parametrize("naming", ["plain", "2023", "own"])
def test_single_files(
    trained: FitResult, case_folder: Path, predicted: Path, tmp_path: Path, naming: str
) -> None:
    files = {}
    for modality, ending in ENDINGS_2023.items():
        name = {
            "plain": f"pat_1_{modality}",
            "2023": f"BraTS-MET-00001-000-{ending}",
            "own": f"im_{ending}_x",
        }
        copy = tmp_path / f"{name[naming]}.nii.gz"
        shutil.copy(case_folder / f"{case_folder.name}_{modality}.nii.gz", copy)
        files[ending if naming == "2023" else modality] = str(copy)
    (path,) = predict(job(trained, tmp_path / "p", files=files))
    expected = {"plain": "pat_1", "2023": "BraTS-MET-00001-000", "own": "im_t1n_x"}
    assert path.name == f"{expected[naming]}.nii.gz"
    np.testing.assert_array_equal(read_volume(path)[0], read_volume(predicted)[0])


# Several runs


def probabilities_of(path: Path) -> np.ndarray:
    stem = path.name.removesuffix(".nii.gz")
    return np.asarray(nib.load(path.with_name(f"{stem}_probabilities.nii.gz")).dataobj)


def test_an_ensemble_is_the_mean_of_its_runs(
    trained: FitResult, second: FitResult, case_folder: Path, predicted: Path, tmp_path: Path
) -> None:
    shared = {"input": str(case_folder), "probabilities": True}
    (other,) = predict(job(second, tmp_path / "second", **shared))
    both = dataclasses.replace(
        job(trained, tmp_path / "both", **shared), run=(str(trained.run), str(second.run))
    )
    (mean,) = predict(both)
    expected = (probabilities_of(predicted) + probabilities_of(other)) / 2
    assert np.abs(probabilities_of(predicted) - probabilities_of(other)).max() > 0.05
    np.testing.assert_allclose(probabilities_of(mean), expected, atol=1e-6)


def test_an_ensemble_with_weights(
    trained: FitResult, second: FitResult, case_folder: Path, predicted: Path, tmp_path: Path
) -> None:
    shared = {"input": str(case_folder), "probabilities": True}
    (other,) = predict(job(second, tmp_path / "second", **shared))
    weighted = dataclasses.replace(
        job(trained, tmp_path / "both", weights=(6.0, 2.0), **shared), run=(str(trained.run), str(second.run))
    )
    (mean,) = predict(weighted)
    expected = 0.75 * probabilities_of(predicted) + 0.25 * probabilities_of(other)
    np.testing.assert_allclose(probabilities_of(mean), expected, atol=1e-6)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (-1.0,), (0.0,), (float("nan"),)])
def test_weights_that_do_not_fit_the_runs(
    trained: FitResult, case_folder: Path, weights: tuple[float, ...], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="1 non-negative number") as caught:
        predict(job(trained, tmp_path / "p", input=str(case_folder), weights=weights))
    assert caught.value.where == "weights"
    assert not (tmp_path / "p").exists()


def test_runs_with_other_preprocessing_are_not_averaged(
    trained: FitResult, fit_config: MakeConfig, case_folder: Path, tmp_path: Path
) -> None:
    other = fit(fit_config(tmp_path, "other", preprocess__margin_voxels=2, trainer__max_epochs=1))
    both = dataclasses.replace(
        job(trained, tmp_path / "p", input=str(case_folder)), run=(str(trained.run), str(other.run))
    )
    with pytest.raises(ConfigError, match="different preprocessing") as caught:
        predict(both)
    assert caught.value.where == other.run
    assert not (tmp_path / "p").exists()


def test_a_network_of_slices_predicts_volumes_from_its_modalities(
    fit_config: MakeConfig, case_folder: Path, tmp_path: Path
) -> None:
    run = fit(
        fit_config(
            tmp_path,
            "slices",
            model__spatial_dims=2,
            model__head="softmax",
            loss__name="cross_entropy",
            data__modalities=["flair", "t1ce"],
            patch__size=[32, 32],
            trainer__max_epochs=1,
        )
    )
    files = {m: str(case_folder / f"{case_folder.name}_{m}.nii.gz") for m in ("flair", "t1ce")}
    (path,) = predict(job(run, tmp_path / "p", files=files, probabilities=True))
    assert path.name == "BraTS2021_00002.nii.gz"
    assert read_geometry(Path(files["flair"])).difference(read_geometry(path)) is None
    assert probabilities_of(path).shape == (32, 32, 32, 3)


def test_flips_and_overlap_override_those_of_the_run(
    trained: FitResult, case_folder: Path, predicted: Path, tmp_path: Path
) -> None:
    (path,) = predict(
        job(trained, tmp_path, input=str(case_folder), flips=True, overlap=0.0, probabilities=True)
    )
    difference = np.abs(probabilities_of(path) - probabilities_of(predicted))
    assert 0 < difference.max() < 1


def test_the_last_checkpoint_can_be_asked_for(trained: FitResult, case_folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.run, tmp_path / "run"))
    (run / "checkpoints" / "best.ckpt").write_bytes(b"torn")
    config = dataclasses.replace(job(trained, tmp_path / "p", input=str(case_folder)), run=(str(run),))
    with pytest.raises(RunError, match="cannot read the checkpoint"):
        predict(config)
    (path,) = predict(dataclasses.replace(config, checkpoint="last"))
    assert path.exists()


# Files that are already there


@pytest.mark.parametrize("present", ["BraTS2021_00002.nii.gz", "BraTS2021_00002_probabilities.nii.gz"])
def test_nothing_is_overwritten_unless_asked_for(
    trained: FitResult, phantom_set: Path, tmp_path: Path, present: str
) -> None:
    (tmp_path / present).write_bytes(b"precious")
    config = job(trained, tmp_path, input=str(phantom_set), probabilities=True)
    with pytest.raises(OutputError, match="exist already") as caught:
        predict(config)
    assert caught.value.where == tmp_path / present
    assert "--overwrite" in str(caught.value.remedy)
    assert files_of(tmp_path) == [present]
    assert (tmp_path / present).read_bytes() == b"precious"
    predict(dataclasses.replace(config, overwrite=True))
    assert len(files_of(tmp_path)) == 12
    assert (tmp_path / present).read_bytes() != b"precious"


# Requests that cannot work


def test_what_is_missing_is_named(trained: FitResult, case_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        predict(PredictConfig(input=str(case_folder)))
    assert caught.value.where == "run"
    with pytest.raises(ConfigError) as caught:
        predict(job(trained, tmp_path))
    assert caught.value.where == "input"
    files = {"t1": str(case_folder / "BraTS2021_00002_t1.nii.gz")}
    with pytest.raises(DataError, match="without t1ce, t2, flair") as missing:
        predict(job(trained, tmp_path, files=files))
    assert missing.value.where == "BraTS2021_00002"
    with pytest.raises(ConfigError, match="did you mean 'flair'") as unknown:
        predict(job(trained, tmp_path, files={"flar": "x.nii.gz"}))
    assert unknown.value.where == "files"
    with pytest.raises(RunError, match="not a run"):
        predict(PredictConfig(run=(str(tmp_path),), input=str(case_folder)))
    assert files_of(tmp_path) == []


def test_input_and_files_exclude_each_other(trained: FitResult, case_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        predict(job(trained, tmp_path, input=str(case_folder), files={"t1": "x.nii.gz"}))


def test_a_checkpoint_of_another_network(trained: FitResult, case_folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.run, tmp_path / "run"))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("filters: [4, 8]", "filters: [4, 16]"))
    with pytest.raises(RunError, match="another network") as caught:
        predict(dataclasses.replace(job(trained, tmp_path / "p", input=str(case_folder)), run=(str(run),)))
    assert caught.value.where == run / "checkpoints" / "best.ckpt"


def test_a_run_trained_in_float16_works_without_a_gpu(
    trained: FitResult, case_folder: Path, predicted: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run, tmp_path / "run"))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("precision: 32-true", "precision: 16-mixed"))
    changed = dataclasses.replace(job(trained, tmp_path / "p", input=str(case_folder)), run=(str(run),))
    (path,) = predict(changed)
    same = read_volume(path)[0] == read_volume(predicted)[0]
    assert same.mean() > 0.99


def test_prediction_does_not_depend_on_the_state_of_the_generators(
    trained: FitResult, case_folder: Path, predicted: Path, tmp_path: Path
) -> None:
    torch.rand(5)
    np.random.rand(5)  # noqa: NPY002 - the global generator is what is meant
    (path,) = predict(job(trained, tmp_path, input=str(case_folder)))
    assert path.read_bytes() == predicted.read_bytes()


def test_a_naming_of_the_users_own_takes_the_labels_of_the_training(
    trained: FitResult, phantom_set: Path, predicted: Path, tmp_path: Path
) -> None:
    pattern = {name: f"{{case}}/{{case}}_{name}.nii.gz" for name in ("t1", "t1ce", "t2", "flair")}
    one = tmp_path / "set" / "BraTS2021_00002"
    shutil.copytree(phantom_set / one.name, one)
    (path,) = predict(
        job(
            trained,
            tmp_path / "out",
            input=str(one.parent),
            pattern={**pattern, "label": "{case}/{case}_seg.nii.gz"},
        )
    )
    np.testing.assert_array_equal(read_volume(path)[0], read_volume(predicted)[0])
