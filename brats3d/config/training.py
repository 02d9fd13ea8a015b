"""Settings of training: network, loss, optimisation and loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


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
