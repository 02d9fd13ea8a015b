"""Prediction without training: the same files, grids and values as with a run."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from brats3d.assembly import build_classical_segmenter
from brats3d.bundles.predict import predict
from brats3d.config import (
    ClassicalConfig,
    PredictConfig,
    from_dict,
    load_classical_config,
    recipe_folder,
    to_plain,
)
from brats3d.errors import ConfigError, DataError
from brats3d.imaging import read_geometry, read_volume
from brats3d.labels import CONVENTIONS
from brats3d.workflows.classical import classical_segmentation
from brats3d.workflows.evaluate import evaluate

pytest.importorskip("sklearn")
pytest.importorskip("skimage")
RECIPES = sorted(path.name for path in (recipe_folder() / "classical").glob("*.yaml"))
every_recipe = pytest.mark.parametrize("recipe", RECIPES)


def job(output: Path, recipe: str | Path = "fuzzy_kmeans.yaml", **changes: object) -> PredictConfig:
    return PredictConfig(classical=str(recipe), output=str(output), accelerator="cpu", **changes)  # type: ignore[arg-type]


@pytest.fixture
def case_folder(phantom_set: Path) -> Path:
    return phantom_set / "BraTS2021_00000"


def test_there_are_recipes() -> None:
    assert {"kmeans.yaml", "fuzzy_kmeans.yaml", "otsu.yaml", "active_contour.yaml"} <= set(RECIPES)


@every_recipe
class TestEveryRecipe:
    """The shipped recipes."""

    def test_it_is_read_whole_and_can_be_built(self, recipe: str) -> None:
        path = recipe_folder() / "classical" / recipe
        made = to_plain(load_classical_config(recipe))

        def check(part: dict[str, object], of: dict[str, object]) -> None:
            for key, value in part.items():
                if isinstance(value, dict) and key != "params":
                    check(value, of[key])  # type: ignore[arg-type]
                else:
                    assert of[key] == value, key

        check(yaml.safe_load(path.read_text()), made)
        assert path.read_text().startswith("# ")
        assert build_classical_segmenter(load_classical_config(recipe)).flair == 1

    def test_it_finds_tumours_of_phantoms(self, recipe: str, phantom_set: Path, tmp_path: Path) -> None:
        cases = ["BraTS2021_00000", "BraTS2021_00001"]
        for case in cases:
            predict(job(tmp_path, recipe, input=str(phantom_set / case)))
        result = evaluate(tmp_path, phantom_set, missing="skip", quiet=True)
        dice = [row["dice"] for row in result.rows if row.region == "WT"]
        assert len(dice) == len(cases)
        assert np.mean(dice) > 0.7


def test_files_are_as_those_of_a_run(case_folder: Path, tmp_path: Path) -> None:
    (path,) = predict(job(tmp_path, input=str(case_folder), probabilities=True))
    assert path.name == "BraTS2021_00000.nii.gz"
    expected = read_geometry(case_folder / "BraTS2021_00000_flair.nii.gz")
    assert expected.difference(read_geometry(path)) is None
    image = nib.load(path)
    assert image.get_data_dtype() == np.uint8
    labels = read_volume(path)[0].astype(np.uint8)
    assert set(np.unique(labels)) <= {0, 1, 2, 4}
    probabilities = np.moveaxis(
        np.asarray(nib.load(tmp_path / "BraTS2021_00000_probabilities.nii.gz").dataobj), -1, 0
    )
    assert probabilities.shape == (3, 32, 32, 32)
    # Graded, and above one half where the tumour is.
    assert np.unique(probabilities[2]).size > 100
    wt = CONVENTIONS["brats2017"].to_regions(labels)[2]
    assert wt.any()
    assert (probabilities[2][wt] > 0.5).all()


def test_values_are_those_of_the_convention(case_folder: Path, tmp_path: Path) -> None:
    (path,) = predict(job(tmp_path, input=str(case_folder), convention="brats2023"))
    assert set(np.unique(read_volume(path)[0])) <= {0, 1, 2, 3}


def test_the_same_seed_gives_the_same_files(case_folder: Path, tmp_path: Path) -> None:
    made = [predict(job(tmp_path / name, input=str(case_folder), probabilities=True))[0] for name in "ab"]
    for name in ("BraTS2021_00000.nii.gz", "BraTS2021_00000_probabilities.nii.gz"):
        first, second = (np.asarray(nib.load(path.with_name(name)).dataobj) for path in made)
        np.testing.assert_array_equal(first, second)


def test_flair_alone_gives_the_whole_tumour_as_oedema(case_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text("modalities: [t2f]\nmethod: {name: kmeans}\n")
    flair = str(case_folder / "BraTS2021_00000_flair.nii.gz")
    (path,) = predict(job(tmp_path / "p", recipe, files={"flair": flair}))
    assert set(np.unique(read_volume(path)[0])) == {0, 2}


def test_a_small_tumour_is_left_out(case_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text("postprocess: {min_component_ml: {WT: 1000}}\n")
    (path,) = predict(job(tmp_path / "p", recipe, input=str(case_folder)))
    assert not read_volume(path)[0].any()


@pytest.mark.slow  # two processes load torch
def test_processes_share_out_the_cases(phantom_set: Path, tmp_path: Path) -> None:
    alone = predict(job(tmp_path / "alone", "kmeans.yaml", input=str(phantom_set)))
    shared = predict(job(tmp_path / "shared", "kmeans.yaml", input=str(phantom_set), devices=2))
    assert [path.name for path in shared] == [path.name for path in alone]
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(read_volume(one)[0], read_volume(other)[0])


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"run": ("runs/a",)}, "run"),
        ({"bundle": "bundles/a"}, "bundle"),
        ({"weights": (1.0,)}, "weights"),
        ({"checkpoint": "last"}, "checkpoint"),
        ({"flips": True}, "flips"),
        ({"overlap": 0.1}, "overlap"),
    ],
)
def test_what_only_networks_have_is_refused(tmp_path: Path, given: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigError, match="has no network") as caught:
        predict(job(tmp_path / "p", input=".", **given))
    assert caught.value.where == f"classical, {where}"
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("modalities: [t1ce]", "modalities"),
        ("method: {name: fuzzy}", "method.name"),
        ("method: {parts: 1}", "method.parts"),
        ("rule: {closing: -1}", "rule.closing"),
        ("preprocess: {denoise: gauss}", "preprocess.denoise"),
        ("postprocess: {min_component_ml: {XT: 1}}", "postprocess.min_component_ml"),
    ],
)
def test_recipes_that_cannot_work(tmp_path: Path, text: str, where: str) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text(text + "\n")
    with pytest.raises(ConfigError) as caught:
        classical_segmentation(job(tmp_path, recipe))
    assert caught.value.where == where


def test_a_misspelt_key_names_the_file_and_the_closest(tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text("method: {nam: otsu}\n")
    with pytest.raises(ConfigError, match=r"did you mean 'method\.name'") as caught:
        load_classical_config(recipe)
    assert str(caught.value.where) == str(recipe)
    with pytest.raises(ConfigError, match=r"did you mean 'kmeans.yaml'"):
        load_classical_config("kmean.yaml")


def test_a_case_without_flair_is_named(case_folder: Path, tmp_path: Path) -> None:
    t1 = str(case_folder / "BraTS2021_00000_t1.nii.gz")
    with pytest.raises(DataError, match="without"):
        predict(job(tmp_path / "p", files={"t1": t1}))


def test_settings_survive_a_round_trip() -> None:
    assert from_dict(ClassicalConfig, to_plain(ClassicalConfig())) == ClassicalConfig()


@pytest.mark.real
@pytest.mark.slow
def test_real_tumours_are_found(real_data: Path, tmp_path: Path) -> None:
    case = real_data / "brats2021" / "BraTS2021_00006"
    predict(job(tmp_path, input=str(case)))
    (wt,) = [row for row in evaluate(tmp_path, case, quiet=True).rows if row.region == "WT"]
    assert wt["dice"] > 0.85
