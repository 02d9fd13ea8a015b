"""From options to scripts, and into the queue."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brats3d.clusters.checks import check_job
from brats3d.clusters.script import ensemble_script, training_script
from brats3d.clusters.slurm import require_sbatch, sbatch
from brats3d.clusters.training import check_training, fold_count, run_of
from brats3d.clusters.words import training_words
from brats3d.config import SubmitConfig
from brats3d.errors import OutputError
from brats3d.files import write_text


@dataclass(frozen=True)
class Submission:
    """What was written and submitted.

    Attributes:
        scripts: The script that trains; with folds and an input for them, the one that averages them.
        jobs: Numbers of the jobs in the same order; none when nothing was submitted.
        command: Shell command that submits the scripts.
    """

    scripts: tuple[Path, ...]
    jobs: tuple[str, ...]
    command: str


def submit(config: SubmitConfig, options: Sequence[str] = ()) -> Submission:
    """Write the script of a training on a SLURM cluster; with ``go``, submit it.

    Args:
        config: The job.
        options: Options of ``fit`` as at the command line, ``--config`` included.

    Returns:
        The scripts and the jobs.

    Raises:
        ConfigError: A job or a training that cannot work, or SLURM refuses or is not there.
        Brats3dError: With ``split.sites``, data or a table that cannot be used.
        OutputError: A script exists or cannot be written.
    """
    check_job(config)
    words = training_words(config, options)
    training = check_training(config, [*words, "--name", str(config.name)])
    if config.go:
        require_sbatch()
    script = Path(config.output or f"{config.name}.sbatch").expanduser().absolute()
    folds = fold_count(training) if config.array else None
    runs = Path(training.folder)
    texts = {
        script: training_script(config, words, runs=runs, log_folder=script.parent, folds=folds),
    }
    if folds and config.predict_input is not None:
        texts[script.with_name(f"{script.stem}-predict{script.suffix}")] = ensemble_script(
            config,
            runs=[run_of(training, f"{config.name}-fold{fold}") for fold in range(folds)],
            output=Path(config.predict_output or f"predictions/{config.name}").expanduser().absolute(),
            log_folder=script.parent,
        )
    _write(texts, overwrite=config.overwrite)
    return Submission(tuple(texts), _submitted([*texts]) if config.go else (), _command([*texts]))


def _write(texts: dict[Path, str], *, overwrite: bool) -> None:
    for path in texts:
        if path.exists() and not overwrite:
            raise OutputError(
                "the script exists already",
                where=path,
                remedy="pass --overwrite, or choose another --output",
            )
    for path, text in texts.items():
        write_text(path, text)


def _submitted(scripts: Sequence[Path]) -> tuple[str, ...]:
    jobs: list[str] = []
    for script in scripts:
        jobs.append(sbatch(script, after=jobs[-1] if jobs else None))
    return tuple(jobs)


def _command(scripts: Sequence[Path]) -> str:
    first, *rest = (shlex.quote(str(script)) for script in scripts)
    if not rest:
        return f"sbatch {first}"
    dependency = f'--dependency="afterok:$(sbatch --parsable {first})" --kill-on-invalid-dep=yes'
    return f"sbatch {dependency} {rest[0]}"
