"""What adaptation and fine-tuning gain on phantoms with another contrast than those of the training.

``python tests/workflows/domain_shift.py FOLDER [SEED ...]`` trains on 16 phantoms, inverts T1 and T2 of 20
others (`shifted`), and prints for each seed the mean Dice over ET, TC and WT of five held-out shifted
cases: of the run as it is; adapted to the other fifteen without labels; as a control, adapted in the same
way to these cases with their contrast unchanged; and fine-tuned on three of the fifteen with labels.
"""

from __future__ import annotations

import csv
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brats3d import assembly
from brats3d.config import AdaptConfig, load_config
from brats3d.data.phantom import write_phantoms
from brats3d.imaging import read_volume, write_image
from brats3d.metrics import RegionRow
from brats3d.workflows.adapt import adapt
from brats3d.workflows.fit import fit
from brats3d.workflows.held_out import score_cases
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.runs import RunFolder

SIZE = (32, 32, 32)
INVERTED = ("t1", "t2")
HELD_OUT = 5
LABELLED = 3


def write_sets(folder: Path) -> None:
    """Write the phantoms of the source, those of the target before the shift, and the target."""
    for name, cases, seed in (("source", 24, 11), ("unshifted", 20, 77)):
        if not (folder / name).exists():
            write_phantoms(folder / name, cases=cases, size=SIZE, seed=seed)
    if not (folder / "shifted").exists():
        write_shifted(folder / "unshifted", folder / "shifted")


def write_shifted(unshifted: Path, shifted: Path) -> None:
    """Copy a data set; in the brain, bright voxels of T1 and T2 become dark and dark ones bright."""
    shutil.copytree(unshifted, shifted)
    for path in sorted(shifted.rglob("*.nii.gz")):
        if path.name.removesuffix(".nii.gz").rsplit("_", 1)[1] not in INVERTED:
            continue
        voxels, geometry = read_volume(path)
        brain = voxels > 0
        top = np.quantile(voxels[brain], 0.995)
        inverted = np.clip(1.1 - voxels / top, 0.02, None) * top
        path.unlink()
        write_image(path, np.where(brain, inverted, 0).astype(np.float32), geometry, overwrite=False)


def source_run(folder: Path, seed: int) -> Path:
    """Train on the source, unless that has been done."""
    name = f"source{seed}"
    if not (folder / "runs" / name / "metrics.json").exists():
        settings = {
            "patch": {"size": SIZE, "batch_size": 4, "per_epoch": 64},
            "model": {"params": {"filters": [8, 16, 32]}},
            "split": {"val": 4, "test": 4},
            "trainer": {"max_epochs": 18, "check_val_every_n_epoch": 6, "accelerator": "cpu"},
        }
        chosen = {f"{part}__{key}": value for part, own in settings.items() for key, value in own.items()}
        chosen["report"] = False
        runs = str(folder / "runs")
        fit(load_config(None, name=name, folder=runs, seed=seed, data__root=str(folder / "source"), **chosen))
    return folder / "runs" / name


def adapted_run(folder: Path, source: Path, target: str, seed: int, steps: int = 60) -> Path:
    """Adapt a run to the data set ``target``."""
    return adapt(
        AdaptConfig(
            run=str(source),
            target=str(folder / target),
            name=f"{source.name}-{target}",
            folder=str(folder / "runs"),
            test=HELD_OUT,
            seed=seed,
            steps=steps,
            check_every_n_steps=20,
            batch_size=2,
            accelerator="cpu",
        )
    ).run


def fine_tuned_run(folder: Path, source: Path, adapted: Path, seed: int) -> Path:
    """Fine-tune a run on some of the cases that another one was adapted to, with their labels."""
    split = RunFolder(adapted).split()
    table = folder / f"few{seed}.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("case_id", "split"))
        rows.writerows((name, "train") for name in split.train[:LABELLED])
        rows.writerows((name, "test") for name in split.test)
    few = folder / f"few{seed}"
    for name in (*split.train[:LABELLED], *split.test):
        shutil.copytree(folder / "shifted" / name, few / name)
    config = load_config(
        None,
        name=f"{source.name}-tuned",
        folder=str(folder / "runs"),
        init=str(source),
        data__root=str(few),
        split__csv=str(table),
        trainer__max_epochs=3,
        trainer__accelerator="cpu",
        report=False,
    )
    return fit(config).run


def dice(rows: Sequence[RegionRow]) -> float:
    """Return the mean over cases and regions."""
    return statistics.fmean(row["dice"] for row in rows)


def dice_on_target(folder: Path, run: Path, names: Sequence[str]) -> float:
    """Score a run on cases of the shifted data set."""
    found = assembly.discover_cases(load_config().data, str(folder / "shifted"))
    cases = [case for case in found.cases if case.case_id in names]
    return dice(score_cases(load_segmentation([RunFolder(run)], accelerator="cpu"), cases).rows)


def gains(folder: Path, seed: int) -> dict[str, float]:
    """Mean Dice of the held-out target cases by what was done, for one seed."""
    write_sets(folder)
    source = source_run(folder, seed)
    adapted = adapted_run(folder, source, "shifted", seed)
    names = RunFolder(adapted).split().test
    runs = {
        "source": source,
        "adapted": adapted,
        "control": adapted_run(folder, source, "unshifted", seed),
        "fine-tuned": fine_tuned_run(folder, source, adapted, seed),
    }
    return {name: dice_on_target(folder, run, names) for name, run in runs.items()}


def main(folder: str, *seeds: str) -> None:
    """Print a line for each seed, then means and standard deviations."""
    found = [gains(Path(folder), int(seed)) for seed in seeds or ("0", "1", "2")]
    for name in found[0]:
        values = [own[name] for own in found]
        spread = f" (standard deviation {statistics.stdev(values):.3f})" if len(values) > 1 else ""
        listed = ", ".join(f"{value:.3f}" for value in values)
        print(f"{name:<12}{listed}: {statistics.fmean(values):.3f}{spread}")


if __name__ == "__main__":
    main(*sys.argv[1:])
