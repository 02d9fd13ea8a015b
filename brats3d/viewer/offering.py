"""From the settings of the page to the models that it offers."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from brats3d.config import AppConfig
from brats3d.errors import Brats3dError, ConfigError, MissingExtraError
from brats3d.viewer.offered_bundles import offered_bundle
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.offered_recipes import offered_recipe
from brats3d.viewer.offered_runs import offered_run, offered_runs
from brats3d.workflows.runs import RunFolder

logger = logging.getLogger(__name__)

_DEFAULT_RECIPE = "fuzzy_kmeans.yaml"


def offered_models(config: AppConfig, *, runs: Path = Path("runs")) -> list[OfferedModel]:
    """Find the models that are named, or those that are offered when none is.

    Everything but the weights is read and checked.

    Args:
        config: Names runs, bundles and recipes.
        runs: Folder of which the newest run is offered when no model is named.

    Raises:
        ConfigError: A model of an unknown name, one that cannot segment, or a setting that cannot work.
        RunError: A run or bundle that is missing or incomplete.
        MissingExtraError: A package that a named recipe needs is not installed.
    """
    _check_settings(config)
    found = [
        *offered_runs(config),
        *(offered_bundle(path, config) for path in config.bundle),
        *(offered_recipe(name) for name in config.classical),
    ]
    return _with_own_ids(found or _defaults(config, runs))


def _check_settings(config: AppConfig) -> None:
    if config.gate is not None and not config.run:
        raise ConfigError("a gate stands before runs", where="gate", remedy="name a run as well: --run RUN")
    if config.overlap is not None and not 0 <= config.overlap < 1:
        raise ConfigError(
            "invalid overlap of windows",
            where="overlap",
            got=config.overlap,
            expected="a share of the window, at least 0 and below 1",
        )
    if config.accelerator not in ("auto", "cpu"):
        from brats3d import assembly

        assembly.hardware(config.accelerator, "32-true")


def _defaults(config: AppConfig, runs: Path) -> list[OfferedModel]:
    newest = _newest_run(config, runs)
    try:
        recipe = offered_recipe(_DEFAULT_RECIPE)
    except MissingExtraError as error:
        if newest is None:
            raise ConfigError(
                "no model to offer",
                where="run",
                got=f"no trained run in {runs}, and no package for {_DEFAULT_RECIPE}",
                remedy=f"name a run (--run) or a bundle (--bundle), or {error.remedy}",
            ) from error
        logger.info("%s is not offered: %s", _DEFAULT_RECIPE, error.what)
        return [newest]
    return [recipe] if newest is None else [newest, recipe]


def _newest_run(config: AppConfig, runs: Path) -> OfferedModel | None:
    """The newest run that can segment; one that cannot is passed over."""
    files = sorted(runs.glob("*/config.yaml"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files:
        try:
            return offered_run(RunFolder(file.parent), config)
        except Brats3dError as error:
            logger.info("%s is not offered: %s", file.parent, error.what)
    return None


def _with_own_ids(models: Iterable[OfferedModel]) -> list[OfferedModel]:
    """Ids that addresses can hold, all different; titles say which where names do not."""
    named: dict[str, OfferedModel] = {}
    for model in models:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", model.id).strip("-.") or model.kind
        numbered = (f"{plain}-{number}" for number in itertools.count(2))
        own = next(name for name in itertools.chain([plain], numbered) if name not in named)
        title = model.title if own == plain else f"{model.title} [{own}]"
        named[own] = replace(model, id=own, title=title)
    return list(named.values())
