"""What a feature is: name, unit, code of the IBSI manual, and what is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

MM, MM2, MM3, PER_MM = "mm", "mm^2", "mm^3", "1/mm"
INTENSITY, INTENSITY2 = "intensity", "intensity^2"
BIN, BIN2, BIN3, BIN4 = "bin", "bin^2", "bin^3", "bin^4"
BIT, VOXELS, NUMBER = "bit", "voxels", "1"


@dataclass(frozen=True)
class Definition:
    """One feature.

    Attributes:
        unit: Unit of its values; ``1`` for plain numbers, ``bin`` for levels of the discretised image.
        ibsi: Code in the reference manual of the Image Biomarker Standardisation Initiative
            (arXiv:1612.07003), or empty for features that it does not have.
        text: What is computed.
    """

    unit: str
    ibsi: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """Return the definition as plain JSON content."""
        return asdict(self)


Definitions = Mapping[str, Definition]
"""Feature name to its definition, in the order of the tables."""


def ratio(numerator: float, denominator: float) -> float:
    """Divide; NaN where the denominator is zero."""
    return numerator / denominator if denominator else float("nan")
