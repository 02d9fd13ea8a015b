"""Label maps of cases, from runs or from whatever else segments a case."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brats3d import assembly
from brats3d.cases import MODALITY_ALIASES, Case, modality_named
from brats3d.config import DataConfig, PredictConfig
from brats3d.errors import ConfigError, OutputError
from brats3d.imaging import write_image, write_label_map
from brats3d.labels import LabelConvention, convention_named
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.pipeline import run_overlapping
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation, Segmentation, SegmentedCase

logger = logging.getLogger(__name__)


def predict(config: PredictConfig) -> list[Path]:
    """Segment cases with one run, or with several whose probabilities are averaged.

    Args:
        config: Runs, input and output; ``input`` is a case folder or a data set, labelled or not.

    Returns:
        The label maps, in the order of the cases.

    Raises:
        Brats3dError: Anything the user can mend: runs, data, output folder.
    """
    if not config.run:
        raise ConfigError(
            "no run to predict with",
            where="run",
            remedy="name a run folder (--run runs/NAME), or a bundle (--bundle DIR)",
        )
    segmentation = load_segmentation(
        [RunFolder.open(path) for path in config.run],
        checkpoint=config.checkpoint,
        accelerator=config.accelerator,
        flips=config.flips,
        overlap=config.overlap,
    )
    return predict_cases(config, segmentation)


def predict_cases(config: PredictConfig, segmentation: Segmentation) -> list[Path]:
    """Write a label map for each case, on the grid and in the convention of its data set.

    Args:
        config: Input and output.
        segmentation: What segments a case.

    Returns:
        The label maps, in the order of the cases.

    Raises:
        Brats3dError: Anything the user can mend: data, output folder.
    """
    cases = _cases(config, segmentation.convention)
    for case in cases:
        case.require(segmentation.modalities)
    targets = [Path(config.output) / f"{case.case_id}.nii.gz" for case in cases]
    _check_targets([path for target in targets for path in _files(target, config)], config.overwrite)
    jobs = [
        _Job(case, _output_convention(config, case, segmentation.convention), target)
        for case, target in zip(cases, targets, strict=True)
    ]
    if isinstance(segmentation, CaseSegmentation):
        run_overlapping(
            jobs,
            read=lambda job: segmentation.prepare(job.case),
            compute=segmentation.predict,
            write=lambda job, predicted: _write(
                segmentation.finish(predicted, job.convention), job.target, config
            ),
            what="predicting",
        )
    else:
        run_overlapping(
            jobs,
            read=lambda job: job,
            compute=lambda job: segmentation(job.case, job.convention),
            write=lambda job, result: _write(result, job.target, config),
            what="predicting",
        )
    return targets


@dataclass(frozen=True)
class _Job:
    """A case, the label values it gets, and the file they are written to."""

    case: Case
    convention: LabelConvention
    target: Path


def _cases(config: PredictConfig, trained: LabelConvention) -> list[Case]:
    if config.files and config.input is not None:
        raise ConfigError(
            "a folder and single files exclude each other",
            where="input, files",
            got=config.input,
            remedy="leave out --input or --files",
        )
    if config.files:
        return [_case_of_files(config.files, trained)]
    if config.input is None:
        raise ConfigError(
            "nothing to predict",
            where="input",
            remedy="name a case folder or a data set (--input DIR), or single files (--files.t1 FILE ...)",
        )
    data = DataConfig(layout=config.layout, pattern=config.pattern, convention=config.convention)
    # A naming of the user's own says nothing about labels: the training data's are the best guess.
    guess = trained if config.pattern and config.convention == "auto" else None
    found = assembly.discover_cases(data, Path(config.input), convention=guess)
    for note in found.notes:
        logger.info(note)
    return list(found.cases)


def _case_of_files(files: Mapping[str, str], trained: LabelConvention) -> Case:
    images = {modality_named(name, "files"): Path(path) for name, path in files.items()}
    name = next(iter(images.values())).name
    stem = name.removesuffix(".gz").removesuffix(".nii")
    endings = [joint + alias for joint in "_-" for alias in MODALITY_ALIASES]
    ending = next((ending for ending in endings if stem.lower().endswith(ending)), "")
    stem = stem[: len(stem) - len(ending)] or name
    return Case(stem, stem, images, trained)


def _output_convention(config: PredictConfig, case: Case, trained: LabelConvention) -> LabelConvention:
    """Values of the data set, with the regions the model knows.

    A data set whose labels say nothing about these regions (single files, a model of other
    regions) gets the values of the training data.
    """
    if config.convention != "auto":
        wanted = convention_named(config.convention, "convention")
    elif case.convention.regions == trained.regions:
        wanted = case.convention
    else:
        wanted = trained
    return replace(wanted, regions=trained.regions)


def _files(target: Path, config: PredictConfig) -> list[Path]:
    """The label map of a case, and its probabilities where they are asked for."""
    stem = target.name.removesuffix(".nii.gz")
    return [target, *([target.with_name(f"{stem}_probabilities.nii.gz")] if config.probabilities else [])]


def _check_targets(targets: Sequence[Path], overwrite: bool) -> None:
    """Fail before the work, not after it."""
    present = [path for path in targets if path.exists()]
    if present and not overwrite:
        raise OutputError(
            f"{len(present)} of {len(targets)} predictions exist already",
            where=present[0],
            remedy="pass --overwrite, or choose another --output",
        )


def _write(result: SegmentedCase, target: Path, config: PredictConfig) -> None:
    # The label map last: where it is, the case is done.
    _, *probabilities = _files(target, config)
    for path in probabilities:
        voxels = np.moveaxis(result.probabilities, 0, -1)
        write_image(path, voxels, result.geometry, overwrite=config.overwrite)
    write_label_map(target, result.labels, result.geometry, overwrite=config.overwrite)
