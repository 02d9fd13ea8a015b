"""From runs to a segmentation: configuration, weights and the machine put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from brats3d import assembly
from brats3d.config import FitConfig
from brats3d.errors import ConfigError, RunError
from brats3d.inference.ensemble import EnsembleSegmenter
from brats3d.inference.segmenter import Segmenter
from brats3d.labels import LabelConvention
from brats3d.postprocessing.fusion import shares
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation


def load_segmentation(
    runs: Sequence[RunFolder],
    *,
    weights: Sequence[float] = (),
    checkpoint: str = "best",
    accelerator: str = "auto",
    flips: bool | None = None,
    overlap: float | None = None,
) -> CaseSegmentation:
    """Load the model of a run, or an ensemble of several.

    Args:
        runs: Runs; all must prepare cases alike and predict the same regions.
        weights: One for each run, of any sum; without them all count the same.
        checkpoint: best or last.
        accelerator: auto, cpu or gpu.
        flips: Average over mirror images; None as each run says.
        overlap: Overlap of windows; None as each run says.

    Raises:
        ConfigError: The runs do not fit together, or the weights do not fit the runs.
        RunError: A run is incomplete.
    """
    parts = shares(weights, len(runs))
    for run in runs:
        check_segments(run)
    first = runs[0]
    config, convention = first.config(), first.convention()
    key = assembly.build_preprocessing(config).key()
    for other in runs[1:]:
        _check_fits(other, key, convention, first)

    def segmenter(run: RunFolder) -> Segmenter:
        return build_segmenter(
            run.config(),
            run.convention(),
            lambda network: load_weights(network, run.checkpoint(checkpoint)),
            accelerator=accelerator,
            flips=flips,
            overlap=overlap,
        )

    return surround([segmenter(run) for run in runs], config, convention, parts, accelerator=accelerator)


def surround(
    segmenters: Sequence[Segmenter],
    config: FitConfig,
    convention: LabelConvention,
    weights: Sequence[float] | None = None,
    *,
    accelerator: str = "auto",
) -> CaseSegmentation:
    """Put what prepares a case, and what becomes of its probabilities, around the mean of networks.

    Args:
        segmenters: The networks.
        config: Says how cases are prepared, and what becomes of the probabilities.
        convention: Names the regions.
        weights: One for each network; None: all count the same.
        accelerator: auto, cpu or gpu, for what is computed besides the networks.

    Raises:
        ConfigError: A setting that cannot work.
    """
    return CaseSegmentation(
        assembly.build_preprocessing(config),
        segmenters[0] if len(segmenters) == 1 else EnsembleSegmenter(segmenters, weights),
        assembly.build_postprocessing(config, convention),
        convention,
        assembly.build_refinement(config, convention, assembly.hardware(accelerator, "auto").device),
    )


def build_segmenter(
    config: FitConfig,
    convention: LabelConvention,
    load: Callable[[Any], None],
    *,
    accelerator: str = "auto",
    flips: bool | None = None,
    overlap: float | None = None,
) -> Segmenter:
    """Build a network, have its weights loaded, and put it on the machine.

    Args:
        config: Configuration of the run.
        convention: Names the regions.
        load: Loads the weights into the network.
        accelerator: auto, cpu or gpu.
        flips: Average over mirror images; None as the configuration says.
        overlap: Overlap of windows; None as the configuration says.

    Raises:
        ConfigError: A setting that cannot work.
    """
    from brats3d.models import lay_out

    head = assembly.build_head(config, convention)
    network = assembly.build_network(config, head)
    load(network)
    machine = assembly.hardware(accelerator, "auto")
    if (machine.device, config.trainer.precision) != ("cpu", "16-mixed"):
        machine = assembly.hardware(accelerator, config.trainer.precision)
    lay_out(network, config.model.spatial_dims, device=machine.device)
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


def check_segments(run: RunFolder) -> None:
    """Check that a run is one of a network that segments.

    Raises:
        ConfigError: It classifies.
    """
    if run.config().task == assembly.CLASSIFY:
        raise ConfigError(
            "a classifier cannot segment",
            where=run.path,
            expected="a run that was trained with task: segment",
            remedy=f"name such a run, and use this one as its gate: --gate {run.path}",
        )


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
