"""Train, validate, test the best checkpoint on the held-out split, write the run."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import FitConfig
from brats3d.data.discovery import Discovery
from brats3d.data.splits import Split
from brats3d.data.store import PreparedStore
from brats3d.errors import ConfigError, RunError
from brats3d.files import write_json
from brats3d.imaging import read_volume
from brats3d.inference.forward import Precision
from brats3d.labels import LabelConvention
from brats3d.metrics import RegionRow, evaluate_case, summarise, write_metrics_csv
from brats3d.workflows.preparation import prepare_cases, store_folder
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation
from brats3d.workflows.synthesize import synthesize

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitResult:
    """What a training gave.

    Attributes:
        run: Folder of the run.
        rows: Scores per held-out case and region.
        summary: Content of metrics.json.
    """

    run: Path
    rows: tuple[RegionRow, ...]
    summary: dict[str, Any]


def fit(config: FitConfig | None = None) -> FitResult:
    """Train a model and score its best checkpoint on held-out cases.

    Args:
        config: Configuration; None trains the quick start on phantoms.

    Returns:
        Run folder, scores per case and region, and their summary.

    Raises:
        Brats3dError: Anything the user can mend: data, labels, configuration, output folder.
    """
    started_at = time.monotonic()
    config = config or FitConfig()
    resumed = None
    if config.resume is not None:
        resumed = RunFolder.open(config.resume, folder=config.folder)
        config = resumed.config()
    found = _find_cases(config)
    by_id = {case.case_id: case for case in found.cases}
    split = assembly.split_cases(config.split, found.cases) if resumed is None else resumed.split()
    _check_split(split, by_id, resumed)
    convention = found.convention
    _quiet_libraries()

    import pytorch_lightning as pl

    pl.seed_everything(config.seed, verbose=False)
    machine = assembly.hardware(config.trainer.accelerator, config.trainer.precision)
    clock = assembly.build_clock(config, started_at)
    module = assembly.build_module(config, convention, machine.inference, clock)
    preprocessing = assembly.build_preprocessing(config)

    run = resumed or RunFolder.create(config, split=split, layout=found.layout, convention=convention)
    logger.info(
        "run %s: %d training, %d validation, %d test cases (layout %s, labels %s)",
        run.path,
        len(split.train),
        len(split.val),
        len(split.test),
        found.layout,
        convention.name,
    )
    store = PreparedStore(store_folder(config.data.store, config.folder))
    prepared = {
        entry.case_id: entry
        for entry in prepare_cases([by_id[name] for name in (*split.train, *split.val)], preprocessing, store)
    }
    data = assembly.build_training_data(
        config, [prepared[name] for name in split.train], [prepared[name] for name in split.val]
    )
    trainer = assembly.build_trainer(config, machine, clock, run.path)
    trainer.fit(module, datamodule=data, ckpt_path=run.checkpoint("last") if resumed else None)
    trained_s = clock.elapsed_s

    held_out = "test" if split.test else "val"
    names = split.test or split.val
    rows = _score(config, run, convention, [by_id[name] for name in names], module, machine.inference)
    summary = {
        **summarise(rows),
        "split": held_out,
        "checkpoint": run.checkpoint().name,
        "training_minutes": round(trained_s / 60, 2),
        "minutes": round((time.monotonic() - started_at) / 60, 2),
    }
    write_metrics_csv(run.metrics_csv, rows)
    write_json(run.metrics_json, summary)
    return FitResult(run.path, tuple(rows), summary)


def _find_cases(config: FitConfig) -> Discovery:
    """Cases of the data set, or phantoms (made on first use) when none is named."""
    if config.data.root is not None:
        found = assembly.discover_cases(config.data, Path(config.data.root))
    else:
        found = assembly.discover_cases(config.data, _phantoms(config))
    for note in found.notes:
        logger.info(note)
    modalities = assembly.modalities(config)
    for case in found.cases:
        case.require(modalities, label=True)
    return found


def _phantoms(config: FitConfig) -> Path:
    chosen = config.data.phantoms
    size = "x".join(map(str, chosen.size))
    root = Path(config.folder) / ".phantoms" / f"{chosen.cases}-{size}-seed{chosen.seed}"
    complete = root / ".complete"
    if not complete.exists():
        if root.exists():
            import shutil

            shutil.rmtree(root)  # left by an interrupted session
        logger.info("no data.root: making %d phantoms", chosen.cases)
        synthesize(root, cases=chosen.cases, size=chosen.size, seed=chosen.seed)
        complete.touch()
    return root


def _check_split(split: Split, cases: dict[str, Case], resumed: RunFolder | None) -> None:
    if not split.train:
        raise ConfigError(
            "no case is left for training",
            where="split",
            got=f"{len(split.val)} validation and {len(split.test)} test cases",
            remedy="lower split.val and split.test",
        )
    unknown = [name for name in (*split.train, *split.val, *split.test) if name not in cases]
    if unknown:
        raise RunError(
            "a case of the run is no longer in the data set",
            where=unknown[0],
            got=f"{len(unknown)} missing cases" + (f" of {resumed.path}" if resumed else ""),
            remedy="bring the data set back to what it was when the run began",
        )


def _score(
    config: FitConfig,
    run: RunFolder,
    convention: LabelConvention,
    cases: Sequence[Case],
    module: Any,
    precision: Precision,
) -> list[RegionRow]:
    """Score the best checkpoint on whole cases, on the grid of their files."""
    from brats3d.training.checkpoints import read_checkpoint

    checkpoint = read_checkpoint(run.checkpoint())
    module.load_state_dict(checkpoint["state_dict"])
    segmentation = CaseSegmentation(
        assembly.build_preprocessing(config),
        assembly.build_segmenter(config, module.network, module.head, precision),
        assembly.build_postprocessing(config, convention),
        convention,
    )
    rows: list[RegionRow] = []
    for case in cases:
        assert case.label is not None
        result = segmentation(case, case.convention)
        voxels, geometry = read_volume(case.label)
        reference = case.convention.check(voxels, case.label)
        rows += evaluate_case(
            case.convention.to_regions(result.labels),
            case.convention.to_regions(reference),
            spacing_mm=geometry.spacing_mm,
            regions=convention.region_names,
            case_id=case.case_id,
        )
        logger.info("scored %s", case.case_id)
    return rows


def _quiet_libraries() -> None:
    """Keep notices of libraries that say nothing to a user out of the output."""
    for name in ("pytorch_lightning", "lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
