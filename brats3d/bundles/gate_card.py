"""What the model card says of a gate before the networks of a bundle."""

from __future__ import annotations

from brats3d.bundles.gate_source import GATE_WEIGHTS, GateSource

_GATE = f"""
The gate is `{GATE_WEIGHTS}`, a network in PyTorch; every other file of `models/` holds the segmentation
alone and is asked after the gate. `--inferer#threshold 0` has everything segmented.
"""

_TRAINING_BEHIND = """
This trains the segmentation; the gate stays as it is, and validation does without it.
"""


def behind(gate: GateSource | None) -> str:
    """What stands before the networks, in the words of the title; nothing without a gate."""
    if gate is None:
        return ""
    return (
        f"\nIt stands behind a gate, the classifier {gate.name} (a {gate.config.model.spatial_dims}-D "
        f"`{gate.config.model.name}`, `{GATE_WEIGHTS}`):\n{gate.judged} with a confidence of tumour below "
        f"{gate.threshold:.4g} are not segmented, and what it misses stays empty."
    )


def gate_scores(gate: GateSource) -> str:
    """Section on what the gate skips of the cases that its run held out."""
    scores = gate.summary
    if not {"split", "threshold", "images", "auc", "false_negatives", "skipped_share"} <= scores.keys():
        return "## Metrics of the gate\n\nNone: the training of the classifier did not come to its end."
    auc = "not defined" if scores["auc"] is None else f"{scores['auc']:.4g}"
    return f"""
## Metrics of the gate on its {scores["split"]} cases

At the threshold {scores["threshold"]:.4g} it skips {scores["skipped_share"]:.1%} of {scores["images"]} \
images, among them {scores["false_negatives"]} with tumour.
Area under the ROC curve: {auc}."""


def how_gates_run(training: str) -> str:
    """Files and settings of the gate, and what the section on training (if any) means behind one."""
    return _GATE + (training and f"{training}{_TRAINING_BEHIND}")
