"""A model that visitors can choose, known by its settings before its weights are loaded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from brats3d.errors import LabelError
from brats3d.labels import LabelConvention
from brats3d.reporting.palette import region_colours, tissue_colours
from brats3d.viewer.rules import LabelRules

if TYPE_CHECKING:
    from brats3d.workflows.segmentation import Segmentation

Kind = Literal["run", "bundle", "classical"]


@dataclass(frozen=True, eq=False)
class OfferedModel:
    """One of the models of a service.

    Attributes:
        id: Name in addresses; letters, digits, ``_``, ``-`` and ``.``.
        title: What visitors read.
        kind: What it was made from.
        dimensions: 3, or 2 for a network that segments a volume slice by slice, or a picture.
        modalities: Modalities a case must have.
        convention: Regions, and the label values it was trained with.
        rules: From its probabilities to classes.
        open: Loads it, or returns what was loaded before; what is loaded may be used inside the context.
        gated: Whether a classifier first decides if there is anything to segment.
    """

    id: str
    title: str
    kind: Kind
    dimensions: int
    modalities: tuple[str, ...]
    convention: LabelConvention
    rules: LabelRules
    open: Callable[[], AbstractContextManager[Segmentation]]
    gated: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content; the value of a class is its index, as in the overlay."""
        return {
            "id": self.id,
            "title": self.title,
            "kind": self.kind,
            "gated": self.gated,
            "dimensions": self.dimensions,
            "modalities": list(self.modalities),
            "regions": region_rows(self),
            "classes": class_rows(self.convention, self.convention),
        }


def region_rows(model: OfferedModel) -> list[dict[str, Any]]:
    """Name, colour and own threshold of each region; the threshold is None where it cannot be moved."""
    names = model.convention.region_names
    own = model.rules.thresholds or {}
    return [
        {"name": name, "colour": colour, "threshold": own.get(name)}
        for name, colour in region_colours(names).items()
    ]


def class_rows(convention: LabelConvention, values: LabelConvention) -> list[dict[str, Any]]:
    """Name, index (``value``), colour, and value in label maps (``label``) of each class but the background.

    Args:
        convention: Names the classes.
        values: Convention of the label map; one without a value for a class gives None.
    """
    names = convention.class_names[1:]
    return [
        {"name": name, "value": index, "colour": colour, "label": _label_of(index, values)}
        for index, (name, colour) in enumerate(tissue_colours(names).items(), start=1)
    ]


def _label_of(index: int, values: LabelConvention) -> int | None:
    try:
        return int(values.from_classes(np.array([index], dtype=np.uint8))[0])
    except LabelError:
        return None
