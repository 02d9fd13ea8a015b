"""Which image is which modality: guessed from names and values, or as the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from brats3d.cases import ALL_MODALITIES, modality_named
from brats3d.data.layouts.lgg import CHANNELS as CHANNELS_OF_PICTURES
from brats3d.errors import DataError, closest_first
from brats3d.viewer.uploads.contents import Place
from brats3d.viewer.uploads.guesses import BRAIN_MASK, REFERENCE
from brats3d.viewer.uploads.volumes import PICTURE, Volume

CHANNELS_OF_DECATHLON: Mapping[str, int] = MappingProxyType({"t1": 1, "t1ce": 2, "t2": 3, "flair": 0})


@dataclass(frozen=True)
class Assignment:
    """What each modality is taken from.

    Attributes:
        modalities: Modality to its place.
        reference: Name of the reference mask, or None.
        brain_mask: Name of the brain mask, or None.
    """

    modalities: Mapping[str, Place] = field(default_factory=dict)
    reference: str | None = None
    brain_mask: str | None = None


def guess_of(volume: Volume, volumes: Sequence[Volume]) -> str | None:
    """Guess what one of ``volumes`` is: a modality, ``reference``, ``brain mask``, or None."""
    if volume.channels > 1:
        return None
    if volume.role in (REFERENCE, BRAIN_MASK):
        return volume.role
    if volume.role is None and volume.may_be_labels and len(volumes) > 1:
        return REFERENCE
    return volume.role


def guess_assignment(volumes: Sequence[Volume]) -> tuple[Assignment, list[str]]:
    """Assign what names and values tell.

    Returns:
        The assignment, and what the user should know of it, one sentence each.
    """
    notes: list[str] = []
    modalities: dict[str, Place] = {}
    masks: dict[str, str] = {}
    # What names say comes before what values say.
    for volume in sorted(volumes, key=lambda volume: volume.role is None):
        role = guess_of(volume, volumes)
        if role in (REFERENCE, BRAIN_MASK):
            first = masks.setdefault(role, volume.name)
            if first != volume.name:
                notes.append(f"{volume.name} looks like a {role}, too; {first} is taken")
        elif role is not None:
            place = modalities.setdefault(role, Place(volume.name))
            if place.file != volume.name:
                notes.append(f"{volume.name} looks like {role}, too; {place.file} is taken")
    for volume in volumes:
        if volume.channels > 1:
            notes += _assign_channels(volume, modalities)
    ordered = {modality: modalities[modality] for modality in ALL_MODALITIES if modality in modalities}
    return Assignment(ordered, masks.get(REFERENCE), masks.get(BRAIN_MASK)), notes


def _assign_channels(volume: Volume, modalities: dict[str, Place]) -> list[str]:
    if volume.channel_roles and not modalities:
        modalities |= {m: Place(volume.name, channel) for m, channel in volume.channel_roles.items()}
        return []
    picture = volume.kind == PICTURE
    guess = CHANNELS_OF_PICTURES if picture else CHANNELS_OF_DECATHLON
    if volume.channels != len(guess) or modalities:
        return [f"{volume.name} has {volume.channels} channels; say which modality each of them is"]
    modalities |= {modality: Place(volume.name, channel) for modality, channel in guess.items()}
    order = ", ".join(sorted(guess, key=lambda modality: guess[modality]))
    source = "colour slices of TCGA" if picture else "the Medical Segmentation Decathlon"
    return [
        f"the {volume.channels} channels of {volume.name} are taken as {order}, as in {source}; "
        "correct this if they come in another order"
    ]


def checked_assignment(
    modalities: Mapping[str, Mapping[str, object]],
    reference: str | None,
    brain_mask: str | None,
    volumes: Sequence[Volume],
) -> Assignment:
    """Check what the user says.

    Raises:
        ConfigError: An unknown modality.
        DataError: A file that is not there, or a channel that it does not have.
    """
    named = {volume.name: volume for volume in volumes}
    places = {}
    for modality, place in modalities.items():
        channel = place.get("channel")
        volume = _named(place.get("file"), named)
        places[modality_named(str(modality), where="modality")] = Place(
            volume.name, _channel(channel, volume)
        )
    for mask in (reference, brain_mask):
        if mask is not None and _named(mask, named).channels > 1:
            raise DataError("a mask with several channels", where=mask, expected="one value per voxel")
    ordered = {modality: places[modality] for modality in ALL_MODALITIES if modality in places}
    return Assignment(ordered, reference, brain_mask)


def with_guesses(chosen: Assignment, volumes: Sequence[Volume], new: set[str]) -> Assignment:
    """What the user chose, as far as it still can be, with guesses for what came later."""
    channels = {volume.name: volume.channels for volume in volumes}
    guessed = guess_assignment(volumes)[0]
    merged = {modality: place for modality, place in guessed.modalities.items() if place.file in new}
    for modality, place in chosen.modalities.items():
        count = channels.get(place.file, 0)
        if (place.channel is None and count == 1) or (place.channel or 0) < count > 1:
            merged[modality] = place
    return Assignment(
        {modality: merged[modality] for modality in ALL_MODALITIES if modality in merged},
        chosen.reference or (guessed.reference if guessed.reference in new else None),
        chosen.brain_mask or (guessed.brain_mask if guessed.brain_mask in new else None),
    )


def with_guessed_brain_mask(chosen: Assignment, volumes: Sequence[Volume]) -> Assignment:
    """What the user chose, with the brain mask that is told by its name unless it is chosen otherwise."""
    used = {chosen.reference, *(place.file for place in chosen.modalities.values())}
    guessed = guess_assignment(volumes)[0].brain_mask
    return chosen if guessed in used else replace(chosen, brain_mask=guessed)


def _named(name: object, named: Mapping[str, Volume]) -> Volume:
    if isinstance(name, str) and name in named:
        return named[name]
    raise DataError(
        "no such file in this upload",
        where="assignment",
        got=str(name)[:200],
        expected=", ".join(closest_first(str(name)[:200], named)[:5]) or "a file that was uploaded",
        remedy="choose one of the files that are listed",
    )


def _channel(channel: object, volume: Volume) -> int | None:
    if volume.channels == 1 and channel in (None, 0):
        return None
    if isinstance(channel, int) and not isinstance(channel, bool) and 0 <= channel < volume.channels:
        return channel
    raise DataError(
        "no such channel",
        where=volume.name,
        got=str(channel)[:40],
        expected=f"0 to {volume.channels - 1}"
        if volume.channels > 1
        else "no channel: it has one value per voxel",
        remedy="choose one of the channels",
    )
