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
from brats3d.errors import ConfigError
from brats3d.files import write_json
from brats3d.imaging import (
    PIXEL,
    is_single_plane,
    volume_name,
    write_image,
    write_label_map,
    write_mask_picture,
)
from brats3d.labels import LabelConvention, convention_named
from brats3d.workflows.classical import classical_segmentation
from brats3d.workflows.devices import placed, predict_in_processes, process_count
from brats3d.workflows.gating import GatedSegmentation, behind_gate, record_path
from brats3d.workflows.label_maps import PICTURE_ENDING, PROBABILITIES_ENDING, check_targets
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.pipeline import run_overlapping
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation, PredictedCase, Segmentation, SegmentedCase
from brats3d.workflows.sharing import launched_share

logger = logging.getLogger(__name__)


def predict(config: PredictConfig) -> list[Path]:
    """Segment cases with one run, with several whose probabilities are averaged, or without training.

    Args:
        config: Runs or a recipe, input and output; ``input`` is a case folder or a data set, labelled or not.

    Returns:
        The label maps, see :func:`predict_cases`.

    Raises:
        Brats3dError: Anything the user can mend: runs, data, output folder.
    """
    if config.gate is not None and not config.run:
        raise ConfigError("a gate stands before runs", where="gate", remedy="name a run as well: --run RUN")
    if config.classical is not None:
        with placed(config):
            return predict_cases(config, classical_segmentation(config))
    if not config.run:
        raise ConfigError(
            "no run to predict with",
            where="run",
            remedy="name a run folder (--run runs/NAME), a bundle (--bundle DIR), or a recipe that needs no "
            "training (--classical fuzzy_kmeans.yaml)",
        )
    with placed(config) as here:
        runs = [RunFolder.open(path) for path in config.run]
        segmentation = load_segmentation(
            runs,
            weights=config.weights,
            checkpoint=config.checkpoint,
            accelerator=here.accelerator,
            flips=config.flips,
            overlap=config.overlap,
        )
        if config.gate is not None:
            segmentation = behind_gate(config.gate, segmentation, runs, accelerator=here.accelerator)
        return predict_cases(config, segmentation)


def predict_cases(config: PredictConfig, segmentation: Segmentation) -> list[Path]:
    """Write a label map for each case, on the grid and in the convention of its data set.

    Of several processes that a launcher has started (torchrun, srun) each predicts its share of the
    cases. With ``devices`` above 1 this process starts as many, checks everything beforehand, and
    waits for them; the segmentation is then not used for more. When one fails, its error is raised,
    the others are ended, and the cases they have written stay.

    Args:
        config: Input and output.
        segmentation: What segments a case; loaded inside :func:`~brats3d.workflows.devices.placed`.

    Returns:
        The label maps, in the order of the cases; with a launcher those of this process's share.

    Raises:
        Brats3dError: Anything the user can mend: data, output folder.
    """
    share, leads = launched_share(), process_count(config) > 1
    found, notes = _cases(config, segmentation.convention)
    for note in () if leads or (share is not None and share.rank > 0) else notes:
        logger.info(note)
    for case in found:
        case.require(segmentation.modalities)
    # Files of other shares may be there already because another process was fast.
    cases = found if share is None else share.of(found)
    targets = [Path(config.output) / f"{case.case_id}.nii.gz" for case in cases]
    written = [path for target in targets for path in _files(target, config)]
    written += [
        target.with_name(f"{case.case_id}{PICTURE_ENDING}")
        for case, target in zip(cases, targets, strict=True)
        if is_single_plane(next(iter(case.images.values())))
    ]
    if isinstance(segmentation, GatedSegmentation):
        written += [record_path(target) for target in targets]
    check_targets(written, config.overwrite)
    jobs = [
        _Job(case, output_convention(config.convention, case, segmentation.convention), target)
        for case, target in zip(cases, targets, strict=True)
    ]
    if leads:
        predict_in_processes(config, targets)
    elif isinstance(segmentation, CaseSegmentation):
        run_overlapping(
            jobs,
            read=lambda job: segmentation.prepare(job.case),
            compute=segmentation.predict,
            write=lambda job, predicted: _finish(segmentation, predicted, job, config),
            what="predicting",
        )
    else:
        run_overlapping(
            jobs,
            read=lambda job: job,
            compute=lambda job: _segmented(segmentation, job),
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


def _finish(
    segmentation: CaseSegmentation, predicted: PredictedCase, job: _Job, config: PredictConfig
) -> None:
    if isinstance(segmentation, GatedSegmentation):
        write_json(record_path(job.target), segmentation.records[predicted.case_id])
    _write(segmentation.finish(predicted, job.convention), job.target, config)


def _segmented(segmentation: Segmentation, job: _Job) -> SegmentedCase:
    with job.case.here():
        return segmentation(job.case, job.convention)


def _cases(config: PredictConfig, trained: LabelConvention) -> tuple[Sequence[Case], Sequence[str]]:
    """Cases, and what is worth saying of how they were found."""
    if config.files and config.input is not None:
        raise ConfigError(
            "a folder and single files exclude each other",
            where="input, files",
            got=config.input,
            remedy="leave out --input or --files",
        )
    if config.files:
        return [_case_of_files(config.files, trained)], ()
    if config.input is None:
        raise ConfigError(
            "nothing to predict",
            where="input",
            remedy="name a case folder or a data set (--input DIR), or single files (--files.t1 FILE ...)",
        )
    data = DataConfig(
        layout=config.layout,
        pattern=config.pattern,
        convention=config.convention,
        cache=config.cache,
        cache_gib=config.cache_gib,
    )
    # A naming of the user's own says nothing about labels: the training data's are the best guess.
    guess = trained if config.pattern and config.convention == "auto" else None
    found = assembly.discover_cases(data, config.input, convention=guess)
    if not found.convention_known and config.convention == "auto":
        return [replace(case, convention=trained) for case in found.cases], found.notes
    return found.cases, found.notes


def _case_of_files(files: Mapping[str, str], trained: LabelConvention) -> Case:
    images = {modality_named(name, "files"): Path(path) for name, path in files.items()}
    first = next(iter(images.values()))
    in_case_folder = first.is_dir() and first.name.lower() in MODALITY_ALIASES
    name = first.absolute().parent.name if in_case_folder else volume_name(first)
    stem = name.removesuffix(".gz").removesuffix(".nii")
    endings = [joint + alias for joint in "_-" for alias in MODALITY_ALIASES]
    ending = next((ending for ending in endings if stem.lower().endswith(ending)), "")
    stem = stem[: len(stem) - len(ending)] or name
    return Case(stem, stem, images, trained)


def output_convention(named: str, case: Case, trained: LabelConvention) -> LabelConvention:
    """Values of the data set, with the regions the model knows.

    A data set whose labels say nothing about these regions (single files, a model of other
    regions) gets the values of the training data.

    Args:
        named: A convention by name, or ``auto``.
        case: Has the convention of its data set.
        trained: Convention of the model.

    Raises:
        ConfigError: Unknown name.
    """
    if named != "auto":
        wanted = convention_named(named, "convention")
    elif case.convention.regions == trained.regions:
        wanted = case.convention
    else:
        wanted = trained
    return replace(wanted, regions=trained.regions)


def _files(target: Path, config: PredictConfig) -> list[Path]:
    """The label map of a case, and its probabilities where they are asked for."""
    stem = target.name.removesuffix(".nii.gz")
    return [target, *([target.with_name(stem + PROBABILITIES_ENDING)] if config.probabilities else [])]


def _write(result: SegmentedCase, target: Path, config: PredictConfig) -> None:
    # The label map last: where it is, the case is done.
    _, *probabilities = _files(target, config)
    for path in probabilities:
        voxels = np.moveaxis(result.probabilities, 0, -1)
        write_image(path, voxels, result.geometry, overwrite=config.overwrite)
    if result.geometry.unit == PIXEL and result.geometry.shape[2] == 1:
        picture = target.with_name(target.name.removesuffix(".nii.gz") + PICTURE_ENDING)
        write_mask_picture(picture, result.labels[..., 0] > 0, overwrite=config.overwrite)
    write_label_map(target, result.labels, result.geometry, overwrite=config.overwrite)
