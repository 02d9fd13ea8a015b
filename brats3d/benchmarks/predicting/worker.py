"""A process that segments one case, with one contender, whenever it is told to.

Run as ``python worker.py CONTENDER JOB.json``; it answers as
:mod:`brats3d.benchmarks.serving` does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from brats3d.benchmarks.predicting import bundle, own
from brats3d.benchmarks.predicting.model import Job
from brats3d.benchmarks.serving import Contender, serve

_PACKAGES = ("brats3d", "monai", "torch", "nibabel")

PLAIN = "plain"
"""The contender that the labels of the others are compared with."""

CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "brats3d": Contender(
            "predict, as the run says: crop to the brain, skip windows without brain, bf16 where the "
            "processor or GPU is fast at it",
            _PACKAGES,
            partial(own.predicted, precision="auto"),
        ),
        "brats3d-float32": Contender(
            "the same in float32", _PACKAGES, partial(own.predicted, precision="32-true")
        ),
        "brats3d-uncropped": Contender(
            "predict without the crop: windows lie where those of the full image do; those without brain are "
            "skipped",
            _PACKAGES,
            partial(own.predicted, precision="auto", crop=False),
        ),
        PLAIN: Contender(
            "the run's normalisation, then MONAI's sliding window with the same Gaussian weights over all of "
            "the full image in float32: what the labels of brats3d are the same as, but for windows that lie "
            "elsewhere after cropping",
            _PACKAGES,
            own.plain,
        ),
        "monai": Contender(
            "the steps of MONAI's brats_mri_segmentation bundle around the same network and weights, in "
            "float32 and in the orientation of the files: LoadImaged, NormalizeIntensityd, "
            "SlidingWindowInferer over the full image (windows and overlap as brats3d's), sigmoid, "
            "threshold, label values, SaveImage",
            _PACKAGES[1:],
            bundle.full_image,
        ),
        "monai-whole": Contender(
            "the same with the bundle's own window of 240x240x160 voxels: as a rule one for the whole image",
            _PACKAGES[1:],
            partial(bundle.full_image, window=bundle.WINDOW),
        ),
    }
)


def main(name: str, job: str) -> None:
    """Answer until there is nothing more to read."""
    serve(CONTENDERS[name], lambda: Job(**json.loads(Path(job).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
