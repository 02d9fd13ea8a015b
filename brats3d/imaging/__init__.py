"""Reading, writing and locating volumes."""

from brats3d.imaging.geometry import AFFINE_TOLERANCE_MM, MILLIMETRE, PIXEL, Geometry
from brats3d.imaging.nifti import write_image, write_label_map
from brats3d.imaging.pictures import write_mask_picture
from brats3d.imaging.reading import files_of, is_single_plane, read_geometry, read_volume, volume_name

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
