"""What an upload holds: volumes and pictures, each in one file that was written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from brats3d.imaging import PIXEL, Geometry
from brats3d.viewer.uploads.workplace import Stored

NIFTI, DICOM, PICTURE = "nifti", "dicom series", "picture"


@dataclass(frozen=True)
class Volume:
    """One image file, checked and stored.

    Attributes:
        name: What it is called on the page.
        kind: ``nifti``, ``dicom series`` or ``picture``.
        stored: The file that was written of it.
        geometry: Its grid.
        channels: How many values each voxel has.
        values: The values that occur, where they are few whole numbers from 0 to 255 as in label maps.
        role: What names (of DICOM also the series' description) say it is: a modality, ``reference``,
            ``brain mask``, or None.
        channel_roles: Modality to channel, where something tells it.
    """

    name: str
    kind: str
    stored: Stored
    geometry: Geometry
    channels: int = 1
    values: tuple[int, ...] | None = None
    role: str | None = None
    channel_roles: Mapping[str, int] = field(default_factory=dict)

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Voxel size, or None where nothing tells it."""
        return None if self.geometry.unit == PIXEL else self.geometry.spacing_mm

    @property
    def is_plane(self) -> bool:
        """Whether it is a single slice."""
        return self.geometry.shape[2] == 1

    @property
    def may_be_labels(self) -> bool:
        """Whether it has the values of a label map, and not only background."""
        return self.channels == 1 and self.values is not None and len(self.values) > 1
