"""Settings of the verbs that use a run or data, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PredictConfig:
    """Predict with one run, with the mean of several, with a MONAI bundle, or without training."""

    run: tuple[str, ...] = ()
    """Run folder(s), such as runs/NAME; several are averaged."""
    weights: tuple[float, ...] = ()
    """How much each of several runs counts in the average, such as 2,1; by default all the same."""
    gate: str | None = None
    """Run of a classifier (`task: classify`): what it finds no tumour in is not segmented."""
    bundle: str | None = None
    """Folder of a MONAI bundle, instead of a run."""
    trust: bool = False
    """Run the programs that a bundle of others consists of; those that export wrote need no trust."""
    classical: str | None = None
    """Recipe of a method that needs no training, instead of a run: kmeans.yaml, fuzzy_kmeans.yaml, otsu.yaml,
    active_contour.yaml, or your own (needs brats3d[classical])."""
    input: str | None = None
    """A case folder or a data set, or the URL of one; nothing when single files are given."""
    cache: str | None = None
    """As data.cache in training: folder for files of a URL while they are needed."""
    cache_gib: float | None = None
    """As data.cache_gib: most space for them."""
    files: dict[str, str] | None = None
    """Single files of one case: modality to path."""
    output: str = "predictions"
    """Folder for the label maps, one per case, named after it."""
    layout: str = "auto"
    """Naming of the input's files."""
    pattern: dict[str, str] | None = None
    """Your own naming, as in data.pattern."""
    convention: str = "auto"
    """Label convention of the output; auto: that of the input's data set."""
    checkpoint: str = "best"
    """best or last."""
    probabilities: bool = False
    """Also write the probability maps, one channel per region."""
    overwrite: bool = False
    """Replace label maps that exist."""
    accelerator: str = "auto"
    """auto, cpu or gpu."""
    devices: int | str = 1
    """Processes that share out the cases, each on a GPU of its own or on its part of the cores; auto: one per
    GPU. With torchrun or srun, which start the processes, leave it out."""
    flips: bool | None = None
    """Average over mirror images; by default as the run says."""
    overlap: float | None = None
    """Overlap of windows; by default as the run says."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Score label maps, of any tool, against references."""

    predictions: str | None = None
    """Folder with predicted label maps."""
    references: str | None = None
    """Folder with reference label maps, or a data set."""
    compare: tuple[str, ...] = ()
    """Folders to compare case by case instead: of predictions, or with a metrics.csv written before."""
    metrics: tuple[str, ...] = ("dice", "hd95_mm")
    """Metrics to compare by, such as lesion_dice."""
    output: str | None = None
    """Folder for the results; by default that of the (first) predictions."""
    prediction_pattern: str | None = None
    """Which files are predictions, such as '*_pred.nii.gz'."""
    reference_pattern: str | None = None
    """Which files are references, such as '*_seg.nii.gz'."""
    prediction_convention: str = "auto"
    """Label convention of the predictions; auto: that of the references."""
    reference_convention: str = "auto"
    """Label convention of the references; auto: that of their data set."""
    labels: dict[int, str] | None = None
    """Your own convention for both sides: value to tissue."""
    regions: dict[str, tuple[str, ...]] | str | None = None
    """Regions to score, name to tissues, or all: the convention's regions and each tissue by itself."""
    missing: str = "fail"
    """A file without a partner: fail, skip, or penalise (score a missing prediction as the worst)."""
    profile: str = "brats2023-gli"
    """Rules of the scores, such as brats2023-met, brats2024-gli or brats2025."""
    definition: str | None = None
    """Surface definition: area (BraTS), directed (MONAI) or pooled (medpy); by default the profile's."""
    policy: str | None = None
    """What a metric is worth when a mask is empty; by default the profile's."""
    penalty_mm: float | None = None
    """Distance charged where none can be measured; by default the profile's."""
    tolerances_mm: tuple[float, ...] | None = None
    """Tolerances of the normalised surface Dice; by default the profile's."""
    check_affine: bool = True
    """Whether headers must agree; shapes always must."""
    overwrite: bool = False
    """Replace results of other inputs or settings."""
    jobs: int = 1
    """Cases scored at a time."""


@dataclass(frozen=True)
class SynthesizeConfig:
    """Write a phantom data set."""

    output: str | None = None
    """Folder to write to (or the first argument)."""
    cases: int = 10
    """Number of cases."""
    layout: str = "brats2021"
    """Naming of the files, such as brats2023, msd, lgg, figshare, montgomery or chest_xray."""
    seed: int = 0
    """Seed of the data set."""
    size: tuple[int, int, int] = (96, 96, 96)
    """Voxels along each axis; single pictures have the first two."""
    labels: bool = True
    """Write label maps."""
