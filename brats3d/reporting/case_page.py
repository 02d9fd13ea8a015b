"""The page of one case, for a clinician's eye: how much tumour there is, where, and how sure that is.

Everything it shows is in the one file, which asks the network for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from markupsafe import Markup

from brats3d.labels import TISSUES, LabelConvention, Region
from brats3d.metrics import RegionRow, evaluate_case
from brats3d.reporting.case import ReportedCase
from brats3d.reporting.case_pictures import MODALITY_TITLES, drawn_planes, drawn_probabilities, looked_at
from brats3d.reporting.case_view import case_view, content_policy
from brats3d.reporting.found_lesions import find_lesions
from brats3d.reporting.page import render
from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE
from brats3d.reporting.slice_pictures import colour_scale
from brats3d.reporting.volumes import ODDS, Volume, region_volumes, tissue_volumes, unit_of

_STYLE = Path(__file__).parent / "page" / "case.css"
SCORES = ("dice", "hd95_mm", "sensitivity", "precision")
_TUMOURS = frozenset({*TISSUES, "tumor", "tumour"})
_REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "ET": "enhancing tumour",
        "TC": "tumour core",
        "WT": "whole tumour",
    }
)


def render_case_page(
    case: ReportedCase,
    *,
    model: str,
    notes: Sequence[str] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
    thresholds: Mapping[str, float] = MappingProxyType({}),
    volumes: Sequence[str] | None = None,
    alert: str | None = None,
) -> str:
    """Write the page of a case.

    Args:
        case: Images, prediction and what else is known; nothing but its id and its arrays is shown.
        model: What segmented it, in a few words.
        notes: What a reader should know of the result, in sentences.
        settings: What it was made with, by name.
        thresholds: Region to the probability above which voxels were taken; 0.5 where none is named.
        volumes: Modalities that the 3-D view holds; None: T1ce and FLAIR, or what there is instead; without
            any there is no such view, nor is there for pictures.
        alert: Why nothing was found, in sentences; shown where that is so, after what the arrays say.

    Returns:
        HTML of a few megabytes.
    """
    regions = region_volumes(case, thresholds)
    unit, voxel = unit_of(case)
    lesions = find_lesions(case)
    subject, centre = looked_at(case, lesions)
    scores = _scores(case)
    view = case_view(case, centre, volumes)
    return render(
        "case.html",
        title=case.case_id,
        unit=unit,
        places=0 if unit == "pixels" else 2,
        voxel=voxel,
        model=model,
        notes=notes,
        settings=settings,
        odds=ODDS,
        brackets=_brackets(regions),
        titles=MODALITY_TITLES,
        regions=regions,
        meanings={region.name: _meaning(region) for region in case.convention.regions},
        tissues=tissue_volumes(case),
        tissue_meanings=TISSUES,
        lesions=lesions,
        sought=sought(case.convention),
        alert=None
        if case.prediction.any()
        else [*_nothing_found(case, regions), *([alert] if alert else [])],
        subject=subject,
        planes=drawn_planes(case, centre),
        probabilities=drawn_probabilities(case, centre, thresholds),
        scores=scores,
        one_sided=[row.region for row in scores if row.empty],
        view=view,
        policy=content_policy(view.scripts if view else ()),
        case_style=Markup(_STYLE.read_text(encoding="utf-8")),
        ramp=colour_scale(),
        false_positive=FALSE_POSITIVE,
        false_negative=FALSE_NEGATIVE,
        has_orientation=case.has_orientation,
        with_reference=case.reference is not None,
    )


def sought(convention: LabelConvention) -> str:
    """What a model of these regions looks for: ``tumour``, or the regions by name."""
    tissues = {tissue for region in convention.regions for tissue in region.tissues}
    return "tumour" if tissues & _TUMOURS else " or ".join(convention.region_names)


def _meaning(region: Region) -> str:
    known = [TISSUES[name] for name in sorted(region.tissues) if name in TISSUES]
    return _REGIONS.get(region.name, ", ".join(known))


def _brackets(regions: Sequence[Volume]) -> list[str]:
    """The probabilities that bracket the thresholds: for each region, or for all where they are the same."""
    known = {volume.name: volume.certainty for volume in regions if volume.certainty is not None}
    said = {
        name: f"{certainty.at[1]:.2f} and {certainty.at[0]:.2f} around {certainty.threshold:.2f}"
        for name, certainty in known.items()
    }
    if len(set(said.values())) == 1:
        return list(said.values())[:1]
    return [f"{name}: {text}" for name, text in said.items()]


def _nothing_found(case: ReportedCase, regions: Sequence[Volume]) -> list[str]:
    what = sought(case.convention)
    sentences = [f"The model has marked nothing as {what}. That does not prove that there is none."]
    highest = [volume.certainty.highest for volume in regions if volume.certainty is not None]
    if highest:
        sentences.append(f"The highest probability anywhere is {max(highest):.2f}.")
    if case.reference is not None and case.reference.any():
        sentences.append(f"The reference has {what}: the model has missed it.")
    return sentences


def _scores(case: ReportedCase) -> tuple[RegionRow, ...]:
    """Agreement with the reference, region by region; nothing without one."""
    if case.reference is None:
        return ()
    names = case.convention.region_names
    flat = 0 if not case.has_orientation and case.prediction.shape[2] == 1 else slice(None)
    found, wanted = (
        np.stack([case.region(name, predicted=predicted) for name in names])[..., flat]
        for predicted in (True, False)
    )
    return evaluate_case(
        found,
        wanted,
        spacing_mm=case.spacing_mm[: found.ndim - 1],
        regions=names,
        case_id=case.case_id,
        only=SCORES,
    ).rows
