"""What is exported: a run with everything about it that a bundle tells."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brats3d import assembly
from brats3d.bundles.gate_source import GateSource
from brats3d.config import FitConfig
from brats3d.errors import ConfigError, LabelError
from brats3d.labels import BACKGROUND, LabelConvention
from brats3d.models import MODELS
from brats3d.models.architecture import without_pretrained
from brats3d.workflows.runs import RunFolder


@dataclass(frozen=True)
class BundleSource:
    """A run, read once, or an ensemble of runs, which has the attributes of the first of them.

    Attributes:
        name: Name of the run or ensemble.
        config: Resolved configuration.
        convention: Label convention and regions it was trained with.
        summary: Content of metrics.json; empty before the training has come to its end.
        cases: Number of training, validation and test cases.
        layout: Naming of the data set's files.
        on_phantoms: Whether it was trained on made-up examinations.
        averaged: Runs whose probabilities are averaged; none for a single run.
        gate: Classifier that is asked first, or None.
    """

    name: str
    config: FitConfig
    convention: LabelConvention
    summary: dict[str, Any]
    cases: dict[str, int]
    layout: str
    on_phantoms: bool
    averaged: tuple[BundleSource, ...] = ()
    gate: GateSource | None = None

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

    @classmethod
    def of_ensemble(cls, runs: Sequence[RunFolder]) -> BundleSource:
        """Read runs that are averaged; nobody has scored them as a whole.

        Raises:
            RunError: A file of a run is missing or torn.
            ConfigError: A configuration cannot be read, or networks cannot stand in for one another.
        """
        members = tuple(cls.of(run) for run in runs)
        first = members[0]
        for run, member in zip(runs, members, strict=True):
            for (key, expected), got in zip(first._seen().items(), member._seen().values(), strict=True):
                if got != expected:
                    raise ConfigError(
                        f"runs with different {key} cannot be put into one bundle",
                        where=run.path,
                        got=got,
                        expected=f"{expected}, as in {runs[0].path}",
                        remedy="export each of them on its own, or average them with `brats3d predict`",
                    )
        name = "-".join(("ensemble", *(member.name for member in members)))
        return dataclasses.replace(first, name=name, summary={}, averaged=members)

    def behind(self, gate: GateSource) -> BundleSource:
        """Return the same behind a gate."""
        return dataclasses.replace(self, name=f"{self.name}-behind-{gate.name}", gate=gate)

    def _seen(self) -> dict[str, Any]:
        """What a network sees of an image, and what its output means."""
        model, inference = self.config.model, self.config.inference
        return {
            "model.spatial_dims": model.spatial_dims,
            "model.head": model.head,
            "classes": self.convention.class_names,
            "inference.window": self.window,
            "inference.overlap": inference.overlap,
            "inference.flips": inference.flips,
            "slices.axis": self.config.slices.axis if model.spatial_dims == 2 else None,
        }

    @property
    def is_ensemble(self) -> bool:
        """Whether several runs are averaged."""
        return bool(self.averaged)

    @property
    def members(self) -> tuple[BundleSource, ...]:
        """The runs; one, or those that are averaged."""
        return self.averaged or (self,)

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
            **without_pretrained(MODELS[model.name].complete(model.params)),
        }

    def preprocessing(self) -> dict[str, Any]:
        """Settings of the preprocessing, see :meth:`Preprocessing.settings`."""
        return assembly.build_preprocessing(self.config).settings()
