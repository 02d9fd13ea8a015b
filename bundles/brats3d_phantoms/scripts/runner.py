# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Inference and evaluation over a list of cases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scripts.siblings import convention_of
from scripts.core.cases import Case
from scripts.core.errors import DataError
from scripts.core.files import write_json
from scripts.core.imaging import Geometry, read_volume
from scripts.core.metrics.lesion_table import write_lesions_csv
from scripts.core.metrics.profiles import PROFILES
from scripts.core.metrics.region_table import CaseScores, evaluate_case
from scripts.core.metrics.summary import format_table, summarise
from scripts.core.metrics.tables import write_metrics_csv
from scripts.core.registry import look_up

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
    """Segments cases and scores them against their label maps, as ``brats3d evaluate`` does.

    Writes ``metrics.csv`` (a row per case and region), ``lesions.csv`` (a row per lesion) and
    ``metrics.json`` (statistics, definitions, rules) beside the label maps.

    Args:
        labels: Label convention in its JSON form.
        profile: Rules of the scores: ``brats2023-gli``, ``brats2025`` ...
        check_affine: Whether the headers of images and label maps must agree; shapes always must.
        output_dir: Folder for the scores.
        runner: Arguments of :class:`CaseRunner`.

    Raises:
        ConfigError: An unknown profile.
    """

    def __init__(
        self,
        *,
        labels: Mapping[str, Any],
        profile: str,
        check_affine: bool,
        output_dir: str,
        **runner: Any,
    ) -> None:
        super().__init__(**runner)
        self.convention = convention_of(labels)
        self.profile = look_up(PROFILES, profile, "profile")
        self.check_affine = check_affine
        self.folder = Path(output_dir)

    def run(self) -> None:
        """Segment and score all cases.

        Raises:
            DataError: A case has no label map, or one on another grid than its images.
        """
        scored = [self._score(sample) for sample in self.samples()]
        rows = [row for scores in scored for row in scores.rows]
        write_metrics_csv(self.folder / "metrics.csv", rows)
        write_lesions_csv(self.folder / "lesions.csv", [row for scores in scored for row in scores.lesions])
        write_json(self.folder / "metrics.json", summarise(rows, profile=self.profile))
        logger.info("scores of %d cases\n%s", len(scored), format_table(rows))

    def _score(self, sample: Sample) -> CaseScores:
        case: Case = sample["case"]
        case.require((), label=True)
        assert case.label is not None
        voxels, grid = read_volume(case.label)
        self._check_grid(sample["restoration"].geometry, grid, case)
        return evaluate_case(
            self.convention.to_regions(np.asarray(sample["pred"][0], dtype=np.uint8)),
            self.convention.to_regions(self.convention.check(voxels, case.label)),
            spacing_mm=grid.spacing_mm,
            regions=self.convention.region_names,
            case_id=case.case_id,
            profile=self.profile,
        )

    def _check_grid(self, images: Geometry, label: Geometry, case: Case) -> None:
        difference = images.difference(label)
        if difference is None or not (self.check_affine or images.shape != label.shape):
            return
        raise DataError(
            "the label map lies on another grid than the images",
            where=f"{case.case_id}: {case.label}",
            got=difference,
            expected="the grid of the images",
            remedy="export it on their grid; where the headers differ but the voxels are known to line up, "
            "set check_affine to false",
        )
