"""What is kept of a segmentation: enough to make labels of it again at any thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.errors import ConfigError, closest_first
from brats3d.imaging import PIXEL, Geometry
from brats3d.labels import LabelConvention
from brats3d.postprocessing.postprocessing import DEFAULT_THRESHOLD
from brats3d.viewer.files_on_demand import FilesOnDemand
from brats3d.viewer.kept import Box, KeptProbabilities
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.reference import Reference

Thresholds = tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A segmented case.

    Attributes:
        case: Its files, and the label values of its label map.
        model: What segmented it.
        values: Label values of the result, with the regions of the model.
        geometry: Grid of the files.
        probabilities: On that grid.
        reference: The label map of the case, if it has one that fits.
        reference_problem: Why it does not fit.
        gate: What the gate decided, if there was one.
        seconds: How long it took.
        files: Where it is kept.
    """

    case: Case
    model: OfferedModel
    values: LabelConvention
    geometry: Geometry
    probabilities: KeptProbabilities
    reference: Reference | None
    reference_problem: str | None
    gate: Mapping[str, Any] | None
    seconds: float
    files: FilesOnDemand

    @property
    def is_plane(self) -> bool:
        """Whether the case is a picture: one plane, in pixels."""
        return self.geometry.unit == PIXEL and self.geometry.shape[2] == 1

    def complete(self, thresholds: Mapping[str, float] | None) -> Thresholds:
        """Every region with its threshold: the given one, else the model's own.

        Raises:
            ConfigError: An unknown region, a threshold that is not between 0 and 1, or a model whose
                result has no thresholds.
        """
        own = self.model.rules.thresholds
        for name, threshold in (thresholds or {}).items():
            if own is None:
                raise ConfigError(
                    "this model gives labels and no probabilities",
                    where=name,
                    got=f"a threshold of {threshold:g}",
                    remedy="leave out the thresholds",
                )
            if name not in own:
                choices = closest_first(name, own)
                raise ConfigError(
                    f"a threshold for the region {name!r}, which is not predicted",
                    where=name,
                    got=name,
                    expected="one of " + ", ".join(choices),
                    remedy=f"did you mean {choices[0]!r}?",
                )
            if not 0 < threshold < 1:
                raise ConfigError(
                    "a threshold that cannot work", where=name, got=threshold, expected="between 0 and 1"
                )
        return tuple({**(own or {}), **(thresholds or {})}.items())

    def classes_at(self, thresholds: Thresholds) -> tuple[Box, NDArray[np.uint8]]:
        """Class indices at thresholds as :meth:`complete` gives them, in a box that holds all tumour.

        Raises:
            JobGone: The probabilities have been deleted.
        """
        with self.files.reading():
            return _classes_at(self, thresholds)

    def whole_probabilities(self) -> NDArray[np.float32]:
        """Probabilities ``(R, X, Y, Z)`` on the grid of the files.

        Raises:
            JobGone: They have been deleted.
        """
        with self.files.reading():
            return self.probabilities.whole()

    def scores_at(self, thresholds: Thresholds) -> list[dict[str, Any]] | None:
        """Agreement with the reference, see :meth:`Reference.scores`; None where there is none.

        Raises:
            JobGone: It has been deleted.
        """
        with self.files.reading():
            return _scores_at(self, thresholds)


# A few, so that a slider that comes back and a download after a look need not wait; in memory they are
# a byte for each voxel of the box.
@lru_cache(maxsize=8)
def _classes_at(outcome: Outcome, thresholds: Thresholds) -> tuple[Box, NDArray[np.uint8]]:
    chosen = dict(thresholds)
    box, probabilities = outcome.probabilities.above(min(chosen.values(), default=DEFAULT_THRESHOLD))
    volume_ml = outcome.geometry.voxel_volume_ml
    classes = outcome.model.rules.classes(np.asarray(probabilities), chosen, volume_ml)
    classes.setflags(write=False)
    return box, classes


# Distances between surfaces take longer than anything else that a result says.
@lru_cache(maxsize=64)
def _scores_at(outcome: Outcome, thresholds: Thresholds) -> list[dict[str, Any]] | None:
    if outcome.reference is None:
        return None
    return outcome.reference.scores(*_classes_at(outcome, thresholds))


def forget_latest() -> None:
    """Let go of the labels and scores that were made last; those of a deleted result are among them."""
    _classes_at.cache_clear()
    _scores_at.cache_clear()
