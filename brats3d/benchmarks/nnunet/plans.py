"""What nnU-Net v2 reads about a data set and a network, as plain dicts; needs nothing but Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

FILTERS: tuple[int, ...] = (32, 64, 128, 256, 320, 320)
"""Channels per level, finest first, of nnU-Net's plain U-Net for patches of 128 voxels."""

CONFIGURATION = "3d_fullres"
"""Name of the only configuration in the plans."""

LABELS: Mapping[str, int] = MappingProxyType({"edema": 1, "necrosis": 2, "enhancing": 3})
"""Label values of nnU-Net's own BraTS conversion, in which each further region drops the smallest value."""

REGIONS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"whole tumor": (1, 2, 3), "tumor core": (2, 3), "enhancing tumor": (3,)}
)
"""Label values of each region, in the order of nnU-Net's output channels."""

_AXES = 3


def plans(
    patch: Sequence[int],
    batch_size: int = 2,
    filters: Sequence[int] = FILTERS,
    *,
    channels: int = 4,
    dataset: str = "Dataset001_BraTS",
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
    shape: Sequence[int] = (138, 168, 135),
) -> dict[str, Any]:
    """Content of ``nnUNetPlans.json`` as nnU-Net's experiment planner writes it for BraTS.

    Args:
        patch: Voxels of a patch along each of three axes.
        batch_size: Patches per step.
        filters: Channels per level, finest first; each level halves the one before.
        channels: Modalities.
        dataset: Name of the data set's folder.
        spacing_mm: Voxel size after resampling.
        shape: Median voxels of a case after cropping, along each axis.
    """
    configuration = {
        "data_identifier": f"nnUNetPlans_{CONFIGURATION}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": batch_size,
        "patch_size": list(patch),
        "median_image_size_in_voxels": list(shape),
        "spacing": list(spacing_mm),
        "normalization_schemes": ["ZScoreNormalization"] * channels,
        "use_mask_for_norm": [True] * channels,
        **_resampling(),
        "architecture": architecture(filters),
        "batch_dice": False,
    }
    unknown = {"max": 0.0, "mean": 0.0, "median": 0.0, "min": 0.0, "std": 0.0}
    unknown |= {"percentile_00_5": 0.0, "percentile_99_5": 0.0}
    return {
        "dataset_name": dataset,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(spacing_mm),
        "original_median_shape_after_transp": list(shape),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        # Read by the normalisation of CT alone.
        "foreground_intensity_properties_per_channel": {str(number): unknown for number in range(channels)},
    }


def architecture(filters: Sequence[int] = FILTERS) -> dict[str, Any]:
    """Plan of nnU-Net's plain U-Net: two convolutions per level, strided down-sampling, all kernels 3.

    Args:
        filters: Channels per level, finest first.
    """
    levels = len(filters)
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": levels,
            "features_per_stage": list(filters),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3] * _AXES for _ in range(levels)],
            "strides": [[1 if level == 0 else 2] * _AXES for level in range(levels)],
            "n_conv_per_stage": [2] * levels,
            "n_conv_per_stage_decoder": [2] * (levels - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def dataset_json(modalities: Sequence[str], cases: int, *, file_ending: str = ".nii.gz") -> dict[str, Any]:
    """Content of ``dataset.json`` for a BraTS data set that is trained on regions.

    Args:
        modalities: Names of the channels in their order.
        cases: Training cases.
        file_ending: Of images and label maps.
    """
    return {
        "channel_names": {str(number): name for number, name in enumerate(modalities)},
        "labels": {"background": 0, **{name: list(values) for name, values in REGIONS.items()}},
        # What wins where regions overlap: the value of the smallest, written last.
        "regions_class_order": [1, 2, 3],
        "numTraining": cases,
        "file_ending": file_ending,
    }


def _resampling() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for what, options in {
        "data": {"is_seg": False, "order": 3},
        "seg": {"is_seg": True, "order": 1},
        "probabilities": {"is_seg": False, "order": 1},
    }.items():
        found[f"resampling_fn_{what}"] = "resample_data_or_seg_to_shape"
        found[f"resampling_fn_{what}_kwargs"] = {**options, "order_z": 0, "force_separate_z": None}
    return found
