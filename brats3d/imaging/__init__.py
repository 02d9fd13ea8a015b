"""Reading, writing and locating volumes."""

from brats3d.imaging.geometry import AFFINE_TOLERANCE_MM, Geometry
from brats3d.imaging.nifti import read_geometry, read_volume, write_image, write_label_map

__all__ = [
    "AFFINE_TOLERANCE_MM",
    "Geometry",
    "read_geometry",
    "read_volume",
    "write_image",
    "write_label_map",
]
