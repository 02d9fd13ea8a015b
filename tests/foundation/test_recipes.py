"""Every shipped recipe is parsed, builds its network, and trains two steps on phantoms."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import brats3d
from brats3d.assembly import (
    build_augmentation,
    build_classifier_network,
    build_postprocessing,
    build_preprocessing,
)
from brats3d.config import FitConfig, load_config, parse_arguments, recipe_folder, to_plain
from brats3d.labels import CONVENTIONS
from brats3d.models import build_network, check_patch_size, valid_patch_multiple
from brats3d.training.checkpoints import read_checkpoint

RECIPES = sorted(file.name for file in recipe_folder().glob("*.yaml"))
every_recipe = pytest.mark.parametrize("recipe", RECIPES)
SEGMENTING = [recipe for recipe in RECIPES if load_config(recipe).task == "segment"]
# Channels of the finest level; the number of levels, which the patch depends on, stays.
NARROW = 4
NARROW_SWIN = 12
REGIONS_BESIDE_BRATS = {
    "unet2d_lgg.yaml": {"tumor"},
    "unet2d_figshare.yaml": {"tumor"},
    "unet2d_chest_xray.yaml": {"lung"},
}


def test_there_are_recipes() -> None:
    assert {"quick_start.yaml", "cpu_20min.yaml", "unet2d_flair_t1ce.yaml"} <= set(RECIPES)


@every_recipe
class TestEveryRecipe:
    def test_it_is_parsed_alike_everywhere(self, recipe: str) -> None:
        made = load_config(recipe)
        assert made == parse_arguments(FitConfig, ["--config", recipe], "brats3d fit")

    def test_each_of_its_values_is_in_the_result(self, recipe: str) -> None:
        def check(part: Any, made: Any) -> None:
            for key, value in part.items():
                if isinstance(value, dict) and key != "params":
                    check(value, made[key])
                else:
                    assert made[key] == value, key

        check(yaml.safe_load((recipe_folder() / recipe).read_text()), to_plain(load_config(recipe)))

    def test_it_says_what_it_is_for(self, recipe: str) -> None:
        assert (recipe_folder() / recipe).read_text().startswith("# ")

    def test_its_parts_can_be_built(self, recipe: str) -> None:
        config = load_config(recipe)
        build_preprocessing(config)
        build_augmentation(config)
        build_postprocessing(config, CONVENTIONS["brats2017"])
        model = config.model
        if recipe not in SEGMENTING:
            network = build_classifier_network(config)
        else:
            check_patch_size(model.name, model.params, config.patch.size)
            network = build_network(
                model.name,
                spatial_dims=model.spatial_dims,
                in_channels=len(config.data.modalities),
                out_channels=3,
                params=model.params,
            )
        assert sum(weight.numel() for weight in network.parameters()) > 10_000


def shrunk(recipe: str, folder: Path) -> FitConfig:
    """Return the recipe with a small patch, few channels, two training steps, and phantoms for data."""
    config = load_config(recipe)
    model = config.model
    params = dict(model.params)
    if "filters" in params:
        params["filters"] = [NARROW * count // params["filters"][0] for count in params["filters"]]
    if "feature_size" in params:
        params["feature_size"] = NARROW_SWIN
    if str(params.get("encoder")).startswith("efficientnet"):
        params |= {"width": 0.1, "depth": 0.1}
    if "hidden_size" in params:
        params |= {"hidden_size": 8, "layers": 1, "heads": 2}
    step = valid_patch_multiple(model.name, params, model.spatial_dims)
    size = [-(-32 // side) * side for side in step]
    if size == list(step):  # more than one cell at the coarsest level
        size[0] *= 2
    slices = {"slices__first": None, "slices__last": None} if model.spatial_dims == 2 else {}
    return load_config(
        recipe,
        name=Path(recipe).stem,
        folder=folder,
        report=False,
        data__workers=0,
        data__phantoms={"cases": 5, "size": [32, 32, 32], "seed": 1},
        split__val=1,
        split__test=1,
        model__params=params,
        patch__size=size,
        patch__batch_size=1,
        patch__per_epoch=2,
        inference__flips=False,
        inference__window=None,
        trainer__max_epochs=1,
        trainer__max_minutes=None,
        trainer__accelerator="cpu",
        trainer__enable_progress_bar=False,
        **slices,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of all runs: phantoms and prepared cases are made once."""
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("recipe", SEGMENTING)
def test_it_trains_two_steps(recipe: str, folder: Path) -> None:
    config = shrunk(recipe, folder)
    result = brats3d.fit(config)
    assert result.run == folder / Path(recipe).stem
    assert load_config(result.run / "config.yaml") == config
    regions = {row.region for row in result.rows}
    assert regions == REGIONS_BESIDE_BRATS.get(recipe, {"ET", "TC", "WT"})
    with (result.run / "metrics.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [row["region"] for row in rows] == [row.region for row in result.rows]
    assert all(0 <= float(row["dice"]) <= 1 for row in rows)
    assert json.loads((result.run / "metrics.json").read_text())["split"] == "test"
    for kind in ("best", "last"):
        checkpoint = read_checkpoint(result.run / "checkpoints" / f"{kind}.ckpt")
        assert checkpoint["global_step"] == 2
        assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())
