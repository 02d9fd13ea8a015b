"""From the folder of a bundle to a segmentation: by what it is, as data or on trust."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from brats3d.bundles.reading.folder import BundleFolder, UnfamiliarError
from brats3d.bundles.reading.model_zoo import ZooModel, read_model
from brats3d.bundles.reading.own import own_segmentation, read_source
from brats3d.bundles.reading.trusted import trusted_segmentation
from brats3d.bundles.reading.zoo_segmentation import zoo_segmentation
from brats3d.bundles.source import BundleSource
from brats3d.config import PredictConfig
from brats3d.errors import ConfigError
from brats3d.workflows.segmentation import Segmentation


@contextmanager
def open_segmentation(bundle: BundleFolder, config: PredictConfig) -> Iterator[Segmentation]:
    """Segmentation with a bundle, for as long as the context lasts.

    Nothing of a bundle is executed unless it is none of the known kinds and the user trusts it.

    Args:
        bundle: The bundle.
        config: Trust, and how the segmentation is done.

    Raises:
        ConfigError: A bundle of others that is not trusted, or a setting that cannot work.
        RunError: The bundle is torn or does not fit together.
    """
    known = recognise(bundle, trust=config.trust)
    if isinstance(known, BundleSource):
        yield own_segmentation(bundle, config)
    elif isinstance(known, ZooModel):
        yield zoo_segmentation(bundle, known, config)
    else:
        with trusted_segmentation(bundle, config) as trusted:
            yield trusted


def recognise(bundle: BundleFolder, *, trust: bool) -> BundleSource | ZooModel | None:
    """Read what a bundle is, without its weights: an export, the zoo's model, or None for another.

    Raises:
        ConfigError: It is another, and is not trusted.
    """
    try:
        return read_source(bundle.config)
    except UnfamiliarError as error:
        unlike_own = str(error)
    try:
        return read_model(bundle)
    except UnfamiliarError as error:
        if trust:
            return None
        raise _not_trusted(bundle, unlike_own, str(error)) from error


def _not_trusted(bundle: BundleFolder, unlike_own: str, unlike_zoo: str) -> ConfigError:
    return ConfigError(
        "the configuration of this bundle is a program, which would run code on this machine",
        where=bundle.inference,
        got=f"unlike an export of brats3d: {unlike_own}; unlike brats_mri_segmentation: {unlike_zoo}",
        expected="a bundle that brats3d exported, or brats_mri_segmentation of MONAI's model zoo: these "
        "are read without running anything",
        remedy="if you trust whoever made it as you trust a program that you install, pass --trust",
    )
