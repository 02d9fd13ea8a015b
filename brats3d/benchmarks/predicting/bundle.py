"""Prediction by the steps of MONAI's brain tumour bundle."""

from __future__ import annotations

from pathlib import Path

from brats3d.benchmarks.predicting.model import OVERLAP, Job, Model
from brats3d.benchmarks.predicting.results import voxels
from brats3d.benchmarks.serving import Ready
from brats3d.labels import CONVENTIONS

CONVENTION = CONVENTIONS["brats2017"]
"""Meaning of the values that are written."""

WINDOW = (240, 240, 160)
"""The bundle's own window."""


def full_image(job: Job, window: tuple[int, int, int] | None = None) -> Ready:
    """Load, normalise, predict the full image, write.

    Args:
        job: What is to be segmented.
        window: Voxels of a window; None: that of brats3d.
    """
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

    model = Model(job)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = model.network().to(device)
    files = [str(model.case.images[modality]) for modality in model.config.data.modalities]
    inferer = SlidingWindowInferer(roi_size=window or model.window, sw_batch_size=1, overlap=OVERLAP)
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

    return work, lambda path: voxels(path, CONVENTION)
