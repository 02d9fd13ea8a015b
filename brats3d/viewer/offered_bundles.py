"""Bundles as models: exports of this package, MONAI's model zoo, and others on trust."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from brats3d import assembly
from brats3d.config import AppConfig, PredictConfig
from brats3d.labels import CONVENTIONS, LabelConvention
from brats3d.postprocessing import Postprocessing
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.rules import PostprocessingRules

if TYPE_CHECKING:
    from brats3d.bundles.reading.folder import BundleFolder
    from brats3d.bundles.reading.model_zoo import ZooModel
    from brats3d.bundles.source import BundleSource


def offered_bundle(path: str, config: AppConfig) -> OfferedModel:
    """Offer a bundle.

    Raises:
        ConfigError: A bundle of others that is not trusted, or a setting that it does not have.
        RunError: It is missing, torn, or does not fit together.
    """
    # MONAI's bundles take a while to load.
    from brats3d.bundles.reading.folder import BundleFolder
    from brats3d.bundles.reading.model_zoo import ZooModel
    from brats3d.bundles.reading.opening import recognise
    from brats3d.bundles.source import BundleSource

    bundle = BundleFolder.open(path)
    known = recognise(bundle, trust=config.trust)
    chosen = PredictConfig(
        bundle=path,
        trust=config.trust,
        accelerator=config.accelerator,
        flips=config.flips,
        overlap=config.overlap,
    )
    if isinstance(known, BundleSource):
        return _own(bundle, known, chosen)
    return _of_the_zoo(bundle, known, chosen) if isinstance(known, ZooModel) else _trusted(bundle, chosen)


def _own(bundle: BundleFolder, source: BundleSource, config: PredictConfig) -> OfferedModel:
    from brats3d.bundles.reading.own import own_segmentation

    load = functools.cache(functools.partial(own_segmentation, bundle, config))
    settings, name = source.config, bundle.path.resolve().name
    gated = source.gate is not None
    return OfferedModel(
        id=name,
        title=f"{name} ({settings.model.name}, {settings.model.spatial_dims}-D{', gated' if gated else ''})",
        kind="bundle",
        dimensions=settings.model.spatial_dims,
        modalities=tuple(assembly.modalities(settings)),
        convention=source.convention,
        rules=PostprocessingRules(
            assembly.build_postprocessing(settings, source.convention), source.convention
        ),
        open=lambda: nullcontext(load()),
        gated=gated,
    )


def _of_the_zoo(bundle: BundleFolder, model: ZooModel, config: PredictConfig) -> OfferedModel:
    from brats3d.bundles.reading.zoo_segmentation import ZooSegmentation, zoo_segmentation

    load = functools.cache(functools.partial(zoo_segmentation, bundle, model, config))
    name, convention = bundle.path.resolve().name, ZooSegmentation.convention
    return OfferedModel(
        id=name,
        title=f"{name} (MONAI's model zoo, 3-D)",
        kind="bundle",
        dimensions=3,
        modalities=model.modalities,
        convention=convention,
        rules=ZooRules(convention),
        open=lambda: nullcontext(load()),
    )


def _trusted(bundle: BundleFolder, config: PredictConfig) -> OfferedModel:
    from brats3d.bundles.reading.channels import input_modalities
    from brats3d.bundles.reading.meaning import output_meaning
    from brats3d.bundles.reading.trusted import check_settings, trusted_segmentation

    check_settings(config)
    name, convention = bundle.path.resolve().name, output_meaning(bundle).convention
    return OfferedModel(
        id=name,
        title=f"{name} (a bundle of others, 3-D)",
        kind="bundle",
        dimensions=3,
        modalities=input_modalities(bundle),
        convention=convention,
        rules=PostprocessingRules(Postprocessing(), convention, has_probabilities=False),
        # Built anew each time: the modules of two such bundles, all called `scripts`, exclude each other.
        open=lambda: trusted_segmentation(bundle, config),
    )


@dataclass(frozen=True)
class ZooRules:
    """Rules of MONAI's model zoo, see :func:`~brats3d.bundles.reading.zoo_segmentation.zoo_classes`.

    Attributes:
        convention: Names the regions and classes.
    """

    convention: LabelConvention = CONVENTIONS["brats2017"]

    @property
    def thresholds(self) -> Mapping[str, float]:
        """See :class:`~brats3d.viewer.rules.LabelRules`."""
        from brats3d.bundles.reading.zoo_segmentation import THRESHOLD

        return dict.fromkeys(self.convention.region_names, THRESHOLD)

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`~brats3d.viewer.rules.LabelRules`."""
        return ("What is ET or TC counts as the regions around it, too.",)

    def classes(
        self, probabilities: NDArray[np.float32], thresholds: Mapping[str, float], voxel_volume_ml: float
    ) -> NDArray[np.uint8]:
        """See :class:`~brats3d.viewer.rules.LabelRules`."""
        from brats3d.bundles.reading.zoo_segmentation import zoo_classes

        return zoo_classes(probabilities, thresholds, self.convention)
