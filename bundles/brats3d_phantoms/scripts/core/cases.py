# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The case: one examination of one patient, as paths; nothing is read before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from scripts.core.errors import ConfigError, DataError, closest_first
from scripts.core.labels import LabelConvention

MODALITIES: tuple[str, ...] = ("t1", "t1ce", "t2", "flair")

OTHER_MODALITIES: tuple[str, ...] = ("xray",)
"""Modalities of data sets other than BraTS; their cases have these instead."""

ALL_MODALITIES: tuple[str, ...] = (*MODALITIES, *OTHER_MODALITIES)

MODALITY_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in MODALITIES},
        "t1n": "t1",
        "t1w": "t1",
        "t1c": "t1ce",
        "t1gd": "t1ce",
        "t2w": "t2",
        "t2f": "flair",
    }
)


def modality_named(name: str, where: object = "data.modalities") -> str:
    """Return the modality that ``name`` (any year's spelling) means: t1, t1ce, t2, flair or xray.

    Raises:
        ConfigError: Unknown name; the message lists the choices, closest first.
    """
    if name.lower() in OTHER_MODALITIES:
        return name.lower()
    try:
        return MODALITY_ALIASES[name.lower()]
    except KeyError:
        choices = closest_first(name, [*MODALITY_ALIASES, *OTHER_MODALITIES])
        raise ConfigError(
            f"unknown modality {name!r}",
            where=where,
            got=name,
            expected="one of " + ", ".join(choices),
            remedy=f"did you mean {choices[0]!r}?",
        ) from None


@dataclass(frozen=True)
class Case:
    """One examination: image paths by modality, and where its label map is, if it has one.

    Attributes:
        case_id: Name of the case, unique in its data set.
        patient: Patient the case belongs to; splits never part the visits of a patient.
        images: Modality to image, as :func:`~brats3d.imaging.read_volume` takes it: a file, a folder of
            DICOM slices, a pattern of numbered pictures or a field of a MATLAB file. All modalities of
            one file with several channels have the same path.
        convention: Meaning of the label values.
        visit: Visit of the patient (2023 on), or empty.
        label: Label map (named in the same ways), or None.
        brain_mask: Brain mask file, or None (the brain is then found from the images).
        channels: For 4-D files: modality to index along the fourth axis (for colour pictures: 0 red,
            1 green, 2 blue); otherwise empty.
        attributes: What else the data set says of the case, such as its diagnosis.
    """

    case_id: str
    patient: str
    images: Mapping[str, Path]
    convention: LabelConvention
    visit: str = ""
    label: Path | None = None
    brain_mask: Path | None = None
    channels: Mapping[str, int] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "images", MappingProxyType(dict(self.images)))
        object.__setattr__(self, "channels", MappingProxyType(dict(self.channels)))
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    def __hash__(self) -> int:
        """Hash by name; mappings have no hash of their own."""
        return hash((self.case_id, self.patient, self.visit, self.label))

    def __reduce__(self) -> tuple[Callable[..., Case], tuple[object, ...]]:
        """Pickle without the read-only views."""
        return Case, (
            self.case_id,
            self.patient,
            dict(self.images),
            self.convention,
            self.visit,
            self.label,
            self.brain_mask,
            dict(self.channels),
            dict(self.attributes),
        )

    def here(self, *, wait: bool = True, label_only: bool = False) -> AbstractContextManager[bool]:
        """Have the files on this disk meanwhile; they are there always, unless a subclass fetches them.

        Args:
            wait: Whether to wait for another process or thread that has them.
            label_only: Whether the label map is all that is needed.

        Returns:
            Says whether they are; they are, where ``wait`` is true.
        """
        return nullcontext(True)

    def version(self, path: Path) -> str:
        """Text that changes with a file that is elsewhere; empty for one on this disk."""
        return ""

    def require(self, modalities: tuple[str, ...], *, label: bool = False) -> None:
        """Check that the case has what a job needs.

        Raises:
            DataError: A modality or the label map is missing.
        """
        missing = [modality for modality in modalities if modality not in self.images]
        if missing:
            raise DataError(
                f"case without {', '.join(missing)}",
                where=self.case_id,
                got="modalities " + ", ".join(self.images),
                expected="modalities " + ", ".join(modalities),
                remedy="add the missing files, leave the case out, or select a subset in data.modalities, "
                f"such as [{', '.join(self.images)}]",
            )
        if label and self.label is None:
            raise DataError(
                "case without a label map",
                where=self.case_id,
                expected="a label map, since training, validation and testing compare with it",
                remedy="add the label map or move the case out of the data set",
            )
