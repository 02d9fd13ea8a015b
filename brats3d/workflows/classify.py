"""After the training of a classifier: its scores, the threshold of the gate, and what it misses."""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import FitConfig
from brats3d.data.store import StoredCase
from brats3d.files import write_json, write_text
from brats3d.metrics.classification import (
    confusion_matrix,
    roc_auc,
    roc_curve,
    threshold_at_sensitivity,
)
from brats3d.metrics.text_table import lay_out
from brats3d.workflows.runs import RunFolder

if TYPE_CHECKING:
    from brats3d.training.classification import ClassificationModule

logger = logging.getLogger(__name__)

GATE = "gate.json"
IMAGES, ROC = "classification.csv", "roc.csv"
_MAX_ROC_POINTS = 1001


@dataclass(frozen=True)
class HeldOutCase:
    """The images of one held-out case.

    Attributes:
        part: val or test.
        case_id: Case.
        slices: Slice of the oriented volume of the files, of each image; None for volumes.
        labels: 1 (tumour), 0 (none) or -1 (without label), ``(n,)``.
        confidences: Of each image, ``(n,)``.
        seconds: What the classifier took for the case.
    """

    part: str
    case_id: str
    slices: tuple[int | None, ...]
    labels: NDArray[np.int8]
    confidences: NDArray[np.float32]
    seconds: float


def judge_held_out(
    run: RunFolder,
    cases: Mapping[str, Sequence[Case]],
    prepared: Sequence[StoredCase],
    own: slice,
    module: ClassificationModule,
    machine: assembly.Hardware,
) -> list[HeldOutCase]:
    """Judge validation and test cases with the best checkpoint, shared out over the processes.

    Args:
        run: The run.
        cases: Cases of each part of the split.
        prepared: Prepared form of all of them, in the order train, val, test.
        own: Which cases are this process's.
        module: The classifier; it gets the weights of the checkpoint.
        machine: Device.

    Returns:
        Cases of all processes, in the order of the split.
    """
    from brats3d.training.checkpoints import read_checkpoint
    from brats3d.training.processes import of_all_processes

    module.load_state_dict(read_checkpoint(run.checkpoint())["state_dict"])
    module.network.to(machine.device)
    entries = {entry.case_id: entry for entry in prepared}
    wanted = [(part, case.case_id) for part in ("val", "test") for case in cases[part]]
    found = [_judged(part, entries[case_id], module) for part, case_id in wanted[own]]
    everything = {(case.part, case.case_id): case for part in of_all_processes(found) for case in part}
    return [everything[place] for place in wanted]


def _judged(part: str, case: StoredCase, module: ClassificationModule) -> HeldOutCase:
    from brats3d.training.classification_labels import original_slices

    axis = module.classifier.axis
    slices = (None,) if axis is None else tuple(original_slices(case, axis))
    started_at = time.perf_counter()
    judged = module.judge(case)
    seconds = time.perf_counter() - started_at
    return HeldOutCase(part, case.case_id, slices, judged.labels, judged.confidences, seconds)


def write_gate(
    config: FitConfig, run: RunFolder, judged: Sequence[HeldOutCase]
) -> tuple[dict[str, Any], str]:
    """Choose the threshold on the validation cases and write gate.json, classification.csv and roc.csv.

    Args:
        config: Configuration of the run.
        run: The run.
        judged: Validation and test cases.

    Returns:
        Scores of the part that nothing was chosen with (test, else val), and a table of all as text.

    Raises:
        DataError: A confidence that is not a number.
        OutputError: A file cannot be written.
    """
    parts = {name: [case for case in judged if case.part == name] for name in ("val", "test")}
    labels, confidences = _labelled(parts["val"])
    threshold = threshold_at_sensitivity(labels, confidences, config.classify.sensitivity)
    reports = {name: _report(cases, threshold) for name, cases in parts.items() if _labelled(cases)[0].size}
    axis = assembly.slice_axis(config)
    gate = {
        "images": "volumes" if axis is None else "slices",
        "axis": None if axis is None else config.slices.axis,
        "threshold": threshold,
        "chosen_on": "val",
        "wanted_sensitivity": config.classify.sensitivity,
        **reports,
    }
    write_text(run.path / IMAGES, _images_csv(judged, threshold))
    write_text(run.path / ROC, _roc_csv(parts))
    write_json(run.path / GATE, gate)
    scored = reports.get("test", reports["val"])
    return {"task": config.task, "threshold": threshold, **scored}, _table(reports, threshold)


def _labelled(cases: Sequence[HeldOutCase]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    labels = np.concatenate([np.zeros(0, dtype=np.int8), *(case.labels for case in cases)])
    confidences = np.concatenate([np.zeros(0, dtype=np.float32), *(case.confidences for case in cases)])
    return labels[labels >= 0] == 1, confidences[labels >= 0]


def _report(cases: Sequence[HeldOutCase], threshold: float) -> dict[str, Any]:
    labels, confidences = _labelled(cases)
    counted = confusion_matrix(labels, confidences, threshold)
    skipped = counted.true_negatives + counted.false_negatives
    return {
        "cases": len(cases),
        "images": labels.size,
        "auc": roc_auc(labels, confidences),
        **counted.to_dict(),
        "skipped_share": skipped / labels.size,
        "gate_seconds_per_case": float(np.mean([case.seconds for case in cases])),
        "missed": [
            {"case_id": case.case_id, "slice": place, "confidence": float(confidence)}
            for case in cases
            for place, label, confidence in zip(case.slices, case.labels, case.confidences, strict=True)
            if label == 1 and confidence < threshold
        ],
    }


def _images_csv(judged: Sequence[HeldOutCase], threshold: float) -> str:
    rows = [
        (case.part, case.case_id, "" if place is None else place, label, f"{confidence:.6f}", decision)
        for case in judged
        for place, label, confidence, decision in zip(
            case.slices,
            case.labels,
            case.confidences,
            (case.confidences >= threshold).astype(int),
            strict=True,
        )
        if label >= 0
    ]
    return _csv(("split", "case_id", "slice", "label", "confidence", "decision"), rows)


def _roc_csv(parts: Mapping[str, Sequence[HeldOutCase]]) -> str:
    rows = []
    for name, cases in parts.items():
        labels, confidences = _labelled(cases)
        curve = roc_curve(labels, confidences)
        count = min(len(curve.thresholds), _MAX_ROC_POINTS)
        for point in np.unique(np.linspace(0, len(curve.thresholds) - 1, count).round().astype(int)):
            sensitivity, specificity = curve.sensitivity[point], curve.specificity[point]
            rows.append((name, f"{curve.thresholds[point]:.6f}", f"{sensitivity:.6f}", f"{specificity:.6f}"))
    return _csv(("split", "threshold", "sensitivity", "specificity"), rows)


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _table(reports: Mapping[str, Mapping[str, Any]], threshold: float) -> str:
    counts = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    shares = ("auc", "accuracy", "sensitivity", "specificity", "skipped_share")
    header = [
        "",
        "images",
        "TN",
        "FP",
        "FN",
        "TP",
        "AUC",
        "accuracy",
        "sensitivity",
        "specificity",
        "skipped",
    ]
    body = [
        [
            name,
            str(report["images"]),
            *(str(report[key]) for key in counts),
            *(f"{report[key]:.4f}" for key in shares),
        ]
        for name, report in reports.items()
    ]
    return f"{lay_out(header, body)}\nthreshold {threshold:.4f}, chosen on val"
