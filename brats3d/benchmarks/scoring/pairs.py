"""Pairs of label maps to score: a large tumour, many small lesions, or two files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from brats3d.data.phantom import PhantomParameters, make_phantom
from brats3d.errors import DataError
from brats3d.imaging import read_volume
from brats3d.labels import CONVENTIONS, Region, convention_named

CONVENTION = CONVENTIONS["brats2024-gli"]
"""That of the pairs, because brats-evaluation reads it."""
RANKED = CONVENTION.regions
TISSUES = tuple(
    Region(name, frozenset({tissue})) for name, tissue in (("SNFH", "ED"), ("NETC", "NETC"), ("RC", "RC"))
)

Labels = NDArray[np.uint8]
Size = tuple[int, int, int]

# At 240 x 240 x 155 voxels of 1 mm the tumour of this phantom has 137,905 voxels, in proportions as usual.
_PATIENT = 4
_LESIONS, _MISSED, _INVENTED = 30, 5, 5


@dataclass(frozen=True, eq=False)
class Pair:
    """Two label maps of :data:`CONVENTION` on one grid.

    Attributes:
        title: What it is.
        prediction: Uint8 ``(X, Y, Z)``.
        reference: Uint8 ``(X, Y, Z)``.
        spacing_mm: Voxel size along each axis.
    """

    title: str
    prediction: Labels
    reference: Labels
    spacing_mm: tuple[float, float, float]

    def save(self, path: Path) -> None:
        """Write the pair for :mod:`brats3d.benchmarks.scoring.worker`."""
        regions = (*RANKED, *TISSUES)
        np.savez(
            path,
            prediction=self.prediction,
            reference=self.reference,
            spacing_mm=np.asarray(self.spacing_mm),
            regions=np.asarray([region.name for region in regions]),
            ranked=len(RANKED),
            members=np.stack([_members(region.tissues) for region in regions]),
        )


def large_tumour(size: Size) -> Pair:
    """A phantom's tumour; the prediction has another border and four small islands far away.

    Args:
        size: Voxels along each axis, at least 32; of 1 mm.
    """
    rng = np.random.default_rng(0)
    parameters = PhantomParameters(probability_multifocal=0.0, probability_without_et=0.0)
    phantom = make_phantom(_PATIENT, size, parameters=parameters, spacing_mm=(1.0, 1.0, 1.0))
    reference = _relabelled(phantom.labels, "brats2017")
    prediction = _deformed(reference, rng)
    places = rng.uniform(0.15, 0.85, (200, 3)) * size
    tumour = np.argwhere(reference)[::50]
    away = np.linalg.norm(places[:, None] - tumour, axis=2).min(axis=1)
    for centre in places[np.argsort(away)[-4:]]:
        _add_lesion(prediction, centre, 3.0 * min(size) / 155)
    return Pair(_title("large tumour", reference), prediction, reference, (1.0, 1.0, 1.0))


def many_lesions(size: Size) -> Pair:
    """Thirty small round lesions; the prediction has other borders, misses five and invents five.

    Args:
        size: Voxels along each axis, of 1 mm.
    """
    rng = np.random.default_rng(1)
    scale = min(size) / 155
    radii = rng.uniform(2.5, 8.0, _LESIONS + _INVENTED) * scale
    centres: list[NDArray[np.float64]] = []
    while len(centres) < len(radii):
        place = rng.uniform(-1, 1, 3)
        centre = (0.5 + 0.38 * place) * size
        if np.linalg.norm(place) <= 1 and all(np.linalg.norm(centre - own) > 24 * scale for own in centres):
            centres.append(centre)
    reference, prediction = np.zeros(size, dtype=np.uint8), np.zeros(size, dtype=np.uint8)
    for number, (centre, radius) in enumerate(zip(centres, radii, strict=True)):
        if number < _LESIONS:
            _add_lesion(reference, centre, radius)
        if number >= _MISSED:
            _add_lesion(prediction, centre, radius)
    return Pair(
        _title(f"{_LESIONS} lesions", reference), _deformed(prediction, rng), reference, (1.0, 1.0, 1.0)
    )


def from_files(prediction: str, reference: str, convention: str) -> Pair:
    """Read two label maps.

    Args:
        prediction: NIfTI file.
        reference: NIfTI file on the same grid.
        convention: Label convention of both.

    Raises:
        ConfigError: Unknown convention.
        DataError: A file that cannot be read, or grids that differ.
        LabelError: A value outside the convention.
    """
    values, geometry = read_volume(Path(prediction))
    own_values, own_geometry = read_volume(Path(reference))
    difference = own_geometry.difference(geometry)
    if difference is not None:
        raise DataError("prediction and reference are not on one grid", where=prediction, got=difference)
    known = convention_named(convention, "convention")
    own = _relabelled(known.check(own_values, reference), convention)
    made = _relabelled(known.check(values, prediction), convention)
    return Pair(_title(Path(reference).name, own), made, own, own_geometry.spacing_mm)


def _relabelled(labels: Labels, convention: str) -> Labels:
    """From another convention to :data:`CONVENTION`, by way of the regions."""
    return CONVENTION.from_regions(CONVENTIONS[convention].to_regions(labels))


def _members(tissues: Iterable[str]) -> NDArray[np.bool_]:
    inside = np.zeros(256, dtype=bool)
    inside[[value for value, tissue in CONVENTION.tissues.items() if tissue in tissues]] = True
    return inside


def _value(tissue: str) -> int:
    return next(value for value, own in CONVENTION.tissues.items() if own == tissue)


def _title(what: str, reference: Labels) -> str:
    voxels = int(np.count_nonzero(reference))
    return f"{what}: {' x '.join(map(str, reference.shape))}, {voxels:,} voxels"


def _add_lesion(labels: Labels, centre: NDArray[np.float64], radius: float) -> None:
    """Draw a ball of oedema with an enhancing core that is necrotic inside."""
    low = np.maximum(np.floor(centre - radius).astype(int), 0)
    high = np.minimum(np.ceil(centre + radius).astype(int) + 1, labels.shape)
    box = tuple(slice(start, stop) for start, stop in zip(low.tolist(), high.tolist(), strict=True))
    grid = np.indices(labels[box].shape).reshape(3, -1).T + low
    distance = np.linalg.norm(grid - centre, axis=1).reshape(labels[box].shape)
    for tissue, share in (("ED", 1.0), ("ET", 0.7), ("NETC", 0.35)):
        labels[box][distance <= share * radius] = _value(tissue)


def _deformed(labels: Labels, rng: np.random.Generator) -> Labels:
    """Shift the borders smoothly, by about a voxel and a half in volumes of usual size."""
    strength = 1.5 * min(labels.shape) / 155
    filled = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    box = tuple(
        slice(max(0, own.start - 4), min(length, own.stop + 4))
        for own, length in zip(filled, labels.shape, strict=True)
    )
    places = np.indices(labels[box].shape, dtype=np.float32)
    for axis in places:
        shift = ndimage.gaussian_filter(rng.standard_normal(axis.shape, dtype=np.float32), 5.0)
        axis += strength * shift / shift.std()
    deformed = np.zeros_like(labels)
    deformed[box] = ndimage.map_coordinates(labels[box], places, order=0)
    return deformed
