"""Label maps from one run, or from several whose probabilities are averaged."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brats3d import assembly
from brats3d.cases import MODALITY_ALIASES, Case, modality_named
from brats3d.config import DataConfig, PredictConfig
from brats3d.errors import ConfigError, OutputError, RunError
from brats3d.imaging import write_image, write_label_map
from brats3d.inference.ensemble import EnsembleSegmenter
from brats3d.inference.segmenter import Segmenter
from brats3d.labels import LabelConvention, convention_named
from brats3d.workflows.messages import progress_over
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation, SegmentedCase

logger = logging.getLogger(__name__)


def predict(config: PredictConfig) -> list[Path]:
    """Segment cases and write a label map for each, on the grid and in the convention of its data set.

    Args:
        config: Runs, input and output; ``input`` is a case folder or a data set, labelled or not.

    Returns:
        The label maps, in the order of the cases.

    Raises:
        Brats3dError: Anything the user can mend: runs, data, output folder.
    """
    if not config.run:
        raise ConfigError("no run to predict with", where="run", remedy="name a run folder: --run runs/NAME")
    runs = [RunFolder.open(path) for path in config.run]
    segmentation = load_segmentation(
        runs,
        checkpoint=config.checkpoint,
        accelerator=config.accelerator,
        flips=config.flips,
        overlap=config.overlap,
    )
    cases = _cases(config, segmentation.convention)
    for case in cases:
        case.require(segmentation.preprocessing.modalities)
    targets = [Path(config.output) / f"{case.case_id}.nii.gz" for case in cases]
    _check_targets([path for target in targets for path in _files(target, config)], config.overwrite)
    for case, target in zip(progress_over(cases, "predicting"), targets, strict=True):
        result = segmentation(case, _output_convention(config, case, segmentation.convention))
        _write(result, target, config)
    return targets


def load_segmentation(
    runs: Sequence[RunFolder],
    *,
    checkpoint: str = "best",
    accelerator: str = "auto",
    flips: bool | None = None,
    overlap: float | None = None,
) -> CaseSegmentation:
    """Load the model of a run, or an ensemble of several.

    Args:
        runs: Runs; all must prepare cases alike and predict the same regions.
        checkpoint: best or last.
        accelerator: auto, cpu or gpu.
        flips: Average over mirror images; None as each run says.
        overlap: Overlap of windows; None as each run says.

    Raises:
        ConfigError: The runs do not fit together.
        RunError: A run is incomplete.
    """
    first = runs[0]
    config, convention = first.config(), first.convention()
    preprocessing = assembly.build_preprocessing(config)
    for other in runs[1:]:
        _check_fits(other, preprocessing.key(), convention, first)
    segmenters = [_segmenter(run, checkpoint, accelerator, flips, overlap) for run in runs]
    return CaseSegmentation(
        preprocessing,
        segmenters[0] if len(segmenters) == 1 else EnsembleSegmenter(segmenters),
        assembly.build_postprocessing(config, convention),
        convention,
    )


def _segmenter(
    run: RunFolder, checkpoint: str, accelerator: str, flips: bool | None, overlap: float | None
) -> Segmenter:
    config = run.config()
    head = assembly.build_head(config, run.convention())
    network = assembly.build_network(config, head)
    load_weights(network, run.checkpoint(checkpoint))
    machine = assembly.hardware(accelerator, "auto")
    if (machine.device, config.trainer.precision) != ("cpu", "16-mixed"):
        machine = assembly.hardware(accelerator, config.trainer.precision)
    return assembly.build_segmenter(
        config, network.to(machine.device).eval(), head, machine.inference, flips=flips, overlap=overlap
    )


def load_weights(network: Any, checkpoint: Path) -> None:
    """Load the network's weights out of a training checkpoint.

    Raises:
        RunError: The checkpoint is torn, or belongs to another network.
    """
    from brats3d.training.checkpoints import read_checkpoint

    prefix = "network."
    state = read_checkpoint(checkpoint)["state_dict"]
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            "the checkpoint belongs to another network",
            where=checkpoint,
            got=str(error).splitlines()[-1].strip(),
            remedy="use the config.yaml the checkpoint was trained with",
        ) from error


def _check_fits(run: RunFolder, key: str, convention: LabelConvention, first: RunFolder) -> None:
    if assembly.build_preprocessing(run.config()).key() != key:
        what = "preprocessing"
    elif run.convention().regions != convention.regions:
        what = "regions"
    else:
        return
    raise ConfigError(
        f"runs with different {what} cannot be averaged",
        where=run.path,
        expected=f"the {what} of {first.path}",
        remedy="predict with each of them on its own",
    )


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
