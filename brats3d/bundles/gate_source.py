"""What is exported of a classifier that stands before a segmentation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from brats3d import assembly
from brats3d.config import FitConfig
from brats3d.models.architecture import without_pretrained
from brats3d.models.classifiers import CLASSIFIERS
from brats3d.workflows.gate_loading import read_threshold
from brats3d.workflows.runs import RunFolder

GATE_WEIGHTS = "models/gate/gate.pt"
"""Weights of the gate in a bundle; MONAI Label takes any ``models/*.pt`` for weights of the segmentation."""


@dataclass(frozen=True)
class GateSource:
    """The run of a classifier, read once.

    Attributes:
        name: Name of the run.
        config: Resolved configuration.
        threshold: Confidence from which something is segmented.
        summary: Content of metrics.json; empty where nothing was scored.
    """

    name: str
    config: FitConfig
    threshold: float
    summary: dict[str, Any]

    @classmethod
    def of(cls, run: RunFolder) -> GateSource:
        """Read a run.

        Raises:
            RunError: A file of the run is missing or torn.
            ConfigError: Its configuration cannot be read.
        """
        summary: dict[str, Any] = {}
        if run.metrics_json.is_file():
            summary = json.loads(run.metrics_json.read_text(encoding="utf-8"))
        return cls(run.path.resolve().name, run.config(), read_threshold(run), summary)

    @property
    def slice_axis(self) -> str | None:
        """Axis of the slices that it judges; None: it judges volumes."""
        return self.config.slices.axis if self.config.model.spatial_dims == 2 else None

    @property
    def judged(self) -> str:
        """What it judges, in words."""
        return "volumes" if self.slice_axis is None else f"{self.slice_axis} slices"

    def network(self) -> dict[str, Any]:
        """Arguments of the network, defaults spelled out."""
        model = self.config.model
        return {
            "architecture": model.name,
            "spatial_dims": model.spatial_dims,
            "in_channels": len(assembly.modalities(self.config)),
            "size": list(self.config.patch.size),
            **without_pretrained(CLASSIFIERS[model.name].complete(model.params)),
        }

    def preprocessing(self) -> dict[str, Any]:
        """Settings of the preprocessing, see :meth:`Preprocessing.settings`."""
        return assembly.build_preprocessing(self.config).settings()
