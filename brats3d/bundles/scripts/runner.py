"""Inference and evaluation over a list of cases."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brats3d.bundles.scripts.siblings import convention_of
from brats3d.cases import Case
from brats3d.imaging import read_volume

logger = logging.getLogger(__name__)
Sample = dict[Any, Any]


class CaseRunner:
    """Segments one case after the other.

    Args:
        dataset: Prepared samples with ``image``, ``(C, *S)``.
        network: The network, with its weights.
        inferer: Batch and network to probabilities.
        postprocessing: Finishes and saves a sample with ``pred``.
        device: Where the network is.
    """

    def __init__(
        self,
        dataset: Sequence[Sample],
        network: nn.Module,
        inferer: Callable[[Tensor, nn.Module], Tensor],
        postprocessing: Callable[[Sample], Sample],
        device: torch.device,
    ) -> None:
        self.dataset = dataset
        self.network = network.eval()
        self.inferer = inferer
        self.postprocessing = postprocessing
        self.device = device

    def samples(self) -> Iterable[Sample]:
        """Yield the finished samples."""
        for index in range(len(self.dataset)):
            sample = dict(self.dataset[index])
            batch = sample["image"][None].to(self.device)
            sample["pred"] = self.inferer(batch, self.network)[0]
            logger.info("segmented %s (%d of %d)", sample["case"].case_id, index + 1, len(self.dataset))
            yield self.postprocessing(sample)

    def run(self) -> None:
        """Segment all cases."""
        for _ in self.samples():
            pass


class CaseEvaluator(CaseRunner):
    """Segments cases and scores them against their label maps.

    Writes ``dice.csv``: Dice per case and region, empty where reference and prediction both are.

    Args:
        labels: Label convention in its JSON form.
        output: File for the scores.
        runner: Arguments of :class:`CaseRunner`.
    """

    def __init__(self, *, labels: Mapping[str, Any], output: str, **runner: Any) -> None:
        super().__init__(**runner)
        self.convention = convention_of(labels)
        self.output = Path(output)

    def run(self) -> None:
        """Segment and score all cases."""
        names = self.convention.region_names
        rows = [(sample["case"].case_id, *self._dice(sample)) for sample in self.samples()]
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("case_id", *names))
            table.writerows(
                [case_id, *("" if np.isnan(d) else f"{d:.6f}" for d in dice)] for case_id, *dice in rows
            )
        for name, dice in zip(names, np.array([row[1:] for row in rows], dtype=float).T, strict=True):
            scored = dice[~np.isnan(dice)]
            logger.info("Dice %s: %s", name, f"{scored.mean():.4f}" if scored.size else "no case has it")

    def _dice(self, sample: Sample) -> list[float]:
        case: Case = sample["case"]
        case.require((), label=True)
        assert case.label is not None
        reference = self.convention.check(read_volume(case.label)[0], case.label)
        expected = self.convention.to_regions(reference)
        found = self.convention.to_regions(np.asarray(sample["pred"][0], dtype=np.uint8))
        sizes = [int(a.sum() + b.sum()) for a, b in zip(found, expected, strict=True)]
        shared = [int((a & b).sum()) for a, b in zip(found, expected, strict=True)]
        return [2 * both / size if size else float("nan") for both, size in zip(shared, sizes, strict=True)]
