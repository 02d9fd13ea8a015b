"""What a table of features means: definitions, settings and versions, as JSON content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import brats3d
from brats3d.features import AGGREGATIONS
from brats3d.features.families import FAMILIES
from brats3d.imaging import AFFINE_TOLERANCE_MM
from brats3d.workflows.conventions import convention_as_dict
from brats3d.workflows.evaluation_files import versions
from brats3d.workflows.extraction_case import Extractor


def record_of(
    extractor: Extractor,
    *,
    inputs: Mapping[str, Any],
    cases: int,
    values: int,
    blank: Mapping[str, int],
    notes: Sequence[str],
    failed: Mapping[str, str],
    pictured: bool,
) -> dict[str, Any]:
    """Put together what belongs beside the table.

    Args:
        extractor: What the features were extracted with.
        inputs: What was named by the user.
        cases: Cases in the table.
        values: Values in the table that are not blank.
        blank: Reason to how many values are blank for it.
        notes: What the user should know.
        failed: Case id to what is wrong, for cases that are not in the table.
        pictured: Whether there are images.
    """
    settings = extractor.settings
    used = {**settings.of_mask(brain=pictured), **(settings.of_image() if pictured else {})}
    return {
        "brats3d": brats3d.__version__,
        "versions": versions() | _scikit_image(),
        "reference": "Image Biomarker Standardisation Initiative, arXiv:1612.07003",
        "inputs": dict(inputs),
        "settings": {
            **settings.as_dict(),
            "normalise": extractor.normalise,
            "modalities": extractor.modalities,
            "check_affine": extractor.check_affine,
            "affine_tolerance_mm": AFFINE_TOLERANCE_MM,
            "resampling": "none: voxels as they are stored",
            "mesh": "marching cubes (Lewiner) at 0.5 of the mask",
            "slices": "across the axis that runs most nearly from bottom to top",
        },
        "convention": convention_as_dict(extractor.convention),
        "families": {name: FAMILIES[name] for name in settings.families},
        "aggregations": {
            name: {"ibsi": AGGREGATIONS[name].ibsi, "text": AGGREGATIONS[name].text}
            for name in (settings.glcm if settings.has("glcm") else ())
        },
        "definitions": {name: definition.as_dict() for name, definition in used.items()},
        "cases": cases,
        "values": values,
        "blank": dict(blank),
        "notes": tuple(notes),
        "partial": bool(failed),
        "failed": dict(failed),
    }


def _scikit_image() -> dict[str, str]:
    try:
        return {"scikit-image": metadata.version("scikit-image")}
    except metadata.PackageNotFoundError:
        return {}
