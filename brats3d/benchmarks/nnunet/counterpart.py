"""nnU-Net with the network, the normalisation and the windows of a run of brats3d."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from brats3d.benchmarks.nnunet.predicting import Job
from brats3d.errors import ConfigError

if TYPE_CHECKING:
    from brats3d.benchmarks.predicting.model import Model
    from brats3d.config import FitConfig
    from brats3d.imaging import Geometry


def check_counterpart(config: FitConfig) -> None:
    """Check that nnU-Net can do what a configuration says.

    Raises:
        ConfigError: It has no such network, normalisation or resolution.
    """
    params = config.model.params
    fixed = {"activation": "leakyrelu", "normalisation": "instance"}
    found = {
        "model.name": (config.model.name, "dynunet"),
        **{f"model.params.{key}": (params.get(key, value), value) for key, value in fixed.items()},
        "preprocess.normalise": (config.preprocess.normalise, "zscore"),
        "preprocess.spacing_mm": (config.preprocess.spacing_mm, None),
    }
    for where, (got, expected) in found.items():
        if got != expected:
            raise ConfigError(
                "a run that nnU-Net has no counterpart of",
                where=where,
                got=got,
                expected=expected,
                remedy="choose a run of a dynunet, or leave nnU-Net out (no --nnunet_python)",
            )


def predicting_job(model: Model, folder: Path) -> Job:
    """Write a trained nnU-Net with the weights of a model, and the case as nnU-Net reads it.

    Args:
        model: Case and network.
        folder: Where both go, and later the result; made here.

    Raises:
        ConfigError: No reader of nnU-Net brings the case to the orientation of the run.
        DataError: The case cannot be read.
    """
    from brats3d.benchmarks.nnunet.raw import write_images
    from brats3d.benchmarks.nnunet.weights import CHECKPOINT, FOLD, write_model
    from brats3d.imaging import read_geometry

    trained, images = folder / "model", folder / "images"
    images.mkdir(parents=True)
    files = write_images(model.case, images, model.config.data.modalities)
    geometry = read_geometry(files[0])
    write_model(
        trained,
        model.network().state_dict(),
        model.config,
        regions=model.convention.region_names,
        window=model.window,
        spacing_mm=geometry.spacing_mm,
        reader=_reader(geometry, model.config.preprocess.orientation),
    )
    return Job(str(trained), FOLD, CHECKPOINT, tuple(map(str, files)), str(folder))


def _reader(geometry: Geometry, orientation: str) -> str:
    """nnU-Net's default reader leaves the axes as they are; another one brings them to RAS."""
    import nibabel as nib

    found = "".join(nib.aff2axcodes(geometry.affine))
    if found == orientation:
        return "SimpleITKIO"
    if orientation == "RAS":
        return "NibabelIOWithReorient"
    raise ConfigError(
        "nnU-Net has no reader that brings the case to the orientation of the run",
        where="preprocess.orientation",
        got=found,
        expected=orientation,
    )
