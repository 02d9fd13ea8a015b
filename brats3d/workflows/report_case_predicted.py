"""Label maps that any tool predicted, for pages of single cases: with references, or without."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import ReportConfig
from brats3d.data.discovery import discover
from brats3d.errors import ConfigError, LayoutError, closest_first
from brats3d.workflows.conventions import fitting_conventions, stated_convention
from brats3d.workflows.evaluate import existing_path
from brats3d.workflows.pairing import Masks, find_predictions
from brats3d.workflows.report_predicted import PredictedCases, find_predicted_cases
from brats3d.workflows.report_scores import chosen_settings


def find_label_maps(config: ReportConfig) -> PredictedCases:
    """Find label maps and what else there is: references and images, images alone, or neither.

    Args:
        config: Predictions; references are label maps, or a data set with or without them.

    Raises:
        Brats3dError: What is wrong with the folders or the settings.
    """
    assert config.predictions is not None
    predictions = existing_path(config.predictions, "predictions")
    settings = chosen_settings(config, predictions if predictions.is_dir() else predictions.parent)
    stated = stated_convention(settings["prediction_convention"], "prediction_convention")
    pattern, regions = settings["prediction_pattern"], settings["regions"]
    images = Masks({})
    data_set = {}
    if config.references is not None:
        try:
            return find_predicted_cases(predictions, config.references, settings)
        except LayoutError:
            found = discover(existing_path(config.references, "references"))
            if any(case.label is not None for case in found.cases):
                raise
        data_set = {case.case_id: case for case in found.cases}
        images = Masks({name: next(iter(case.images.values())) for name, case in data_set.items()})
        stated = stated or (found.convention if found.convention_known else None)
    masks = find_predictions(predictions, images.paths, pattern, stated)
    if masks.convention is None:
        raise ConfigError(
            "nothing tells what the label values mean",
            where="scoring.prediction_convention",
            got="label maps without references",
            expected="a convention such as brats2017 (ET is 4) or brats2023 (ET is 3)",
            remedy="set scoring.prediction_convention, or name the data set of the images: --references DIR",
        )
    meaning = masks.convention
    return PredictedCases(masks, Masks({}), fitting_conventions(meaning, meaning, regions), data_set)


def check_predicted(case_ids: Sequence[str], label_maps: PredictedCases) -> None:
    """Check that there is a label map of each case.

    Raises:
        ConfigError: There is none.
    """
    known = label_maps.predictions.paths
    for name in case_ids:
        if name not in known:
            closest = closest_first(name, known)[:8]
            raise ConfigError(
                "there is no label map of the case among the predictions",
                where="case",
                got=name,
                expected="ids such as " + ", ".join(closest),
                remedy=f"did you mean {closest[0]!r}?" if closest else "check the path of the predictions",
            )
