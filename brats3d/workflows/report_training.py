"""What a run was trained on, with and how: the parts of its page that need no score."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brats3d import assembly
from brats3d.config import FitConfig, to_yaml
from brats3d.errors import DataError
from brats3d.reporting import Drawing, TrainingLog, draw_curves, read_training_log
from brats3d.reporting.page import Details, Fact, Part, place
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.training_curves import log_folder

logger = logging.getLogger(__name__)

_MOST_IDS = 2000
_MEBIBYTE = 1 << 20
_TIME = "%Y-%m-%d %H:%M"


def training_part(run: RunFolder, folder: Path) -> Part:
    """What was trained, and its curves.

    Args:
        run: The run.
        folder: Where the files of the figures go.

    Raises:
        RunError: The run is incomplete.
        OutputError: A file cannot be written.
    """
    config = run.config()
    log, curves = _curves(run)
    return Part(
        "training",
        "Training",
        text=() if log is not None else ("No epoch has been logged yet, so there are no curves.",),
        facts=[*_facts(run, config), *_machine(run), *_course(run, log)],
        pictures=[place(curves, folder)] if curves is not None else (),
        details=[
            Details("Cases of each part", terms=_ids(run)),
            Details("Versions and machine", terms=_environment(run)),
            Details("All settings", text=to_yaml(config)),
        ],
    )


def _curves(run: RunFolder) -> tuple[TrainingLog | None, Drawing | None]:
    try:
        log = read_training_log(log_folder(run.path))
        return log, draw_curves(log, f"Training of {run.path.name}")
    except DataError as error:
        logger.info("no curves: %s", error.what)
        return None, None


def _facts(run: RunFolder, config: FitConfig) -> list[Fact]:
    labels = read_record(run.path / "labels.json")
    patch = " x ".join(map(str, config.patch.size))
    model, optim, trainer = config.model, config.optim, config.trainer
    present = set(labels.get("values", {}).values())
    regions = {
        name: " + ".join(tissue for tissue in tissues if tissue in present)
        for name, tissues in labels.get("regions", {}).items()
    }
    split = run.split()
    values = ", ".join(f"{value} {tissue}" for value, tissue in labels.get("values", {}).items())
    segments = config.task != assembly.CLASSIFY
    return [
        ("Run", str(run.path)),
        ("Task", config.task),
        ("Cases", f"{len(split.train)} training, {len(split.val)} validation, {len(split.test)} test"),
        ("Data", config.data.root or f"{config.data.phantoms.cases} made-up phantoms"),
        ("Layout and labels", f"{labels.get('layout', '?')}; {labels.get('convention', '?')}: {values}"),
        ("Regions", "; ".join(f"{name} = {tissues}" for name, tissues in regions.items())),
        ("Modalities", ", ".join(config.data.modalities) if config.data.modalities else "as the layout has"),
        ("Network", f"{model.name}, {model.spatial_dims}-D, {model.head}{_params(model.params)}"),
        *([("Loss", f"{config.loss.name}{_params(config.loss.params)}")] if segments else []),
        ("Optimiser", f"{optim.name}, learning rate {optim.lr:g}, {optim.schedule}"),
        ("Averaged weights", "none" if optim.ema_decay is None else f"decay {optim.ema_decay:g} a step"),
        ("Patches", f"{patch} voxels, {config.patch.batch_size} a step, {config.patch.per_epoch} an epoch"),
        ("Epochs", _epochs(config)),
        ("Precision", trainer.precision),
        ("Seed", str(config.seed)),
        ("Checkpoints", _checkpoints(run) or "none yet"),
    ]


def _params(params: Mapping[str, Any]) -> str:
    return "".join(f", {name} {value}" for name, value in params.items())


def _epochs(config: FitConfig) -> str:
    limit = config.trainer.max_minutes
    return f"up to {config.trainer.max_epochs}" + (f", within {limit:g} minutes" if limit else "")


def _course(run: RunFolder, log: TrainingLog | None) -> list[Fact]:
    """How the training went."""
    scores = read_record(run.metrics_json)
    facts: list[Fact] = []
    if (minutes := scores.get("training_minutes")) is not None:
        facts.append(
            ("Trained for", f"{minutes:g} minutes, {scores.get('patches_per_second', 0):g} patches/s")
        )
    if log is not None:
        facts.append(("Epochs logged", f"{len(log.epochs)} (the last is epoch {log.epochs[-1]})"))
        if "val/dice" in log.values and (points := log.points("val/dice"))[0]:
            best = max(range(len(points[1])), key=points[1].__getitem__)
            facts.append(("Best validation", f"mean Dice {points[1][best]:.3f} in epoch {points[0][best]}"))
    if scores.get("checkpoint"):
        facts.append(("Scored", f"{scores['checkpoint']} on the {scores.get('split') or 'no'} cases"))
    return facts


def _ids(run: RunFolder) -> list[Fact]:
    split = run.split()
    parts = (("training", split.train), ("validation", split.val), ("test", split.test))
    return [
        (name, ", ".join(ids[:_MOST_IDS]) + (" …" if len(ids) > _MOST_IDS else "") or "none")
        for name, ids in parts
    ]


def _checkpoints(run: RunFolder) -> str:
    files = sorted(run.checkpoints.glob("*.ckpt"))
    sizes = [(file.name, file.stat()) for file in files]
    return "; ".join(
        f"{name} ({stat.st_size / _MEBIBYTE:.1f} MiB, {time.strftime(_TIME, time.localtime(stat.st_mtime))})"
        for name, stat in sizes
    )


def _machine(run: RunFolder) -> list[Fact]:
    """Hardware and versions in a line each."""
    record = read_record(run.path / "environment.json")
    if not record:
        return []
    cores = f"{record.get('cores', '?')} cores"
    hardware = [record.get("processor", "?"), cores, *record.get("gpus", [])]
    own = {name: record.get(name.lower()) for name in ("brats3d", "Python")}
    packages = {**own, **record.get("packages", {})}
    return [
        ("Begun", str(record.get("started", "?"))),
        ("Machine", ", ".join(map(str, hardware))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in packages.items())),
    ]


def _environment(run: RunFolder) -> list[Fact]:
    facts: list[Fact] = []
    for name, value in read_record(run.path / "environment.json").items():
        if isinstance(value, Mapping):
            facts += [(str(own), str(version)) for own, version in value.items()]
        else:
            facts.append(
                (name, ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value))
            )
    return facts


def rules_part(config: FitConfig, summary: Mapping[str, Any]) -> Part:
    """Rules of the postprocessing: those of the configuration, and those that the scores were made by."""
    rules = config.postprocess
    facts: list[Fact] = [
        ("Thresholds", _by_region(rules.thresholds, "") or "0.5 for every region"),
        ("Smallest component kept", _by_region(rules.min_component_ml, " ml") or "any"),
        ("ET becomes NCR below", f"{rules.et_to_ncr_below_ml:g} ml" if rules.et_to_ncr_below_ml else "never"),
        ("Random field", f"{rules.crf.iterations} iterations" if rules.crf.iterations else "off"),
        ("Windows overlap by", f"{config.inference.overlap:g} of their size"),
        ("Mirror images averaged", "yes" if config.inference.flips else "no"),
    ]
    scored = summary.get("postprocess")
    text = ["From probabilities to label maps; predict follows these rules."]
    if scored is not None and to_yaml({"postprocess": rules}) != to_yaml({"postprocess": scored}):
        text.append("The scores above were made by other rules, before these were chosen (metrics.json).")
    return Part("postprocessing", "Postprocessing", text=text, facts=facts)


def _by_region(values: Mapping[str, float], unit: str) -> str:
    return ", ".join(f"{region} {value:g}{unit}" for region, value in values.items())


def read_record(path: Path) -> dict[str, Any]:
    """Content of a JSON file of a run; nothing where there is none, or a torn one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        logger.debug("%s: %s", path, error)
        return {}
    return content if isinstance(content, dict) else {}
