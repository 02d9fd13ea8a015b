# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Reading, writing and locating volumes."""

from scripts.core.imaging.geometry import AFFINE_TOLERANCE_MM, Geometry
from scripts.core.imaging.nifti import read_geometry, read_volume, write_image, write_label_map

__all__ = [
    "AFFINE_TOLERANCE_MM",
    "Geometry",
    "read_geometry",
    "read_volume",
    "write_image",
    "write_label_map",
]
