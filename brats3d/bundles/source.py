"""What is exported: a run with everything about it that a bundle tells."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from brats3d import assembly
from brats3d.config import FitConfig
from brats3d.errors import LabelError
from brats3d.labels import BACKGROUND, LabelConvention
from brats3d.models import MODELS
from brats3d.workflows.runs import RunFolder


@dataclass(frozen=True)
class BundleSource:
    """A run, read once.

    Attributes:
        name: Name of the run.
        config: Resolved configuration.
        convention: Label convention and regions it was trained with.
        summary: Content of metrics.json; empty before the training has come to its end.
        cases: Number of training, validation and test cases.
        layout: Naming of the data set's files.
        on_phantoms: Whether it was trained on made-up examinations.
    """

    name: str
    config: FitConfig
    convention: LabelConvention
    summary: dict[str, Any]
    cases: dict[str, int]
    layout: str
    on_phantoms: bool

    @classmethod
    def of(cls, run: RunFolder) -> BundleSource:
        """Read a run.

        Raises:
            RunError: A file of the run is missing or torn.
            ConfigError: Its configuration cannot be read.
        """
        config, split = run.config(), run.split()
        summary: dict[str, Any] = {}
        if run.metrics_json.is_file():
            summary = json.loads(run.metrics_json.read_text(encoding="utf-8"))
        labels = json.loads((run.path / "labels.json").read_text(encoding="utf-8"))
        return cls(
            name=run.path.resolve().name,
            config=config,
            convention=run.convention(),
            summary=summary,
            cases={part: len(getattr(split, part)) for part in ("train", "val", "test")},
            layout=str(labels.get("layout", "")),
            on_phantoms=config.data.root is None,
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities in channel order."""
        return assembly.modalities(self.config)

    @property
    def out_channels(self) -> int:
        """Channels of the network's logits."""
        return assembly.build_head(self.config, self.convention).out_channels

    @property
    def window(self) -> tuple[int, ...]:
        """Window of inference."""
        return tuple(self.config.inference.window or self.config.patch.size)

    def labels(self) -> dict[str, Any]:
        """Label convention as the bundle's scripts read it."""
        return {
            "name": self.convention.name,
            "values": {str(value): tissue for value, tissue in self.convention.tissues.items()},
            "regions": {region.name: sorted(region.tissues) for region in self.convention.regions},
        }

    def label_values(self) -> dict[str, str]:
        """Value to class name, of the values that label maps of this model can have."""
        values = {"0": BACKGROUND}
        for index, name in enumerate(self.convention.class_names):
            try:
                (value,) = self.convention.from_classes(np.array([index], dtype=np.uint8)).tolist()
            except LabelError:  # a class that the data set has no value for
                continue
            if index:
                values[str(value)] = name
        return values

    def network(self) -> dict[str, Any]:
        """Arguments of the network, defaults spelled out."""
        model = self.config.model
        return {
            "architecture": model.name,
            "spatial_dims": model.spatial_dims,
            "in_channels": len(self.modalities),
            "out_channels": self.out_channels,
            **MODELS[model.name].complete(model.params),
        }

    def preprocessing(self) -> dict[str, Any]:
        """Settings of the preprocessing, all of them."""
        return dataclasses.asdict(assembly.build_preprocessing(self.config))
