"""Settings of cases: where they are, how they are parted, what is done to them before anything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class PhantomConfig:
    """Phantoms that stand in for a data set when ``data.root`` is not given."""

    cases: int = 30
    """Number of phantoms."""
    size: tuple[int, int, int] = (64, 64, 64)
    """Voxels along each axis."""
    seed: int = 0
    """Seed of the set of phantoms."""
    without_et: float = 0.2
    """Share of tumours without enhancing part."""


@dataclass(frozen=True)
class DataConfig:
    """Where the cases are and what their files and labels mean."""

    root: str | None = None
    """Folder of the data set, or a URL such as s3://bucket/folder (needs the extra remote); by default
    phantoms are used."""
    layout: str = "auto"
    """Naming of the files (brats2018, brats2020, brats2021, brats2023, msd, nnunet, lgg, figshare,
    montgomery, chest_xray, dicom, pattern), or auto."""
    pattern: dict[str, str] | None = None
    """Your own naming: modality, label or mask to a pattern such as {flair: '{case}/Flair.nii.gz'}."""
    modalities: tuple[str, ...] = ("t1", "t1ce", "t2", "flair")
    """Modalities given to the network, in channel order."""
    convention: str = "auto"
    """Label convention (brats2017, brats2023 ...); auto takes the layout's."""
    labels: dict[int, str] | None = None
    """Your own label convention: value to tissue, such as {1: ET, 2: NCR, 3: ED}."""
    regions: dict[str, tuple[str, ...]] | None = None
    """Your own regions: name to tissues; by default ET, TC and WT."""
    label_geometry: str = "strict"
    """strict: a label map whose header disagrees with the images is an error; trust_array: it is not."""
    cache: str | None = None
    """Folder for files of a data set at a URL while they are needed; by default ~/.cache/brats3d."""
    cache_gib: float | None = None
    """Most space for them in GiB, besides cases in use; those used longest ago go first. null: no limit."""
    store: str | None = None
    """Folder of prepared cases, shared by runs; by default `.prepared` beside the runs."""
    residency: Literal["disk", "ram", "gpu", "auto"] = "disk"
    """Where training cases are read from: disk, ram or gpu (as many as fit; gpu needs `augment.where:
    batch`), or auto: the gpu if all fit there and the other settings allow it, else ram if all fit."""
    workers: int | None = None
    """Processes that read and augment patches; by default none on CPUs, else one per core."""
    phantoms: PhantomConfig = field(default_factory=PhantomConfig)
    """Phantoms that stand in for a data set."""


@dataclass(frozen=True)
class SplitConfig:
    """How patients are parted into training, validation and test."""

    val: float = 0.2
    """Patients for validation: a fraction below 1, or a number."""
    test: float = 0.2
    """Patients for the held-out test: a fraction below 1, or a number."""
    folds: int | None = None
    """Number of cross-validation folds; `val` then does not count."""
    fold: int = 0
    """Fold used for validation, from 0."""
    csv: str | None = None
    """Table with the columns case_id and split (train, val, test); overrides the rest."""
    sites: str | None = None
    """Table with the columns case_id or patient_id, and site: instead of `folds`, one fold for each site, in
    the order of their names."""
    seed: int = 0
    """Seed of the shuffle."""
    stratify: bool = True
    """Spread cases with and without the first region (ET) evenly."""


@dataclass(frozen=True)
class PreprocessConfig:
    """What is done to every case, once, before training and before prediction."""

    orientation: str = "RAS"
    """Axis codes every case is brought to."""
    spacing_mm: tuple[float, float, float] | None = None
    """Voxel size to resample to; by default each case keeps its own."""
    crop_to_brain: bool = True
    """Keep only the box around the brain."""
    margin_voxels: int = 0
    """Voxels kept around that box."""
    normalise: str = "zscore"
    """zscore, robust (median and quartiles) or minmax (0 to 1 in 255 steps), inside the brain and per
    modality, or none."""
    bias_field: bool = False
    """N4 bias-field correction (needs brats3d[itk])."""
    clip: float | None = 5.0
    """Largest absolute value after normalising; null: none."""
    denoise: str | None = None
    """gaussian, median, non_local_means (needs brats3d[classical]), curvature_flow or anisotropic_diffusion
    (need brats3d[itk]); null: none."""
    denoise_strength: float | None = None
    """Sigma of gaussian in mm, reach of median in voxels, or non_local_means in standard deviations of the
    noise; null: 1.1, 1 or 0.8."""
    clahe: bool = False
    """Equalise the contrast of axial slices adaptively (CLAHE, 8 x 8 tiles)."""
    clahe_clip: float = 2.0
    """Its clip limit, in multiples of an evenly filled bin of the histogram; 1 or more."""
