"""Settings of extracting features, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExtractConfig:
    """Features of tumour regions (shape, place, intensities, texture) by the IBSI definitions, as a table."""

    masks: str | None = None
    """Data set, folder of label maps of any tool, or one file."""
    images: str | None = None
    """Data set with the images; by default that of the masks, if they are a data set."""
    output: str = "features.csv"
    """Table to write; definitions, settings and versions go beside it, as .json."""
    form: str = "tidy"
    """tidy: a row per case, region, image and feature; wide: a row per case and region."""
    families: tuple[str, ...] = ("morphology", "location", "statistics", "histogram", "glcm")
    """What to compute."""
    modalities: tuple[str, ...] | None = None
    """Images to use, such as t1ce,flair; by default all that a case of the data set has."""
    regions: dict[str, tuple[str, ...]] | str | None = None
    """Regions, name to tissues, or all: the convention's regions and each tissue by itself."""
    mask_pattern: str | None = None
    """Which files are masks, such as '*_pred.nii.gz'."""
    mask_convention: str = "auto"
    """Label convention of the masks; auto: that of their folder, else of the images' data set."""
    labels: dict[int, str] | None = None
    """Your own convention: value to tissue."""
    layout: str = "auto"
    """Naming of the images' files."""
    pattern: dict[str, str] | None = None
    """Your own naming of the images' files, as in data.pattern."""
    bins: int = 32
    """Bins from a region's minimum to its maximum, for histogram and texture (fixed bin number)."""
    bin_width: float | None = None
    """Bins of this width instead (fixed bin size), in the units of the intensities."""
    bin_start: float | None = None
    """Where the first bin of bin_width starts; by default at the region's minimum."""
    glcm: tuple[str, ...] = ("3d_averaged", "3d_merged")
    """How directions are put together: 2d_averaged, 2d_slice_merged, 25d_direction_merged, 25d_merged,
    3d_averaged or 3d_merged; several give columns of their own."""
    glcm_distance: int = 1
    """Distance of neighbours in voxels."""
    normalise: bool = False
    """First subtract the mean of the brain and divide by its standard deviation, image by image."""
    missing: str = "fail"
    """A mask without images: fail, or skip."""
    check_affine: bool = True
    """Whether headers must agree; shapes always must."""
    overwrite: bool = False
    """Replace a table that exists."""
    jobs: int = 1
    """Cases at a time, each in a process of its own."""
