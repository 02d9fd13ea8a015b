"""Settings of a run, as frozen dataclasses; defaults are the embedded quick start.

Every field is described by the string below it; ``python -m brats3d.fit --help`` prints those.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


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


@dataclass(frozen=True)
class SliceConfig:
    """Slices for 2-D networks."""

    axis: str = "axial"
    """axial, coronal or sagittal."""
    first: int | None = None
    """First slice used in training, counted in the original volume."""
    last: int | None = None
    """Last slice used in training (inclusive)."""


@dataclass(frozen=True)
class PatchConfig:
    """What one training step sees."""

    size: tuple[int, ...] = (48, 48, 48)
    """Patch size in voxels; two numbers for 2-D networks (slices are resized to it)."""
    batch_size: int = 2
    """Patches per step and process."""
    per_epoch: int = 40
    """Patches per epoch over all processes."""
    foreground: float = 0.5
    """Share of patches centred on a tumour voxel (a class drawn evenly); of slices, that go through one."""
    empty: float = 1.0
    """Share of the other patches (slices) that is kept where they show no tumour; 0 leaves them out."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training patches; a probability of 0 switches one off."""

    where: str = "sample"
    """sample: patch by patch, where they are read; batch: whole batches, on the device that trains."""
    flip_probability: float = 0.5
    """Mirroring, for each axis."""
    rotation_probability: float = 0.2
    """Rotation."""
    rotation_degrees: float = 30.0
    """Largest angle."""
    scaling_probability: float = 0.2
    """Zoom."""
    scaling_range: tuple[float, float] = (0.7, 1.4)
    """Smallest and largest zoom factor."""
    noise_probability: float = 0.15
    """Gaussian noise."""
    noise_std: float = 0.1
    """Largest standard deviation, in z-score units."""
    blur_probability: float = 0.1
    """Gaussian blur."""
    blur_sigma_range: tuple[float, float] = (0.5, 1.0)
    """Range of its sigma in voxels."""
    brightness_probability: float = 0.15
    """An offset, different for each modality."""
    brightness_offset: float = 0.2
    """Largest offset, in z-score units."""
    contrast_probability: float = 0.15
    """Contrast about the mean of the brain."""
    contrast_range: tuple[float, float] = (0.75, 1.25)
    """Range of its factor."""
    gamma_probability: float = 0.3
    """Gamma curve."""
    gamma_range: tuple[float, float] = (0.7, 1.5)
    """Range of its exponent."""
    low_resolution_probability: float = 0.15
    """Simulated low resolution."""
    low_resolution_range: tuple[float, float] = (0.5, 1.0)
    """Range of its zoom factor."""
    modality_dropout_probability: float = 0.0
    """Blanking of one or more modalities."""


@dataclass(frozen=True)
class TransplantConfig:
    """Tumours of training cases set into other training cases (3-D patches), for data sets of few cases."""

    heal_probability: float = 0.0
    """Replacing a case's own tumour by healthy tissue; only for patches of the whole brain."""
    transplant_probability: float = 0.0
    """Setting in another case's tumour."""
    scaling_range: tuple[float, float] = (0.4, 1.2)
    """Smallest and largest magnification of that tumour."""
    visibility_range: tuple[float, float] = (0.5, 1.0)
    """Smallest and largest share of its tissue in the blend; low values make faint tumours."""


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    name: str = "unet"
    """unet, attention_unet, residual_unet, dynunet, segresnet, swin_unetr, unet_plus_plus, transunet, segnet,
    fcn, two_path, vgg19_unet, resnet50_unet or multiscale_attention_unet; with `task: classify` resnet50 or
    vit."""
    spatial_dims: int = 3
    """2 (slices) or 3 (volumes)."""
    head: str = "sigmoid"
    """sigmoid (one channel per region) or softmax (one channel per class, background included)."""
    params: dict[str, Any] = field(default_factory=dict)
    """Parameters of the network, see the model's documentation."""


@dataclass(frozen=True)
class LossConfig:
    """The training loss."""

    name: str = "dice_ce"
    """dice, cross_entropy, dice_ce, focal, dice_focal, tversky, focal_tversky, generalized_dice,
    unified_focal, symmetric_unified_focal, matthews, boundary, or compound: a sum of these by
    `params.terms`, such as {dice: 1, boundary: 0.01}."""
    params: dict[str, Any] = field(default_factory=dict)
    """Parameters of the loss. `weights` of the channels are numbers, or computed from the voxels of the
    training cases: inverse_frequency or median_frequency."""


@dataclass(frozen=True)
class OptimConfig:
    """Optimiser, learning rate over time, and averaging of weights."""

    name: str = "adamw"
    """adamw, adam or sgd."""
    lr: float = 5e-3
    """Peak learning rate."""
    lr_scaling: Literal["none", "linear", "sqrt"] = "none"
    """Multiply `lr` by the batches of an optimiser step (processes x `trainer.accumulate_grad_batches`):
    none, linear, or by their root."""
    weight_decay: float = 1e-5
    """Weight decay."""
    momentum: float = 0.99
    """Momentum of sgd (Nesterov)."""
    schedule: str = "cosine"
    """poly, cosine, one_cycle, plateau or constant."""
    warmup: float = 0.03
    """Share of the training over which the rate rises linearly from zero."""
    plateau_patience: int = 10
    """Validations without a better Dice before `plateau` lowers the rate."""
    plateau_factor: float = 0.5
    """Factor by which `plateau` lowers the rate."""
    dwell: float | None = None
    """Whenever the loss of a validation is higher, go back to the weights of the lowest one and multiply the
    rate by this (below 1; needs `ema_decay: null`); null: off."""
    ema_decay: float | None = 0.99
    """Decay of the exponential moving average of the weights that is validated and kept; null: off."""


@dataclass(frozen=True)
class TrainerConfig:
    """Names and meanings are Lightning's ``Trainer``'s, but for ``max_minutes``."""

    max_epochs: int = 12
    """Epochs; with `max_minutes`, an upper bound."""
    max_minutes: float | None = None
    """Time budget of the whole fit without the final test; the schedule stretches or shrinks to fit."""
    accelerator: str = "auto"
    """auto, cpu, gpu ..."""
    devices: int | str = "auto"
    """Processes or GPUs per machine."""
    num_nodes: int = 1
    """Machines."""
    strategy: str = "auto"
    """auto, ddp (weights on each process), fsdp2 (weights and optimiser states shared out) ..."""
    sync_batchnorm: bool = False
    """Batch norm over the batches of all processes (GPUs); else each process normalises its own."""
    precision: str = "auto"
    """bf16-mixed, 16-mixed, 32-true, or auto: bf16 where the hardware is fast at it, CPUs included."""
    compile: Literal["auto", "off", "default", "reduce-overhead", "max-autotune"] = "auto"
    """Compile the network for training (torch.compile's modes; reduce-overhead replays CUDA graphs);
    auto: default on GPUs that can, off on CPUs, where it gains nothing. Where it fails, training goes on
    without."""
    channels_last: bool | None = None
    """Memory layout of the network; null: what is expected to be faster on the device."""
    gradient_clip_val: float | None = 12.0
    """Largest norm of the gradient."""
    accumulate_grad_batches: int = 1
    """Batches per optimiser step."""
    check_val_every_n_epoch: int = 4
    """Epochs between validations; the last epoch always validates."""
    early_stopping_patience: int | None = None
    """Validations in a row without a better Dice after which the training ends; null: it never ends early."""
    log_every_n_steps: int = 10
    """Steps between log lines."""
    deterministic: bool = False
    """Same result bit for bit, at some cost in speed."""
    loggers: tuple[str, ...] = ()
    """Loggers besides TensorBoard and CSV: mlflow, wandb (each an extra); they write to the run's folder."""
    enable_progress_bar: bool = True
    """Show progress on a terminal."""
    checkpoint_every_n_minutes: float = 5.0
    """Minutes between checkpoints of the last state; each validation writes one too."""
    memory_gib: float | None = None
    """Stated peak memory of the training in GiB, of the GPU where one is used; `benchmark memory` checks
    it."""


@dataclass(frozen=True)
class InferenceConfig:
    """How whole volumes are predicted."""

    window: tuple[int, ...] | None = None
    """Window size in voxels; by default the training patch."""
    overlap: float = 0.5
    """Share of a window that overlaps the next one."""
    flips: bool = False
    """Average over all mirror images (test-time augmentation)."""
    window_batch: int | Literal["auto"] = "auto"
    """Images at once: windows, on GPUs with their mirror images; auto sizes it to the memory."""


@dataclass(frozen=True)
class CrfConfig:
    """Dense conditional random field over the probabilities of whole cases, in prediction and tests."""

    iterations: int = 0
    """Mean-field updates, such as 5; 0: off."""
    appearance_weight: float = 4.0
    """Most that neighbours of the same intensities add to the log-odds of a voxel."""
    appearance_sigma_mm: float = 2.0
    """Their reach in space (standard deviation of a Gaussian)."""
    appearance_sigma_intensity: float = 1.0
    """Their reach in intensity, over all modalities, in z-score units."""
    smoothness_weight: float = 0.5
    """Most that neighbours of any intensities add."""
    smoothness_sigma_mm: float = 1.0
    """Their reach in space."""
    radius_voxels: int = 3
    """Farthest neighbour; the time grows with its third power."""


@dataclass(frozen=True)
class PostprocessConfig:
    """From probabilities to regions."""

    thresholds: dict[str, float] = field(default_factory=dict)
    """Region to threshold; 0.5 where none is given."""
    min_component_ml: dict[str, float] = field(default_factory=dict)
    """Region to smallest volume of a connected component that is kept."""
    et_to_ncr_below_ml: float = 0.0
    """ET of less volume than this in a case becomes NCR; 0: off."""
    crf: CrfConfig = field(default_factory=CrfConfig)
    """Random field that draws neighbours of like intensities to one label, before all other rules."""


@dataclass(frozen=True)
class ClassifyConfig:
    """A classifier that tells slices (2-D networks) or volumes (3-D) with tumour from those without."""

    labels: str | None = None
    """Table with the columns case_id and label (0 or 1), and for single slices slice, counted as in
    slices.first; by default the label maps tell."""
    min_area_mm2: float = 0.0
    """Tumour of less area in a slice counts as none (pixels, for pictures)."""
    min_volume_ml: float = 0.0
    """Tumour of less volume in a volume counts as none."""
    sensitivity: float = 0.99
    """Share of validation images with tumour that the threshold of the confidence must find."""
    monitor: Literal["auc", "balanced_accuracy"] = "auc"
    """Score of the validation that the best checkpoint has the highest of."""


@dataclass(frozen=True)
class FitConfig:
    """Everything that makes a run."""

    name: str | None = None
    """Name of the run; by default model and time."""
    folder: str = "runs"
    """Folder that holds the runs."""
    task: Literal["segment", "classify"] = "segment"
    """segment, or classify: train a classifier, which `predict --gate` has skip what shows no tumour."""
    seed: int = 0
    """Seed of weights, patches and augmentation."""
    resume: str | None = None
    """Run folder to continue (alone or with `last`: the newest one); its own config.yaml is used. auto:
    continue the run `name` if it has a checkpoint, else begin it, for jobs that start again by themselves."""
    extend: float | None = None
    """With `resume`: epochs (minutes, if the run has `trainer.max_minutes`) to add to those of the run."""
    init: str | None = None
    """Run folder whose best weights a new run starts from (fine-tuning). Network, preprocessing and
    modalities are that run's; patches, loss, optimisation (at a tenth of its rate) and inference, too, where
    nothing else is set."""
    init_frozen: bool = False
    """With `init`: leave the encoder as it is, so that the decoder alone learns."""
    report: bool = True
    """Write the report of the run at its end; it predicts up to three held-out cases again to show them."""
    data: DataConfig = field(default_factory=DataConfig)
    """Cases and labels."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """Training, validation, test."""
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    """Preprocessing."""
    slices: SliceConfig = field(default_factory=SliceConfig)
    """Slices for 2-D networks."""
    patch: PatchConfig = field(default_factory=PatchConfig)
    """Training patches."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation."""
    transplant: TransplantConfig = field(default_factory=TransplantConfig)
    """Tumours from other cases."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Network."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Loss."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimisation."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Training loop."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """Sliding window."""
    postprocess: PostprocessConfig = field(default_factory=PostprocessConfig)
    """Postprocessing."""
    classify: ClassifyConfig = field(default_factory=ClassifyConfig)
    """Classification, with `task: classify`."""
