"""The ``brats_mri_segmentation`` bundle of MONAI's model zoo, recognised and read as data.

Its SegResNet takes T1c, T1, T2 and FLAIR and gives a probability for tumour core, whole tumour and
enhancing tumour each. A copy with other sizes, windows or channel orders is read as well; one that does
other steps is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brats3d.bundles.reading.channels import input_modalities, output_regions
from brats3d.bundles.reading.folder import BundleFolder, UnfamiliarError
from brats3d.bundles.reading.programs import difference, holds_programs
from brats3d.errors import RunError

_NETWORK_KEYS = {
    "spatial_dims",
    "init_filters",
    "in_channels",
    "out_channels",
    "blocks_down",
    "blocks_up",
    "dropout_prob",
}
_INFERER_KEYS = {"roi_size", "sw_batch_size", "overlap", "mode"}
_READING = {"_target_": "LoadImaged", "keys": "image"}
_NORMALISING = {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}
# Nothing is changed in space, so there is nothing to invert; label maps are written by `predict`.
_PASSED_OVER = ("Invertd", "SaveImaged")
_NETWORK = "$@network_def.to(@device)"


@dataclass(frozen=True)
class ZooModel:
    """What the configuration says.

    Attributes:
        modalities: Input channels.
        regions: Output channels.
        network: Arguments of MONAI's SegResNet.
        inferer: Arguments of MONAI's SlidingWindowInferer.
        half_on_gpu: Whether a GPU computes in float16 where that is safe.
    """

    modalities: tuple[str, ...]
    regions: tuple[str, ...]
    network: dict[str, Any]
    inferer: dict[str, Any]
    half_on_gpu: bool


def read_model(bundle: BundleFolder) -> ZooModel:
    """Read the configuration.

    Raises:
        UnfamiliarError: It is another bundle, or does other steps.
    """
    config = bundle.config
    if config is None:
        raise UnfamiliarError("its configuration is YAML")
    network = _arguments(config, "network_def", "SegResNet", _NETWORK_KEYS)
    inferer = _arguments(config, "inferer", "SlidingWindowInferer", _INFERER_KEYS)
    try:
        modalities, regions = input_modalities(bundle), output_regions(bundle)
    except RunError as error:
        raise UnfamiliarError(f"{error.what} ({error.got})") from error
    if regions is None:
        raise UnfamiliarError("its output channels are not the regions ET, TC and WT")
    if (network.get("in_channels"), network.get("out_channels")) != (len(modalities), len(regions)):
        raise UnfamiliarError("network_def has other numbers of channels than metadata.json")
    if network.get("spatial_dims", 3) != 3:
        raise UnfamiliarError("its network is not for volumes")
    _check("network", config.get("network"), _NETWORK)
    _check("preprocessing.transforms", _steps(config, "preprocessing"), [_READING, _NORMALISING])
    kept = [step for step in _steps(config, "postprocessing") if step.get("_target_") not in _PASSED_OVER]
    _check("postprocessing.transforms", kept, _postprocessing(regions))
    return ZooModel(modalities, regions, network, inferer, config.get("amp") is True)


def _postprocessing(regions: Sequence[str]) -> list[dict[str, Any]]:
    """Steps after the network: probabilities, masks, and the first of ET, TC and WT that has a voxel."""
    rule = "0"
    for value, region in ((2, "WT"), (1, "TC"), (4, "ET")):
        rule = f"torch.where(x[[{regions.index(region)}]] > 0, {value}, {rule})"
    return [
        {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
        {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
        {"_target_": "Lambdad", "keys": "pred", "func": f"$lambda x: {rule}"},
    ]


def _arguments(config: dict[str, Any], key: str, target: str, known: set[str]) -> dict[str, Any]:
    found = config.get(key)
    if not isinstance(found, dict) or found.get("_target_") != target:
        raise UnfamiliarError(f"{key} is no {target}")
    arguments = {name: value for name, value in found.items() if name != "_target_"}
    unknown = sorted(set(arguments) - known)
    if unknown or holds_programs(arguments):
        raise UnfamiliarError(f"{key} has {', '.join(unknown) or 'an expression'}")
    return arguments


def _steps(config: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = config.get(key)
    steps = None
    if isinstance(found, dict) and found.get("_target_") == "Compose":
        steps = found.get("transforms")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise UnfamiliarError(f"{key} is no list of transforms")
    return [_plain(step) for step in steps]


def _plain(step: dict[str, Any]) -> dict[str, Any]:
    """A step with one key instead of a list of one, and without what only adds a dictionary."""
    keys = step.get("keys")
    one = {"keys": keys[0]} if isinstance(keys, list) and len(keys) == 1 else {}
    return {name: value for name, value in (step | one).items() if name != "image_only"}


def _check(where: str, found: Any, expected: Any) -> None:
    said = difference(found, expected, where)
    if said is not None:
        raise UnfamiliarError(said)
