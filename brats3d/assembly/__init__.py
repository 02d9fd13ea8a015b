"""The composition root: the only place where configuration becomes objects."""

from brats3d.assembly.adaptation import (
    build_adaptation,
    build_adaptation_trainer,
    build_image_pairs,
    build_pair_loader,
)
from brats3d.assembly.cases import (
    build_preprocessing,
    discover_cases,
    label_convention,
    modalities,
    split_cases,
)
from brats3d.assembly.class_weights import build_training_loss, with_class_weights
from brats3d.assembly.classical import build_classical_segmenter
from brats3d.assembly.classification import (
    CLASSIFY,
    build_classification_data,
    build_classification_module,
    build_classifier,
    build_classifier_network,
    check_task,
    needs_label_maps,
    slice_axis,
)
from brats3d.assembly.hardware import Hardware, hardware
from brats3d.assembly.model import (
    build_head,
    build_network,
    build_postprocessing,
    build_refinement,
    build_segmenter,
)
from brats3d.assembly.samples import (
    augmentation_settings,
    build_augmentation,
    build_batch_augmentation,
    build_training_data,
)
from brats3d.assembly.settings import check_settings
from brats3d.assembly.training import SHARDED, build_clock, build_module, build_trainer

__all__ = [
    "CLASSIFY",
    "SHARDED",
    "Hardware",
    "augmentation_settings",
    "build_adaptation",
    "build_adaptation_trainer",
    "build_augmentation",
    "build_batch_augmentation",
    "build_classical_segmenter",
    "build_classification_data",
    "build_classification_module",
    "build_classifier",
    "build_classifier_network",
    "build_clock",
    "build_head",
    "build_image_pairs",
    "build_module",
    "build_network",
    "build_pair_loader",
    "build_postprocessing",
    "build_preprocessing",
    "build_refinement",
    "build_segmenter",
    "build_trainer",
    "build_training_data",
    "build_training_loss",
    "check_settings",
    "check_task",
    "discover_cases",
    "hardware",
    "label_convention",
    "modalities",
    "needs_label_maps",
    "slice_axis",
    "split_cases",
    "with_class_weights",
]
