"""The gate of every export: the written bundle must say what ``predict`` says.

The bundle is run by MONAI's own ``monai.bundle.run`` in a process of its own that cannot import this
package, on a phantom whose files are named as in BraTS. With ``models/model.pt`` it must say what
``predict`` says, in the precision of the run; with ``models/model.ts`` what the same steps say in
float32 with PyTorch's own layers, of which TorchScript consists. ``models/model.pt`` is also compared on
a held-out case of the run; ``models/model.ts`` is not, since among the millions of voxels of a real case
some lie so close to a threshold that the last digit decides.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from torch import nn

from brats3d import assembly
from brats3d.bundles.own_case import held_out_case, stage
from brats3d.bundles.source import BundleSource
from brats3d.cases import Case
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import RunError
from brats3d.workflows.predict import load_segmentation
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation, SegmentedCase

TOLERANCE = 1e-4
"""Largest difference of a probability."""

_PHANTOM_SIZE = (64, 56, 48)
_SECONDS = 1800

_PROGRAM = """
import importlib.abc, json, os, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "brats3d":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
try:
    import brats3d
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("brats3d can be imported: this process proves nothing")
sys.path.insert(0, os.getcwd())  # as `python -m monai.bundle run` has it
from monai.bundle import run
for job in json.loads(sys.argv[1]):
    run(**job)
assert not [name for name in sys.modules if name.partition(".")[0] == "brats3d"]
"""


def check_parity(
    bundle: Path, run: RunFolder, source: BundleSource, plain: nn.Module, checkpoint: str
) -> None:
    """Run a written bundle on a phantom and a held-out case, and compare it with this package.

    Args:
        bundle: Folder of the bundle.
        run: The run it was made of.
        source: What it was made of.
        plain: Network with the weights of the run and PyTorch's own layers, on the CPU.
        checkpoint: Checkpoint the weights are of: best or last.

    Raises:
        RunError: The bundle does not run, its label maps differ, or a probability by more than
            :data:`TOLERANCE`.
    """
    with tempfile.TemporaryDirectory(prefix="brats3d-parity-") as folder:
        data, phantoms = Path(folder) / "data", Path(folder) / "data" / "phantoms"
        write_phantoms(phantoms, cases=1, size=_PHANTOM_SIZE, seed=0, with_labels=False)
        phantom = discover(phantoms).cases[0]
        own = held_out_case(run, source)
        cases = [phantom] if own is None else [phantom, stage(own, source, data / "own")]
        outputs = {name: Path(folder) / name for name in ("model.pt", "model.ts")}
        run_bundle(
            bundle,
            [
                job(bundle, data, outputs["model.pt"], ["inference.json"]),
                job(bundle, phantoms, outputs["model.ts"], ["inference.json", "torchscript.json"]),
            ],
        )
        as_predicted = load_segmentation([run], checkpoint=checkpoint, accelerator="cpu")
        compared = [("model.pt", as_predicted, case) for case in cases]
        compared.append(("model.ts", _in_float32(source, plain), phantom))
        for name, segmentation, case in compared:
            expected = segmentation(case, source.convention)
            _compare(outputs[name], case, expected, bundle / "models" / name)


def job(bundle: Path, data: Path, output: Path, configs: list[str], **overrides: Any) -> dict[str, Any]:
    """Arguments of ``monai.bundle.run`` for cases below ``data``, on the CPU."""
    return {
        "config_file": [str(bundle / "configs" / name) for name in configs],
        "meta_file": str(bundle / "configs" / "metadata.json"),
        "logging_file": str(bundle / "configs" / "logging.conf"),
        "bundle_root": str(bundle),
        "dataset_dir": str(data),
        "output_dir": str(output),
        "save_probabilities": True,
        "device": "$torch.device('cpu')",
        **overrides,
    }


def run_bundle(bundle: Path, jobs: list[dict[str, Any]]) -> None:
    """Run a bundle in a process that cannot import this package.

    Raises:
        RunError: It fails; the message says why.
    """
    # -I: no variable of the environment and no folder of the user's reaches the process.
    words = [sys.executable, "-I", "-B", "-c", _PROGRAM, json.dumps(jobs)]
    try:
        done = subprocess.run(
            words, cwd=bundle, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        said, failed = done.stderr.strip(), done.returncode != 0
    except subprocess.TimeoutExpired:
        said, failed = f"no end after {_SECONDS} s", True
    if failed:
        raise RunError(
            "the exported bundle does not run",
            where=bundle,
            got=_reason(said),
            expected="a bundle that runs with MONAI and PyTorch alone",
            remedy="report this as a defect of brats3d, with the config.yaml of the run",
        )


def _reason(said: str) -> str:
    """The error that was at the bottom of it: MONAI raises its own from it, whose message quotes code."""
    errors = [line for line in said.splitlines() if re.match(r"[\w.]*(Error|Exception|Exit)\b", line)]
    return (errors or said.splitlines() or ["no message"])[0][:400]


def _in_float32(source: BundleSource, network: nn.Module) -> CaseSegmentation:
    head = assembly.build_head(source.config, source.convention)
    return CaseSegmentation(
        assembly.build_preprocessing(source.config),
        assembly.build_segmenter(source.config, network, head, "fp32"),
        assembly.build_postprocessing(source.config, source.convention),
        source.convention,
    )


def _compare(output: Path, case: Case, expected: SegmentedCase, model: Path) -> None:
    labels = _read(output / f"{case.case_id}.nii.gz")
    probabilities = np.moveaxis(_read(output / f"{case.case_id}_probabilities.nii.gz"), -1, 0)
    affine = nib.load(output / f"{case.case_id}.nii.gz").affine
    differing = int((labels != expected.labels).sum()) if labels.shape == expected.labels.shape else -1
    largest = float(np.abs(probabilities - expected.probabilities).max())
    if differing or not largest <= TOLERANCE or not np.allclose(affine, expected.geometry.affine, atol=1e-3):
        raise RunError(
            "the exported bundle gives another answer than predict",
            where=model,
            got=f"{differing} voxels with another label, probabilities up to {largest:.2g} apart",
            expected=f"equal label maps on one grid, probabilities within {TOLERANCE:g}",
            remedy="report this as a defect of brats3d, with the config.yaml of the run",
        )


def _read(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)
