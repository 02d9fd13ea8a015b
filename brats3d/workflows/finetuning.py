"""Fine-tuning: a training that starts from the weights of a run, on other data."""

from __future__ import annotations

import filecmp
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import FitConfig, initialised
from brats3d.data.splits import Split
from brats3d.errors import Brats3dError, ConfigError
from brats3d.labels import LabelConvention
from brats3d.metrics import RegionRow, describe, lay_out, summarise
from brats3d.workflows.loading import load_weights
from brats3d.workflows.phantom_sets import phantom_folder
from brats3d.workflows.runs import RunFolder

logger = logging.getLogger(__name__)
_PRINTED = {"dice": ("Dice", 3), "hd95_mm": ("HD95 (mm)", 1)}
_SHOWN = 8


def opened(config: FitConfig) -> tuple[RunFolder | None, FitConfig]:
    """Return the run that a new training starts from, and the configuration with what that run decides.

    Raises:
        RunError: There is no such run.
        ConfigError: A setting that the weights do not fit, or an encoder frozen in its fresh weights.
    """
    if config.init is None:
        if config.init_frozen:
            raise ConfigError(
                "an encoder with fresh weights has nothing to keep",
                where="init_frozen",
                got=True,
                remedy="say with --init RUN whose weights the training starts from",
            )
        return None, config
    if config.task != "segment":
        raise ConfigError(
            "only networks that segment start from the weights of a run",
            where="init",
            got=f"task {config.task}",
            remedy="leave out --init",
        )
    initial = RunFolder.open(config.init, folder=config.folder)
    return initial, replace(initialised(config, initial.config()), init=str(initial.path.resolve()))


def start(module: Any, initial: RunFolder, convention: LabelConvention) -> None:
    """Give a training the weights of the best checkpoint of a run.

    Raises:
        ConfigError: The data set has other regions than the run.
        RunError: The run is incomplete.
    """
    own = initial.convention()
    if own.regions != convention.regions:
        raise ConfigError(
            "the regions of the data set are not those of the run",
            where="data.convention",
            got=", ".join(convention.region_names),
            expected=f"{', '.join(own.region_names)} of the same tissues, as in {initial.path}",
            remedy="say with data.labels which value is which tissue, and with data.regions the regions",
        )
    checkpoint = initial.checkpoint()
    load_weights(module.network, checkpoint)
    logger.info("starts from the weights of %s; learning rate %g", checkpoint, module.optimisation.lr)


def keep_initial(module: Any, run: RunFolder) -> None:
    """Write what the training starts from into its run, which then can do without the other one."""
    from brats3d.training.checkpoints import AtomicCheckpointIO

    AtomicCheckpointIO().save_checkpoint({"state_dict": module.state_dict()}, run.initial)


def check_unseen(initial: RunFolder, split: Split, cases: Sequence[Case]) -> None:
    """Check that no held-out case had a part in the training of the run that weights come from.

    Cases of one name are the same if they come from the same data set, or if their files are equal. Where
    the files of the run are gone, that cannot be told, and the cases are named in a warning.

    Raises:
        ConfigError: A case is held out now that the run was trained or chosen with.
    """
    earlier = initial.split()
    seen = {*earlier.train, *earlier.val}
    held_out = split.test or split.val
    namesakes = [case for case in cases if case.case_id in seen and case.case_id in held_out]
    if not namesakes:
        return
    known = _cases_of(initial.config())
    leaked = [case.case_id for case in namesakes if known and _same(case, known.get(case.case_id))]
    if leaked:
        raise ConfigError(
            "held-out cases had a part in the training that the weights come from",
            where="split",
            got=_shown(leaked),
            expected=f"cases that {initial.path} was neither trained nor chosen with",
            remedy="split the data so that these train, with --split.csv FILE or another --split.seed",
        )
    if known is None:
        logger.warning(
            "held-out cases of the same names were in the training of %s, whose data are gone: "
            "%s; if they are the same, the scores are too high",
            initial.path,
            _shown([case.case_id for case in namesakes]),
        )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _cases_of(kept: FitConfig) -> Mapping[str, Case] | None:
    """Cases of the data set of a run by name, or None where it is not to be had."""
    root = kept.data.root or phantom_folder(kept)
    try:
        cases = assembly.discover_cases(kept.data, root).cases
    except (Brats3dError, OSError) as error:
        logger.debug("the data of the run are not to be had: %s", error)
        return None
    return {case.case_id: case for case in cases}


def _same(case: Case, other: Case | None) -> bool:
    """Whether the images of two cases are the same files, or files with the same content."""
    if other is None:
        return False
    shared = [name for name in case.images if name in other.images]
    return bool(shared) and all(_equal(case.images[name], other.images[name]) for name in shared)


def _equal(one: Path, other: Path) -> bool:
    if one == other:
        return True
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def change(before: Sequence[RegionRow], after: Sequence[RegionRow]) -> dict[str, Any]:
    """Sum up the scores of the same cases before and after, as JSON content."""
    return {
        name: {part: content[part] for part in ("cases", "regions", "mean")}
        for name, content in (("before", summarise(before)), ("after", summarise(after)))
    }


def format_change(before: Sequence[RegionRow], after: Sequence[RegionRow]) -> str:
    """Lay out the means before and after, and the mean difference of cases, as plain text."""
    lines = []
    for region in dict.fromkeys(row.region for row in after):
        pairs = {row.case_id: [row] for row in before if row.region == region}
        for row in after:
            if row.region == region:
                pairs[row.case_id].append(row)
        for name, (title, places) in _PRINTED.items():
            if any(name not in row.scores for pair in pairs.values() for row in pair):
                continue
            means = [describe([pair[side][name] for pair in pairs.values()]).mean for side in (0, 1)]
            gain = describe([pair[1][name] - pair[0][name] for pair in pairs.values()])
            cells = (f"{mean:.{places}f}" for mean in means)
            first = region if title == _PRINTED["dice"][0] else ""
            interval = f"{gain.mean:+.{places}f} [{gain.ci95_low:+.{places}f}, {gain.ci95_high:+.{places}f}]"
            lines.append((first, title, str(gain.n), *cells, interval))
    return lay_out(("Region", "Metric", "n", "before", "after", "difference [95 % interval]"), lines, left=2)
