"""Handing scripts to SLURM."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from brats3d.errors import ConfigError


def require_sbatch() -> None:
    """Check that there is a SLURM to submit to.

    Raises:
        ConfigError: There is no ``sbatch``.
    """
    if shutil.which("sbatch") is None:
        raise ConfigError(
            "no SLURM on this machine",
            where="go",
            got="no program `sbatch` on the PATH",
            remedy="run it on a login node of the cluster, or leave --go out and submit the script there",
        )


def sbatch(script: Path, *, after: str | None = None) -> str:
    """Submit a script.

    Args:
        script: The script.
        after: Job, or job array, that must end well first; when it does not, this one is cancelled.

    Returns:
        Number of the job.

    Raises:
        ConfigError: SLURM refused it; the message is SLURM's.
    """
    depends = [] if after is None else [f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes"]
    done = subprocess.run(
        ["sbatch", "--parsable", *depends, str(script)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ConfigError(
            "SLURM does not take the job",
            where=script,
            got=" ".join(done.stderr.split())[:400],
            remedy="change the options (or the script, and submit it with sbatch)",
        )
    return done.stdout.strip().partition(";")[0]
