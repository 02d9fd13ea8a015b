"""A case through the network of MONAI's model zoo, with the steps that its bundle asks for.

They differ from this package's: the volumes keep their axes and are not cropped, each channel is
normalised by mean and standard deviation of its voxels that are not zero (this package: z-scores inside
the brain, outside of it zero), windows are averaged before the sigmoid and with equal weights, a
probability of exactly the threshold counts, and ET makes a voxel ET wherever it is found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
from monai.transforms import NormalizeIntensity
from numpy.typing import NDArray
from torch import Tensor, nn

from brats3d import assembly
from brats3d.bundles.reading.folder import BundleFolder
from brats3d.bundles.reading.model_zoo import ZooModel
from brats3d.bundles.reading.weights import load_weights, read_weights
from brats3d.cases import Case
from brats3d.config import PredictConfig
from brats3d.errors import ConfigError, RunError
from brats3d.inference.memory import is_out_of_memory
from brats3d.inference.progress import part, report
from brats3d.labels import CONVENTIONS, LabelConvention
from brats3d.transforms.loading import LoadCase
from brats3d.workflows.segmentation import SegmentedCase

THRESHOLD = 0.5
_SPATIAL_AXES = (2, 3, 4)


@dataclass(frozen=True)
class ZooSegmentation:
    """A network of the model zoo with all that surrounds it.

    Attributes:
        modalities: Input channels.
        regions: Output channels.
        network: The network, on its device.
        inferer: Slides over the volume.
        device: Where the network is.
        half: Whether to compute in float16 where that is safe.
        flips: Whether to average over mirror images.
        convention: Regions and values of the data it was trained on.
    """

    modalities: tuple[str, ...]
    regions: tuple[str, ...]
    network: nn.Module
    inferer: SlidingWindowInferer
    device: str
    half: bool
    flips: bool
    convention: LabelConvention = CONVENTIONS["brats2017"]

    def __call__(self, case: Case, convention: LabelConvention) -> SegmentedCase:
        """Segment one case, see :class:`~brats3d.workflows.segmentation.CaseSegmentation`."""
        load = LoadCase(self.modalities, with_label=False, label_geometry="strict")
        sample = load(replace(case, brain_mask=None))
        normalise = NormalizeIntensity(nonzero=True, channel_wise=True)
        image = torch.as_tensor(normalise(sample["image"])).as_subclass(Tensor)
        of_channels = self._probabilities(image[None])[0].numpy()
        probabilities = of_channels[[self.regions.index(name) for name in self.convention.region_names]]
        thresholds = dict.fromkeys(self.convention.region_names, THRESHOLD)
        labels = convention.from_classes(zoo_classes(probabilities, thresholds, self.convention))
        return SegmentedCase(case.case_id, labels, probabilities, sample["geometry"])

    def _probabilities(self, batch: Tensor) -> Tensor:
        counts = range(len(_SPATIAL_AXES) + 1) if self.flips else (0,)
        mirrors = [axes for count in counts for axes in itertools.combinations(_SPATIAL_AXES, count)]
        try:
            total = sum(self._of_mirror(batch, axes, n, len(mirrors)) for n, axes in enumerate(mirrors))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ConfigError(
                "memory ran out on a window of the bundle",
                where="inferer.roi_size",
                got=f"{tuple(self.inferer.roi_size)} voxels on {self.device}",
                remedy="end other programs that use the device, or predict with --accelerator cpu",
            ) from error
        assert isinstance(total, Tensor)
        return total / len(mirrors)

    @torch.inference_mode()
    def _of_mirror(self, batch: Tensor, axes: tuple[int, ...], number: int, mirrors: int) -> Tensor:
        done, windows = 0, self._windows(batch)

        def network(seen: Tensor) -> Tensor:
            nonlocal done
            logits = self.network(seen)
            done += len(seen)
            report(done, windows)
            return logits

        with part(number, number + 1, of=mirrors), torch.autocast("cuda", torch.float16, enabled=self.half):
            logits = self.inferer(batch.flip(axes).to(self.device), network)
        assert isinstance(logits, Tensor)
        return torch.sigmoid(logits.float()).flip(axes).cpu()

    def _windows(self, batch: Tensor) -> int:
        """Number of windows that the inferer slides over a volume."""
        sides, overlap = self.inferer.roi_size, self.inferer.overlap
        steps = [max(int(side * (1 - overlap)), 1) for side in sides]
        return math.prod(
            math.ceil(max(size - side, 0) / step) + 1
            for size, side, step in zip(batch.shape[2:], sides, steps, strict=True)
        )


def zoo_classes(
    probabilities: NDArray[np.float32], thresholds: Mapping[str, float], convention: LabelConvention
) -> NDArray[np.uint8]:
    """Classes by the rules of the model zoo.

    Args:
        probabilities: Of ET, TC and WT, ``(3, *S)``.
        thresholds: Region to the probability from which a voxel belongs to it.
        convention: Names the regions.

    Returns:
        Class indices, uint8 ``(*S)``.
    """
    et, tc, wt = (
        of_region >= thresholds[name]
        for name, of_region in zip(convention.region_names, probabilities, strict=True)
    )
    return convention.classes_from_regions(np.stack([et, tc | et, wt | tc | et]))


def zoo_segmentation(bundle: BundleFolder, model: ZooModel, config: PredictConfig) -> ZooSegmentation:
    """Build the network and load its weights.

    Raises:
        ConfigError: A GPU where there is none.
        RunError: A network, window or overlap that cannot work, or weights that do not fit.
    """
    from monai.networks.nets.segresnet import SegResNet

    chosen = model.inferer | ({} if config.overlap is None else {"overlap": config.overlap})
    try:
        network = SegResNet(**model.network)
    except Exception as error:  # MONAI raises many types for arguments that cannot work
        raise RunError(
            "the network of the bundle cannot be built",
            where=bundle.inference,
            got=str(error)[:300],
            expected="arguments of MONAI's SegResNet",
        ) from error
    _check_window(chosen, 2 ** (len(network.blocks_down) - 1), bundle)
    load_weights(network, read_weights(bundle.weights), bundle.weights)
    device = assembly.hardware(config.accelerator, "32-true").device
    return ZooSegmentation(
        model.modalities,
        model.regions,
        network.to(device).eval(),
        SlidingWindowInferer(**chosen),
        device,
        half=model.half_on_gpu and device == "cuda",
        flips=bool(config.flips),
    )


def _check_window(inferer: dict[str, Any], step: int, bundle: BundleFolder) -> None:
    """Check what MONAI's inferer would take, and fail with in the middle of a case."""
    window, overlap = inferer.get("roi_size"), inferer.get("overlap", 0.25)
    batch, mode = inferer.get("sw_batch_size", 1), inferer.get("mode", "constant")
    sides = window if isinstance(window, list) and len(window) == len(_SPATIAL_AXES) else [0]
    checks = {
        "roi_size": (
            all(isinstance(side, int) and side > 0 and side % step == 0 for side in sides),
            f"three sides divisible by {step}",
        ),
        "overlap": (isinstance(overlap, int | float) and 0 <= overlap < 1, "at least 0 and below 1"),
        "sw_batch_size": (isinstance(batch, int) and batch > 0, "1 or more"),
        "mode": (mode in ("constant", "gaussian"), "constant or gaussian"),
    }
    for key, (works, expected) in checks.items():
        if not works:
            raise RunError(
                "a window of the bundle that cannot work",
                where=f"{bundle.inference}: inferer.{key}",
                got=inferer.get(key),
                expected=expected,
            )
