"""What a received file is, told from its first bytes; its name does not count."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from brats3d.errors import DataError
from brats3d.viewer.uploads.archives import ZIP_MAGICS, unpack
from brats3d.viewer.uploads.descriptions import described_channels, is_description
from brats3d.viewer.uploads.dicom_slices import Slice, is_dicom, store_slice
from brats3d.viewer.uploads.names import folder, has_image_ending, is_clutter
from brats3d.viewer.uploads.nifti_files import GZIP_MAGIC, store_nifti
from brats3d.viewer.uploads.nifti_headers import is_header
from brats3d.viewer.uploads.pictures import picture_format, store_picture
from brats3d.viewer.uploads.volumes import Volume
from brats3d.viewer.uploads.workplace import Workplace

_TELLING = 132


@dataclass
class Found:
    """What was in a received file.

    Attributes:
        volumes: Images that are whole.
        slices: Slices of DICOM series.
        passed_over: Files that are no images.
        channels: Modality to channel, of a description that lay beside the images.
    """

    volumes: list[Volume] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    passed_over: int = 0
    channels: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.volumes) + len(self.slices)

    def delete(self, place: Workplace) -> None:
        """Remove what was stored."""
        for stored in [*(one.stored for one in self.volumes), *(one.stored for one in self.slices)]:
            place.delete(stored)


def store_received(source: Path, name: str, place: Workplace) -> Found:
    """Check a received file and store the images in it; ``source`` is left as it is.

    Raises:
        DataError: No image, or one that is refused; nothing is kept then.
        TooLarge: More than the upload may hold.
    """
    found = Found()
    try:
        with place.explained(name):
            if _starts(source).startswith(ZIP_MAGICS):
                _store_archive(source, name, place, found)
            else:
                _store_one(source, name, place, found, lenient=bool(folder(name)) and is_clutter(name))
    except BaseException:
        found.delete(place)
        raise
    return found


def _store_archive(source: Path, name: str, place: Workplace, found: Found) -> None:
    def take(member: str, path: Path) -> None:
        place.allowance.check_files(len(found) + 1, name)
        _store_one(path, member, place, found, lenient=not has_image_ending(member))

    unpack(source, name, place, take)
    if not len(found):
        raise DataError(
            "there is no image in the zip",
            where=name,
            got=f"{found.passed_over} other files",
            expected="NIfTI, DICOM, PNG, TIFF, JPEG or BMP files",
            remedy="zip the folder of one case",
        )


def _store_one(source: Path, name: str, place: Workplace, found: Found, *, lenient: bool) -> None:
    """Store one file that is no zip; what is no image is passed over where that is lenient."""
    start = _starts(source)
    if start.startswith(ZIP_MAGICS):
        raise DataError(
            "a zip inside of a zip",
            where=name,
            expected="images, or folders of them",
            remedy="unpack it, and upload what is in it",
        )
    if start.startswith(GZIP_MAGIC) or is_header(start):
        found.volumes.append(store_nifti(source, name, place))
    elif (kind := picture_format(start)) is not None:
        found.volumes.append(store_picture(source, kind, name, place))
    elif is_dicom(start):
        one = store_slice(source, name, place)
        found.slices += [] if one is None else [one]
        found.passed_over += one is None
    elif is_description(name):
        found.channels |= described_channels(source)
    elif lenient:
        found.passed_over += 1
    else:
        raise DataError(
            "this is not an image that can be read",
            where=name,
            got="contents of another kind",
            expected="NIfTI (.nii, .nii.gz), DICOM, PNG, TIFF, JPEG or BMP, or a zip of them",
            remedy="convert it, or leave it out",
        )


def _starts(source: Path) -> bytes:
    with source.open("rb") as file:
        return file.read(_TELLING)
