"""A case of what was uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from brats3d.cases import Case
from brats3d.errors import DataError, LabelError
from brats3d.labels import CONVENTIONS, LabelConvention
from brats3d.viewer.uploads.assigning import Assignment
from brats3d.viewer.uploads.contents import Place
from brats3d.viewer.uploads.conventions import convention_of_names, convention_of_reference
from brats3d.viewer.uploads.shelf import Shelf
from brats3d.viewer.uploads.volumes import Volume

CASE_ID = "upload"


def case_of(
    shelf: Shelf, assignment: Assignment, modalities: Sequence[str], convention: LabelConvention | None
) -> Case:
    """Make a case with ``modalities`` and, where they are assigned, the reference and brain mask.

    Args:
        shelf: Images.
        assignment: What is what.
        modalities: What a model needs.
        convention: Of the model.

    Raises:
        DataError: Something is missing.
    """
    volumes = shelf.volumes()
    places = {
        modality: place_of(modality, assignment, volumes, only=len(modalities) == 1)
        for modality in modalities
    }
    reference = None if assignment.reference is None else shelf.volume(assignment.reference)
    brain_mask = None if assignment.brain_mask is None else shelf.volume(assignment.brain_mask)
    return Case(
        case_id=CASE_ID,
        patient=CASE_ID,
        images={modality: shelf.volume(place.file).stored.path for modality, place in places.items()},
        convention=_convention(shelf, reference, convention),
        label=None if reference is None else reference.stored.path,
        brain_mask=None if brain_mask is None else brain_mask.stored.path,
        channels={m: place.channel for m, place in places.items() if place.channel is not None},
    )


def _convention(shelf: Shelf, reference: Volume | None, model: LabelConvention | None) -> LabelConvention:
    """What label values mean; a reference that does not tell is left to whoever reads it."""
    if reference is not None:
        with suppress(LabelError):
            return reference_convention(shelf, reference, model)
    names = [volume.name for volume in shelf.volumes()]
    return convention_of_names(names) or model or CONVENTIONS["brats2017"]


def reference_convention(shelf: Shelf, reference: Volume, model: LabelConvention | None) -> LabelConvention:
    """What the values of a reference mean.

    Raises:
        LabelError: Nothing tells it.
    """
    names = [volume.name for volume in shelf.volumes()]
    return convention_of_reference(reference.values, names, model, reference.name)


def place_of(modality: str, assignment: Assignment, volumes: Sequence[Volume], *, only: bool = True) -> Place:
    """Where a modality is taken from.

    Args:
        modality: The modality.
        assignment: What is what.
        volumes: All images.
        only: Whether a single image that nothing is known of may be it.

    Raises:
        DataError: It is not assigned.
    """
    if modality in assignment.modalities:
        return assignment.modalities[modality]
    masks = (assignment.reference, assignment.brain_mask)
    images = [volume for volume in volumes if volume.name not in masks]
    if only and not assignment.modalities and len(images) == 1 and images[0].channels == 1:
        return Place(images[0].name)
    assigned = ", ".join(assignment.modalities)
    raise DataError(
        f"no image is assigned to {modality}",
        where=CASE_ID,
        got=f"images of {assigned}" if assigned else "images of which nothing says what they are",
        expected=f"an image for {modality}",
        remedy=f"choose the file that is {modality}, or another model",
    )
