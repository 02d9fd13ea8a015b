"""Methods that need no training as models."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from brats3d.config import PredictConfig
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.rules import PostprocessingRules
from brats3d.workflows.classical import classical_segmentation


def offered_recipe(name: str) -> OfferedModel:
    """Offer a recipe.

    Args:
        name: File, or name of a shipped recipe.

    Raises:
        ConfigError: There is no such recipe, or it cannot work.
        MissingExtraError: It needs a package that is not installed.
    """
    # There are no weights: it is all there now.
    segmentation = classical_segmentation(PredictConfig(classical=name))
    stem = Path(name).stem
    return OfferedModel(
        id=stem,
        title=f"{stem.replace('_', ' ')} (needs no training)",
        kind="classical",
        dimensions=3,
        modalities=segmentation.modalities,
        convention=segmentation.convention,
        rules=PostprocessingRules(segmentation.postprocessing, segmentation.convention),
        open=lambda: nullcontext(segmentation),
    )
