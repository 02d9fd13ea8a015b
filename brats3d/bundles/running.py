"""Bundles run by MONAI itself, in a process that cannot import this package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from brats3d.errors import RunError

_SECONDS = 3600

GUARD = """
import importlib.abc, os, sys

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
sys.path.insert(0, os.getcwd())  # as `python -m monai.bundle` has it
"""
"""Beginning of a program that cannot import this package and has the current folder's modules."""

_PROGRAM = f"""{GUARD}
import json
import torch
from monai.bundle import run
torch.set_num_threads(int(sys.argv[2]))
for job in json.loads(sys.argv[1]):
    run(**job)
assert not [name for name in sys.modules if name.partition(".")[0] == "brats3d"]
"""


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
    # As many threads as here: in bfloat16 the last digits of a sum depend on how it is shared out.
    words = [sys.executable, "-I", "-B", "-c", _PROGRAM, json.dumps(jobs), str(torch.get_num_threads())]
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
