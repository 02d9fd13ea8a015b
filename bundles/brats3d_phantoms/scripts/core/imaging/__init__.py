# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Reading, writing and locating volumes."""

from scripts.core.imaging.geometry import AFFINE_TOLERANCE_MM, MILLIMETRE, PIXEL, Geometry
from scripts.core.imaging.nifti import write_image, write_label_map
from scripts.core.imaging.pictures import write_mask_picture
from scripts.core.imaging.reading import files_of, is_single_plane, read_geometry, read_volume, volume_name

__all__ = [
    "AFFINE_TOLERANCE_MM",
    "MILLIMETRE",
    "PIXEL",
    "Geometry",
    "files_of",
    "is_single_plane",
    "read_geometry",
    "read_volume",
    "volume_name",
    "write_image",
    "write_label_map",
    "write_mask_picture",
]
