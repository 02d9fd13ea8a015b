"""Segmentation without training: a recipe in the place of a run."""

from __future__ import annotations

from brats3d import assembly
from brats3d.config import DataConfig, FitConfig, PredictConfig, load_classical_config
from brats3d.errors import ConfigError
from brats3d.labels import CONVENTIONS
from brats3d.workflows.segmentation import CaseSegmentation

# Values for input whose data set is not known, such as single files.
_CONVENTION = "brats2023"


def classical_segmentation(config: PredictConfig) -> CaseSegmentation:
    """Make a segmentation of the recipe that ``config.classical`` names.

    Raises:
        ConfigError: A setting that cannot work, or one that only trained networks have.
    """
    assert config.classical is not None
    _check_no_network(config)
    recipe = load_classical_config(config.classical)
    # Cases are prepared and cleaned up as those of a run with these settings are.
    surroundings = FitConfig(
        data=DataConfig(modalities=recipe.modalities),
        preprocess=recipe.preprocess,
        postprocess=recipe.postprocess,
    )
    convention = CONVENTIONS[_CONVENTION]
    return CaseSegmentation(
        assembly.build_preprocessing(surroundings),
        assembly.build_classical_segmenter(recipe),
        assembly.build_postprocessing(surroundings, convention),
        convention,
    )


def _check_no_network(config: PredictConfig) -> None:
    for key in ("run", "bundle", "weights", "checkpoint", "flips", "overlap"):
        given = getattr(config, key)
        if given != getattr(PredictConfig(), key):
            raise ConfigError(
                "a classical method has no network",
                where=f"classical, {key}",
                got=given,
                remedy=f"leave out --{key} or --classical",
            )
