"""Label maps from runs or from a bundle."""

from __future__ import annotations

from pathlib import Path

from brats3d.config import PredictConfig
from brats3d.errors import ConfigError
from brats3d.workflows import predict as runs
from brats3d.workflows.devices import placed


def predict(config: PredictConfig) -> list[Path]:
    """Segment cases and write a label map for each, on the grid and in the convention of its data set.

    Args:
        config: Runs or a bundle, input and output; ``input`` is a case folder or a data set, labelled
            or not.

    Returns:
        The label maps, see :func:`~brats3d.workflows.predict.predict_cases`.

    Raises:
        Brats3dError: Anything the user can mend: runs, bundle, data, output folder.
    """
    if config.bundle is None or config.classical is not None:
        if config.trust:
            raise ConfigError("nothing to trust", where="trust", remedy="name a bundle: --bundle DIR")
        return runs.predict(config)
    if config.gate is not None:
        raise ConfigError(
            "a bundle cannot be put behind a gate",
            where="gate",
            got=config.gate,
            remedy="predict with the run (--run RUN --gate GATE), or export the two as one bundle: "
            "brats3d export --run RUN --gate GATE",
        )
    if config.run:
        raise ConfigError(
            "a bundle and runs exclude each other",
            where="run, bundle",
            got=", ".join([*config.run, config.bundle]),
            remedy="leave out --run or --bundle",
        )
    if config.checkpoint != PredictConfig.checkpoint:
        raise ConfigError(
            "a bundle has one set of weights",
            where="checkpoint",
            got=config.checkpoint,
            remedy="leave out --checkpoint",
        )
    if config.weights:
        raise ConfigError(
            "a bundle averages its networks evenly",
            where="weights",
            got=", ".join(f"{weight:g}" for weight in config.weights),
            remedy="leave out --weights, or predict with the runs",
        )
    # Runs need none of it, and MONAI's bundles take a while to load.
    from brats3d.bundles.reading.folder import BundleFolder
    from brats3d.bundles.reading.opening import open_segmentation

    bundle = BundleFolder.open(config.bundle)
    with placed(config) as here, open_segmentation(bundle, here) as segmentation:
        return runs.predict_cases(config, segmentation)
