"""Prediction by brats3d, and what its labels must be the same as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from brats3d.benchmarks.predicting.model import OVERLAP, Job, Model
from brats3d.benchmarks.predicting.results import voxels
from brats3d.benchmarks.serving import Ready

if TYPE_CHECKING:
    from torch import Tensor

    from brats3d.inference.segmenter import Segmenter


def predicted(job: Job, precision: str | None, *, crop: bool | None = None) -> Ready:
    """As predict does it.

    Args:
        job: What is to be segmented.
        precision: Lightning's name of the precision; None: as configured.
        crop: Whether the image is cropped to the brain; None: as configured.
    """
    import torch

    from brats3d.workflows.loading import build_segmenter

    model = Model(job)
    trainer = model.config.trainer
    config = replace(model.config, trainer=replace(trainer, precision=precision or trainer.precision))
    if crop is not None:
        config = replace(config, preprocess=replace(config.preprocess, crop_to_brain=crop))
    torch.manual_seed(0)
    segmenter = build_segmenter(config, model.convention, model.load, flips=False, overlap=OVERLAP)
    return _files_to_file(job, model, config, segmenter)


def plain(job: Job) -> Ready:
    """Every window of the full image, in float32."""
    from brats3d import assembly

    model = Model(job)
    config = replace(model.config, preprocess=replace(model.config.preprocess, crop_to_brain=False))
    head = assembly.build_head(config, model.convention)
    return _files_to_file(job, model, config, _Plain(model.network(), head, model.window))


def _files_to_file(job: Job, model: Model, config: Any, segmenter: Segmenter) -> Ready:
    from brats3d.config import PredictConfig
    from brats3d.workflows.loading import surround
    from brats3d.workflows.predict import predict_cases

    segmentation = surround([segmenter], config, model.convention)
    wanted = PredictConfig(input=job.case, output=job.output, overwrite=True)
    return lambda: predict_cases(wanted, segmentation)[0], lambda path: voxels(path, model.case.convention)


@dataclass
class _Plain:
    """MONAI's sliding window around a network and its head."""

    network: Any
    head: Any
    window: Sequence[int]

    def segment(self, image: Tensor) -> Tensor:
        """Segment one image; see :meth:`brats3d.inference.segmenter.Segmenter.segment`."""
        import torch
        from monai.inferers import sliding_window_inference

        device = "cuda" if torch.cuda.is_available() else "cpu"
        network = self.network.to(device)
        with torch.inference_mode():
            found = sliding_window_inference(
                image.as_subclass(torch.Tensor)[None].to(device, torch.float32),
                tuple(self.window),
                sw_batch_size=1,
                predictor=lambda windows: self.head.probabilities(network(windows)),
                overlap=OVERLAP,
                roi_weight_map=_weights(self.window).to(device),  # MONAI's own are cut off below 0.001
            )
        return found[0].cpu()


def _weights(window: Sequence[int]) -> Tensor:
    """Gaussian weights of the voxels of a window, float32 ``(*S)``."""
    import torch

    from brats3d.inference.windows import gaussian_profile

    x, y, z = (torch.from_numpy(gaussian_profile(side)) for side in window)
    return (x[:, None, None] * y[:, None] * z).float()
