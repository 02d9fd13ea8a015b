"""A classifier before a segmentation: what is loaded, what must agree, and what is written of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from brats3d import assembly
from brats3d.errors import ConfigError
from brats3d.inference.classifying import Classifier
from brats3d.inference.gated import GateDecision, GatedSegmenter
from brats3d.transforms.preprocessing import PreparedCase
from brats3d.workflows.gate_loading import build_gate, check_agrees, read_threshold
from brats3d.workflows.loading import load_weights
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation, PredictedCase

logger = logging.getLogger(__name__)

RECORD_ENDING = "_gate.json"


@dataclass(frozen=True)
class GatedSegmentation(CaseSegmentation):
    """A segmentation behind a gate, which notes what was skipped.

    Attributes:
        gate: The gate with what is behind it; the same as ``segmenter``.
        gate_run: Folder of the classifier's run, or file of its weights in a bundle.
        records: What the gate decided about each case so far, for JSON.
    """

    gate: GatedSegmenter = field(kw_only=True)
    gate_run: Path = field(kw_only=True)
    records: dict[str, dict[str, Any]] = field(kw_only=True, default_factory=dict)

    def predict(self, prepared: PreparedCase) -> PredictedCase:
        """Have the network predict what the gate lets through."""
        predicted = super().predict(prepared)
        assert self.gate.decision is not None
        record = self._record(prepared, self.gate.decision)
        self.records[prepared.case_id] = record
        logger.info(
            "%s: the gate skipped %d of %d %s in %.2f s, segmentation took %.2f s",
            prepared.case_id,
            len(record["skipped"]),
            record["judged"],
            record["images"],
            record["gate_seconds"],
            record["segmentation_seconds"],
        )
        return predicted

    def _record(self, prepared: PreparedCase, decision: GateDecision) -> dict[str, Any]:
        from brats3d.training.classification_labels import sliced_from

        axis = self.gate.classifier.axis
        places: list[int | None] = [None] if axis is None else [*sliced_from(prepared.restoration, axis)]
        judged = [
            (place, bool(segmented), float(confidence))
            for place, segmented, confidence, filled in zip(
                places, decision.segmented, decision.confidences, decision.filled, strict=True
            )
            if filled
        ]
        kept = sum(segmented for _, segmented, _ in judged)
        without = decision.segmentation_s * len(judged) / kept if kept else None
        return {
            "case_id": prepared.case_id,
            "gate": str(self.gate_run),
            "threshold": self.gate.threshold,
            "images": "volumes" if axis is None else "slices",
            "judged": len(judged),
            "segmented": kept,
            "skipped": [place for place, segmented, _ in judged if not segmented],
            "confidences": [{"slice": place, "confidence": confidence} for place, _, confidence in judged],
            "gate_seconds": decision.gate_s,
            "segmentation_seconds": decision.segmentation_s,
            "seconds": decision.gate_s + decision.segmentation_s,
            "estimated_seconds_without_gate": without,
        }


def record_path(target: Path) -> Path:
    """File of what the gate decided, beside the label map of a case."""
    return target.with_name(target.name.removesuffix(".nii.gz") + RECORD_ENDING)


def behind_gate(
    gate: str, segmentation: CaseSegmentation, runs: Sequence[RunFolder], *, accelerator: str = "auto"
) -> GatedSegmentation:
    """Put a classifier before a segmentation.

    Args:
        gate: Folder of the classifier's run.
        segmentation: The segmentation.
        runs: Its runs.
        accelerator: auto, cpu or gpu, for the classifier.

    Raises:
        ConfigError: The run does not classify, or prepares cases otherwise, or along another axis.
        RunError: It is incomplete.
    """
    run = open_gate(gate)
    config = run.config()
    for other in runs:
        check_agrees(config, run.path, other.config(), other.path)
    threshold = read_threshold(run)
    classifier = build_gate(
        config, lambda network: load_weights(network, run.checkpoint()), accelerator=accelerator
    )
    return put_before(segmentation, classifier, threshold, run.path)


def open_gate(path: str) -> RunFolder:
    """Open the run of a classifier.

    Raises:
        ConfigError: The run does not classify.
        RunError: There is no such run.
    """
    run = RunFolder.open(path)
    task = run.config().task
    if task != assembly.CLASSIFY:
        raise ConfigError(
            "a gate is a classifier",
            where=run.path,
            got=f"task: {task}",
            expected="a run that was trained with task: classify",
        )
    return run


def put_before(
    segmentation: CaseSegmentation, classifier: Classifier, threshold: float, gate_run: Path
) -> GatedSegmentation:
    """Put a classifier that agrees with a segmentation before it.

    Args:
        segmentation: The segmentation.
        classifier: Judges what it sees.
        threshold: Confidence from which something is segmented.
        gate_run: Where the classifier is from, see :class:`GatedSegmentation`.
    """
    segmenter = GatedSegmenter(
        classifier, segmentation.segmenter, threshold, regions=len(segmentation.convention.region_names)
    )
    kept = {part.name: getattr(segmentation, part.name) for part in fields(CaseSegmentation)}
    return GatedSegmentation(**{**kept, "segmenter": segmenter}, gate=segmenter, gate_run=gate_run)
