"""Batch scripts of SLURM: a head of resources, then bash."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from brats3d.config import SubmitConfig
from brats3d.errors import ConfigError
from brats3d.places import absolute

SECONDS_OF_WARNING = 90
"""Time before the limit of a job at which its training is asked to keep its state and end."""

_TRAINS = """\
# Written by brats3d submit. Trains, and goes on where the start before it ended. Before its time is up, or
# when it is preempted, it keeps its state and goes back into the queue; if it cannot, it fails with 75.
"""
_PREDICTS = "# Written by brats3d submit. Predicts with the average of the runs of all folds.\n"

# A task that fails ends the others at once, which must not meet one that is still writing. So tasks
# that were interrupted say so in a file, and end well.
_TASK = """\
# What each process runs. One that is interrupted (75: its state is kept; 138: SIGUSR1 came before or after
# the training) notes so and ends well, since any other end would have srun kill its fellows.
task='
  trap : USR1 TERM
  "$@"
  code=$?
  case $code in 75 | 138) : > "$0" && exit 0 ;; esac
  exit $code'
"""

_CONTINUED = """\
if [ -f "$run/checkpoints/last.ckpt" ] || [ -f "$run/checkpoints/previous.ckpt" ]; then
  # As it began, whatever has become of files that the options name.
  start=(--resume "$run")
else
  start=("${training[@]}" --name "$name")
  # A start that was killed before its first checkpoint leaves a run that is begun anew.
  if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
    start+=(--resume auto)
  fi
fi
"""

_AGAIN = """\
# A start that was preempted leaves label maps of some cases.
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
  options+=(--overwrite true)
fi
"""

_ENDED = """\
code=$?
if [ "$code" -eq 0 ] && [ -e "$interrupted" ]; then
  rm -f -- "$interrupted"
  echo "interrupted, its state is kept: the job goes back into the queue"
  scontrol requeue "$SLURM_JOB_ID"
  exit 75
fi
exit "$code"
"""

# A process that has trained its part ends while the first still scores; --wait=0 lets it.
_SRUN = 'srun --kill-on-bad-exit=1 --wait=0 --cpus-per-task="$SLURM_CPUS_PER_TASK"'


def training_script(
    config: SubmitConfig, words: Sequence[str], *, runs: Path, log_folder: Path, folds: int | None
) -> str:
    """Script that trains, or continues where the start before it ended.

    Args:
        config: The job.
        words: Complete options of ``fit``, without the name of the run.
        runs: Absolute folder that holds the runs.
        log_folder: Absolute folder for what the job prints.
        folds: Number of folds of a job array; None for one training.

    Returns:
        Text of the script.

    Raises:
        ConfigError: A path with a line break.
    """
    name = str(config.name)
    head = [*_head(config, name, log_folder, numbers="%A_%a" if folds else "%j")]
    head += [f"array=0-{folds - 1}"] if folds else []
    head += ["requeue", f"signal=USR1@{SECONDS_OF_WARNING}"]
    fold = "SLURM_ARRAY_TASK_ID"
    lines = [
        f"name={shlex.quote(name)}" + (f"-fold${fold}" if folds else ""),
        f'run={shlex.quote(str(runs))}/"$name"',
        'interrupted="$run.interrupted"',
        f"training=(\n{_per_line(words)})",
        *([f'training+=(--split.fold "${fold}")'] if folds else []),
        _CONTINUED,
        _TASK,
        f"mkdir -p -- {shlex.quote(str(runs))}",
        'rm -f -- "$interrupted"',
        f'{_SRUN} \\\n  bash -c "$task" "$interrupted" \\\n  "$python" -m brats3d.fit "${{start[@]}}"',
        _ENDED,
    ]
    return _script(config, head, lines, about=_TRAINS)


def ensemble_script(config: SubmitConfig, *, runs: Sequence[Path], output: Path, log_folder: Path) -> str:
    """Script that averages the runs of all folds on new cases; the processes share the cases.

    Args:
        config: The job, with ``predict_input``.
        runs: Absolute folders of the runs.
        output: Absolute folder for the label maps.
        log_folder: Absolute folder for what the job prints.

    Returns:
        Text of the script.

    Raises:
        ConfigError: A path with a line break.
    """
    assert config.predict_input is not None
    words = ["--run", *map(str, runs), "--input", absolute(config.predict_input)]
    words += ["--output", str(output), "--accelerator", "gpu" if config.gpus_per_node else "cpu"]
    head = _head(config, f"{config.name}-predict", log_folder, numbers="%j")
    lines = [
        f"options=(\n{_per_line(words)})",
        _AGAIN,
        f'{_SRUN} \\\n  "$python" -m brats3d.predict "${{options[@]}}"\n',
    ]
    return _script(config, [*head, "requeue"], lines, about=_PREDICTS)


def _head(config: SubmitConfig, name: str, log_folder: Path, *, numbers: str) -> list[str]:
    processes = max(1, config.gpus_per_node)
    chosen = {
        "partition": config.partition,
        "account": config.account,
        "time": config.time,
        "mem": config.mem,
    }
    return [
        f"job-name={shlex.quote(name)}",
        f"nodes={config.nodes}",
        f"ntasks-per-node={processes}",
        *([f"gpus-per-node={config.gpus_per_node}"] if config.gpus_per_node else []),
        f"cpus-per-task={config.cpus_per_gpu}",
        *(f"{key}={shlex.quote(value)}" for key, value in chosen.items() if value is not None),
        f"chdir={shlex.quote(str(Path.cwd()))}",
        f"output={shlex.quote(str(log_folder).replace('%', '%%') + f'/%x-{numbers}.log')}",
        "open-mode=append",
    ]


def _script(config: SubmitConfig, head: Sequence[str], lines: Sequence[str], *, about: str) -> str:
    for option in head:
        if "\n" in option or "\r" in option:
            raise ConfigError(
                "a batch script has one line for each option",
                where=option.partition("=")[0],
                got=repr(option.partition("=")[2]),
                expected="a path without line breaks",
                remedy="choose another folder",
            )
    python = "python" if config.environment else shlex.quote(sys.executable)
    preparing = [config.environment.strip() + "\n"] if config.environment else []
    parts = [
        "#!/bin/bash\n" + about + "".join(f"#SBATCH --{option}\n" for option in head),
        *preparing,
        f'python={python}\nexport OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"\n',
        *lines,
    ]
    return "\n".join(parts)


def _per_line(words: Sequence[str]) -> str:
    """One option with its values per line, quoted for bash."""
    lines: list[list[str]] = []
    for word in words:
        if word.startswith("--") or not lines:
            lines.append([])
        lines[-1].append(shlex.quote(word))
    return "".join(f"  {' '.join(line)}\n" for line in lines)
