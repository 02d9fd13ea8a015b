"""Settings of a run, as frozen dataclasses; defaults are the embedded quick start.

Every field is described by the string below it; ``python -m brats3d.fit --help`` prints those.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from brats3d.config.data import DataConfig, PreprocessConfig, SplitConfig
from brats3d.config.inference import InferenceConfig, PostprocessConfig
from brats3d.config.patches import AugmentConfig, PatchConfig, SliceConfig, TransplantConfig
from brats3d.config.training import ClassifyConfig, LossConfig, ModelConfig, OptimConfig, TrainerConfig


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
