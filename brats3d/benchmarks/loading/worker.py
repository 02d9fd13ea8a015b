"""A process that makes augmented training patches, with one contender, whenever it is told to.

Run by path, as ``python worker.py CONTENDER JOB.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from brats3d.benchmarks.loading import bundle, own
from brats3d.benchmarks.loading.job import Job
from brats3d.benchmarks.serving import Contender, serve

_OURS = ("brats3d", "blosc2", "monai", "torch", "numpy")
_THEIRS = ("monai", "torch", "nibabel", "numpy")

CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "brats3d": Contender(
            "prepared cases (cropped, normalised, compressed), then the random changes of MONAI's bundle: "
            "flips, contrast, brightness",
            _OURS,
            own.list_of_bundle,
        ),
        "brats3d-default": Contender(
            "the same with the random changes that fit makes: rotation, zoom, noise, blur, gamma and "
            "resolution, too",
            _OURS,
            own.default_list,
        ),
        "brats3d-nnunet-list": Contender(
            "the same with the random changes of nnU-Net at its probabilities and ranges (brightness as an "
            "offset, zeros where corners turn in), a third of the patches centred on tumour",
            _OURS,
            own.list_of_nnunet,
        ),
        "brats3d-batch": Contender(
            "the same list, on whole batches (augment.where: batch)",
            _OURS,
            own.list_of_nnunet_in_batches,
        ),
        "brats3d-read": Contender(
            "reading alone: the same patches as they are stored (float16), without random changes",
            _OURS,
            own.reading_alone,
        ),
        "monai": Contender(
            "Dataset with the transforms of MONAI's brain tumour bundle: loads, orients, normalises, "
            "crops to the foreground, crops at random, flips, contrast, brightness",
            _THEIRS,
            bundle.uncached,
        ),
        "monai-cache": Contender(
            "the same with CacheDataset: what is not random is done once and kept in memory",
            _THEIRS,
            bundle.cached,
        ),
    }
)


def main(name: str, file: str) -> None:
    """Answer until there is nothing more to read."""
    import torch

    torch.set_num_threads(1)
    serve(CONTENDERS[name], lambda: Job(**json.loads(Path(file).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
