"""A process that segments one case with nnU-Net, in nnU-Net's own Python.

Run by path, as ``python predicting.py nnunet JOB.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from brats3d.benchmarks.nnunet.plans import LABELS
from brats3d.benchmarks.serving import Contender, Ready, serve

_STEP = 0.5  # of a window, as the overlap of the others
_NAMES = {0: "background", LABELS["edema"]: "ED", LABELS["necrosis"]: "NCR", LABELS["enhancing"]: "ET"}


@dataclass(frozen=True)
class Job:
    """What is to be segmented, and with what.

    Attributes:
        model: Folder of a trained nnU-Net.
        fold: Its only fold.
        checkpoint: Name of the file with its weights.
        images: Files of the case, one for each channel.
        output: Folder for the result.
    """

    model: str
    fold: int
    checkpoint: str
    images: tuple[str, ...]
    output: str

    def save(self, file: Path) -> None:
        """Write everything as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Job:
        """Read what :meth:`save` wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


def _nnunet(job: Job) -> Ready:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=_STEP,
        use_gaussian=True,
        use_mirroring=False,
        perform_everything_on_device=True,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(job.model, (job.fold,), job.checkpoint)
    result = Path(job.output) / "prediction"

    def work() -> Path:
        # In this process: starting others costs more than they save on a single case.
        predictor.predict_from_files_sequential([list(job.images)], [str(result)], overwrite=True)
        return result.with_suffix(".nii.gz")

    return work, _voxels


def _voxels(path: Path) -> dict[str, dict[str, float]]:
    """Count the voxels of each class in a result."""
    import nibabel as nib
    import numpy as np

    counts = np.bincount(np.asanyarray(nib.load(path).dataobj).ravel(), minlength=len(_NAMES))
    return {"voxels": {name: int(counts[value]) for value, name in _NAMES.items()}}


CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "nnunet": Contender(
            "nnU-Net's predictor around the same weights: its reading, cropping and normalisation, sliding "
            "window with Gaussian weights (windows and overlap as brats3d's, no mirror images), its writing",
            ("nnunetv2", "torch", "nibabel"),
            _nnunet,
        )
    }
)


def main(name: str, file: str) -> None:
    """Answer until there is nothing more to read."""
    serve(CONTENDERS[name], lambda: Job.read(Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
