"""A process that segments one case, with one contender, whenever it is told to.

Run as ``python worker.py CONTENDER JOB.json``; it answers as
:mod:`brats3d.benchmarks.serving` does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brats3d.benchmarks.serving import Contender, Ready, serve

OVERLAP = 0.5
_WINDOW_OF_BUNDLE = (240, 240, 160)
_PACKAGES = ("brats3d", "monai", "torch", "nibabel")


@dataclass(frozen=True)
class Job:
    """What is to be segmented, and with what.

    Attributes:
        case: Folder of the case.
        run: Folder of the run; None: the network of the quick start with random weights.
        output: Folder for the result.
    """

    case: str
    run: str | None
    output: str


class _Model:
    """The network that all contenders share, with the weights of the run."""

    def __init__(self, job: Job) -> None:
        from brats3d import assembly
        from brats3d.config import DataConfig, FitConfig
        from brats3d.workflows.runs import RunFolder

        self.run = None if job.run is None else RunFolder.open(job.run)
        self.config = FitConfig() if self.run is None else self.run.config()
        (self.case,) = assembly.discover_cases(DataConfig(), Path(job.case)).cases
        self.convention = self.case.convention if self.run is None else self.run.convention()

    def load(self, network: Any) -> None:
        """Fill a network that has just been built."""
        from brats3d.workflows.loading import load_weights

        if self.run is not None:
            load_weights(network, self.run.checkpoint())

    def network(self) -> Any:
        """The network alone."""
        import torch

        from brats3d import assembly

        torch.manual_seed(0)
        network = assembly.build_network(self.config, assembly.build_head(self.config, self.convention))
        self.load(network)
        return network.eval()


def _brats3d(job: Job, precision: str) -> Ready:
    import torch

    from brats3d.config import PredictConfig
    from brats3d.workflows.loading import build_segmenter, surround
    from brats3d.workflows.predict import predict_cases

    model = _Model(job)
    config = replace(model.config, trainer=replace(model.config.trainer, precision=precision))
    torch.manual_seed(0)
    segmenter = build_segmenter(config, model.convention, model.load, flips=False, overlap=OVERLAP)
    segmentation = surround([segmenter], config, model.convention)
    wanted = PredictConfig(input=job.case, output=job.output, overwrite=True)
    return lambda: predict_cases(wanted, segmentation)[0], _voxels


def _monai(job: Job, window: tuple[int, int, int] | None = None) -> Ready:
    import torch
    from monai.inferers import SlidingWindowInferer
    from monai.transforms import (
        Activationsd,
        AsDiscreted,
        Compose,
        LoadImaged,
        NormalizeIntensityd,
        SaveImage,
    )

    model = _Model(job)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = model.network().to(device)
    files = [str(model.case.images[modality]) for modality in model.config.data.modalities]
    sides = window or model.config.inference.window or model.config.patch.size
    inferer = SlidingWindowInferer(roi_size=sides, sw_batch_size=1, overlap=OVERLAP)
    before = Compose([LoadImaged("image"), NormalizeIntensityd("image", nonzero=True, channel_wise=True)])
    after = Compose([Activationsd("pred", sigmoid=True), AsDiscreted("pred", threshold=0.5)])
    save = SaveImage(
        output_dir=job.output,
        output_postfix="seg",
        output_dtype="uint8",
        resample=False,
        separate_folder=False,
        print_log=False,
    )

    def work() -> Path:
        sample = before({"image": files})
        with torch.inference_mode():
            sample["pred"] = inferer(sample["image"][None].to(device), network)[0]
        et, tc, wt = after(sample)["pred"].split(1)
        save(torch.where(et > 0, 4, torch.where(tc > 0, 1, torch.where(wt > 0, 2, 0))))
        return next(Path(job.output).glob("*_seg.nii.gz"))

    return work, _voxels


def _voxels(path: Path) -> dict[str, dict[str, float]]:
    """Count the voxels of each label value in a result."""
    import numpy as np

    from brats3d.imaging import read_volume

    values, counts = np.unique(read_volume(path)[0], return_counts=True)
    return {"voxels": {f"{value:.0f}": int(count) for value, count in zip(values, counts, strict=True)}}


CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "brats3d": Contender(
            "predict, as the run says: crop to the brain, skip windows without brain, bf16 where the "
            "processor or GPU is fast at it",
            _PACKAGES,
            partial(_brats3d, precision="auto"),
        ),
        "brats3d-float32": Contender(
            "the same in float32", _PACKAGES, partial(_brats3d, precision="32-true")
        ),
        "monai": Contender(
            "the steps of MONAI's brats_mri_segmentation bundle around the same network and weights, in "
            "float32: LoadImaged, NormalizeIntensityd, SlidingWindowInferer over the full image (windows and "
            "overlap as brats3d's), sigmoid, threshold, label values, SaveImage",
            _PACKAGES[1:],
            _monai,
        ),
        "monai-whole": Contender(
            "the same with the bundle's own window of 240x240x160 voxels: as a rule one for the whole image",
            _PACKAGES[1:],
            partial(_monai, window=_WINDOW_OF_BUNDLE),
        ),
    }
)


def main(name: str, job: str) -> None:
    """Answer until there is nothing more to read."""
    serve(CONTENDERS[name], lambda: Job(**json.loads(Path(job).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
