"""What a received file is, told from its first bytes; its name does not count."""

from __future__ import annotations

from pathlib import Path

from brats3d.errors import DataError
from brats3d.viewer.uploads.names import folder, is_clutter
from brats3d.viewer.uploads.nifti_files import GZIP_MAGIC, store_nifti
from brats3d.viewer.uploads.nifti_headers import is_header
from brats3d.viewer.uploads.volumes import Volume
from brats3d.viewer.uploads.workplace import Workplace

_TELLING = 132


def store_received(source: Path, name: str, place: Workplace) -> list[Volume]:
    """Check a received file and store the images in it; ``source`` is left as it is.

    Raises:
        DataError: No image, or one that is refused; nothing is kept then.
        TooLarge: More than the upload may hold.
    """
    with place.explained(name), source.open("rb") as file:
        start = file.read(_TELLING)
    if start.startswith(GZIP_MAGIC) or is_header(start):
        with place.explained(name):
            found = store_nifti(source, name, place)
        return [found]
    if folder(name) and is_clutter(name):
        return []
    raise not_an_image(name)


def not_an_image(name: str) -> DataError:
    """A file that is nothing that is taken."""
    return DataError(
        "this is not an image that can be read",
        where=name,
        got="contents of another kind",
        expected="NIfTI (.nii, .nii.gz), DICOM, PNG, TIFF, JPEG or BMP, or a zip of them",
        remedy="convert it, or leave it out",
    )
