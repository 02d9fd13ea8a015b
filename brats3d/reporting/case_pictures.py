"""Pictures on the page of a case: planes through the largest lesion, and probability maps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from markupsafe import Markup

from brats3d.reporting.blending import window
from brats3d.reporting.case import ReportedCase
from brats3d.reporting.found_lesions import FoundLesions, find_lesions
from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE, region_colours
from brats3d.reporting.panels import cut
from brats3d.reporting.slice_pictures import (
    Outline,
    drawn_slice,
    error_pixels,
    image_pixels,
    probability_pixels,
)
from brats3d.reporting.views import central_voxel, planes_of
from brats3d.reporting.volumes import DEFAULT_THRESHOLD

Voxel = tuple[int, int, int]

MODALITY_TITLES: Mapping[str, str] = MappingProxyType(
    {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR", "xray": "X-ray"}
)
_THRESHOLD_LINE = "#FFFFFF"


@dataclass(frozen=True)
class DrawnPicture:
    """A picture and what stands below it."""

    caption: str
    drawing: Markup


@dataclass(frozen=True)
class DrawnPlane:
    """Pictures of one plane.

    Attributes:
        name: axial, coronal or sagittal; empty where there is but one.
        index: Number of the slice.
        pictures: From left to right.
    """

    name: str
    index: int
    pictures: tuple[DrawnPicture, ...]


def looked_at(case: ReportedCase, lesions: FoundLesions) -> tuple[str, Voxel]:
    """What the planes go through the middle of, and the voxel there."""
    if lesions.listed:
        return "the largest lesion", lesions.listed[0].centre
    if case.reference is not None and case.reference.any():
        return "the largest lesion of the reference", find_lesions(case, predicted=False, most=1).listed[
            0
        ].centre
    shown = case.brain if case.brain.any() else np.ones(case.prediction.shape, dtype=np.bool_)
    return "the brain" if case.has_orientation else "the image", central_voxel(shown, case.spacing_mm)


def shown_modalities(case: ReportedCase) -> tuple[str, ...]:
    """Modalities that show core and oedema best, T1ce and FLAIR, or what there is instead."""
    return tuple(dict.fromkeys((case.image("t1ce", "flair")[0], case.image("flair", "t2")[0])))


def modality_title(name: str) -> str:
    """Write a modality as clinicians do."""
    return MODALITY_TITLES.get(name, name)


def drawn_planes(case: ReportedCase, centre: Voxel) -> list[DrawnPlane]:
    """Draw images, outlines of the regions and, with a reference, its outlines and the disagreement."""
    first, *others = shown_modalities(case)
    limits = {name: window(case.images[name], case.brain) for name in (first, *others)}
    outlines = {"prediction": _outlines(case, predicted=True)}
    if case.reference is not None:
        outlines["reference"] = _outlines(case, predicted=False)
    planes = []
    for plane in planes_of(case.prediction.shape):
        index = centre[plane.axis]
        pixels = {
            name: image_pixels(case, case.images[name], limits[name], plane, index)
            for name in (first, *others)
        }
        place = case.place(plane, index)
        pictures = [
            DrawnPicture(
                modality_title(name),
                drawn_slice(case, image, plane, index, text=_text(modality_title(name), place)),
            )
            for name, image in pixels.items()
        ]
        pictures += [
            DrawnPicture(
                name,
                drawn_slice(
                    case,
                    pixels[first],
                    plane,
                    index,
                    lines,
                    text=_text(f"{name} outlined on {modality_title(first)}", place),
                ),
            )
            for name, lines in outlines.items()
        ]
        if case.reference is not None:
            wanted, found = (
                cut(case, classes > 0, plane, index).astype(np.bool_)
                for classes in (case.reference, case.prediction)
            )
            errors = error_pixels(
                pixels[(first, *others)[-1]],
                [(FALSE_POSITIVE, found & ~wanted), (FALSE_NEGATIVE, wanted & ~found)],
            )
            text = _text("disagreement of prediction and reference", place)
            pictures.append(DrawnPicture("disagreement", drawn_slice(case, errors, plane, index, text=text)))
        planes.append(DrawnPlane(plane.name if place else "", index, tuple(pictures)))
    return planes


def drawn_probabilities(
    case: ReportedCase, centre: Voxel, thresholds: Mapping[str, float]
) -> list[DrawnPlane]:
    """Draw the probabilities of each region; a line surrounds what is above the threshold."""
    if case.probabilities is None:
        return []
    named = list(zip(case.convention.region_names, case.probabilities, strict=True))
    planes = []
    for plane in planes_of(case.prediction.shape):
        index = centre[plane.axis]
        place = case.place(plane, index)
        pictures = []
        for name, volume in named:
            above = Outline(volume > thresholds.get(name, DEFAULT_THRESHOLD), _THRESHOLD_LINE)
            drawing = drawn_slice(
                case,
                probability_pixels(case, volume, plane, index),
                plane,
                index,
                [above],
                text=_text(f"probability of {name}", place),
            )
            pictures.append(DrawnPicture(name, drawing))
        planes.append(DrawnPlane(plane.name if place else "", index, tuple(pictures)))
    return planes


def _outlines(case: ReportedCase, *, predicted: bool) -> Sequence[Outline]:
    """Borders of the regions, the outermost first."""
    colours = region_colours(case.convention.region_names)
    order = sorted(case.convention.regions, key=lambda region: -len(region.tissues))
    return [Outline(case.region(region.name, predicted=predicted), colours[region.name]) for region in order]


def _text(what: str, place: str) -> str:
    return f"{what}, {place}" if place else what
