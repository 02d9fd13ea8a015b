"""Dice, IoU and accuracy while a network trains: of whole cases, and of training batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brats3d.metrics import evaluate_case
from brats3d.models.heads import Head

CaseScores = Mapping[str, Sequence[float]]


def case_scores(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], regions: Sequence[str], case_id: str
) -> dict[str, list[float]]:
    """Score a whole case.

    Args:
        prediction: Region masks, bool ``(R, *S)``.
        reference: The same by the label map.
        regions: Names of the regions.
        case_id: Case.

    Returns:
        ``dice`` and ``iou`` of each region (1 where both masks are empty, 0 where one is), and in
        ``accuracy`` the share of voxels that all masks have right.
    """
    scores = evaluate_case(
        prediction,
        reference,
        spacing_mm=(1.0,) * prediction[0].ndim,  # Dice needs none
        regions=regions,
        case_id=case_id,
        only=("dice",),
    )
    dice = [row["dice"] for row in scores.rows]
    return {
        "dice": dice,
        "iou": [value / (2 - value) for value in dice],
        "accuracy": [float((prediction == reference).all(axis=0).mean())],
    }


def mean_scores(case_scores: Mapping[str, CaseScores], regions: Sequence[str]) -> dict[str, float]:
    """Average over cases, for logging.

    Args:
        case_scores: Case id to scores by name: a list of one value, or of one per region.
        regions: Names of the regions.

    Returns:
        For each score its mean, and ``NAME_REGION`` where it has a value per region.
    """
    ordered = [case_scores[case_id] for case_id in sorted(case_scores)]
    found: dict[str, float] = {}
    for name in ordered[0] if ordered else ():
        means = np.mean([scores[name] for scores in ordered], axis=0)
        if len(means) > 1 or name in ("dice", "iou"):
            found |= {f"{name}_{region}": float(m) for region, m in zip(regions, means, strict=True)}
        found[name] = float(means.mean())
    return found


@torch.no_grad()
def batch_scores(logits: Tensor, classes: Tensor, head: Head) -> Tensor:
    """Score a batch on the device it is on, without waiting for it.

    Args:
        logits: ``(B, out, *S)``.
        classes: Class indices ``(B, 1, *S)``.
        head: Meaning of the logits.

    Returns:
        Float32 ``(2,)``: mean over regions of the Dice of all patches together (1 where both are
        empty), and the share of voxels that all regions have right.
    """
    predicted = head.probabilities(logits) > 0.5
    reference = head.regions(classes)
    axes = (0, *range(2, predicted.ndim))
    both = (predicted & reference).sum(axes)
    either = predicted.sum(axes) + reference.sum(axes)
    dice = torch.where(either > 0, 2 * both / either.clamp(min=1), torch.ones_like(both, dtype=torch.float32))
    return torch.stack([dice.mean(), (predicted == reference).all(1).float().mean()])
