"""One phantom from a seed: anatomy, tumour and acquisition put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from brats3d.data.phantom.acquisition import acquire
from brats3d.data.phantom.anatomy import Coordinates, Outline, Tissues, make_tissues, outline
from brats3d.data.phantom.grid import Field, HeadGrid, head_grid, smooth_noise, soft_step
from brats3d.data.phantom.parameters import PhantomParameters
from brats3d.data.phantom.tumour import Tumour, draw_foci, grow, push_away
from brats3d.errors import ConfigError
from brats3d.imaging import Geometry
from brats3d.labels import CONVENTIONS

T = TypeVar("T", bound=np.generic)

CONVENTION = CONVENTIONS["brats2017"]
# Factor on the radii of a tumour from one visit to the next.
_GROWTH_PER_VISIT = 1.06


@dataclass(frozen=True, eq=False)
class Phantom:
    """A made-up examination whose truth is known.

    Attributes:
        images: Modality to intensities, float32 ``(X, Y, Z)``, whole numbers, 0 outside the brain.
        labels: Label values of the convention ``brats2017``, uint8 ``(X, Y, Z)``.
        brain: Bool ``(X, Y, Z)``.
        tissue: Healthy tissue, uint8 ``(X, Y, Z)``: 0 outside the brain and in the tumour,
            1 cerebrospinal fluid, 2 grey matter, 3 white matter.
        geometry: Grid of all arrays.
    """

    images: dict[str, NDArray[np.float32]]
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]
    tissue: NDArray[np.uint8]
    geometry: Geometry


def make_phantom(
    seed: int,
    size: tuple[int, int, int] = (96, 96, 96),
    *,
    parameters: PhantomParameters | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    visit: int = 0,
) -> Phantom:
    """Make a phantom; equal arguments give equal voxels.

    A seed keeps its anatomy and tumour at every size; only noise differs.

    Args:
        seed: Patient, 0 or more.
        size: Voxels along each axis, at least 32.
        parameters: Ranges to draw from.
        spacing_mm: Stored voxel size. None: isotropic, chosen so that an adult head fills the
            volume. Otherwise the head is scaled to fill the volume.
        visit: Same patient later: another acquisition, a larger tumour.

    Raises:
        ConfigError: A size, voxel size, seed or visit that cannot work.
    """
    for name, value in (("seed", seed), ("visit", visit)):
        if value < 0:
            raise ConfigError(f"negative {name}", where=name, got=value, expected="0 or more")
    chosen = PhantomParameters() if parameters is None else parameters
    grid = head_grid(size, spacing_mm)
    anatomy, lesion = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    scanner = np.random.default_rng([seed, 2, visit])

    stretch = 1 + chosen.head_variation * anatomy.uniform(-1, 1, 3).astype(np.float32)
    at = Coordinates(grid.x / stretch[0], grid.y / stretch[1], grid.z / stretch[2])
    shape = outline(at, np.float32(1.2) * smooth_noise(anatomy, grid, 30.0))
    foci = draw_foci(chosen, lesion, _GROWTH_PER_VISIT**visit)
    tumour = grow(grid, foci, chosen, lesion)
    pushed = push_away(_bend(at, grid, anatomy), foci, lesion.uniform(*chosen.mass_effect))
    swelling = np.float32(1.5) * soft_step(tumour.oedema, 4.0)
    tissues = make_tissues(grid, pushed, shape, swelling, chosen, anatomy)
    brain = shape.brain > 0
    shares, regions = _infiltrate(grid, shape, tissues, tumour)
    images = acquire(grid, shares, brain, chosen, scanner)
    return _whole_volume(grid, brain, images, regions & brain, tissues)


def _bend(at: Coordinates, grid: HeadGrid, rng: np.random.Generator) -> Coordinates:
    x, y, z = (np.float32(2.0) * smooth_noise(rng, grid, 35.0) for _ in range(3))
    return Coordinates(at.x + x, at.y + y, at.z + z)


def _infiltrate(
    grid: HeadGrid, shape: Outline, tissues: Tissues, tumour: Tumour
) -> tuple[dict[str, Field], NDArray[np.bool_]]:
    """Place the tumour into the tissues.

    Returns:
        Share of each tissue in each voxel, and masks of ET, TC and WT, bool ``(3, X, Y, Z)``.
    """
    blur = np.float32(0.5 * grid.voxel_mm)
    # The core closes ventricles in its way; the oedema goes round them and follows white matter.
    cerebrum = shape.cerebrum - np.float32(1.5)
    core = np.minimum(tumour.core, cerebrum)
    barrier = np.minimum(cerebrum, (0.5 - tissues.ventricles) * 4 * blur)
    cost_mm = gaussian_filter(7 * tissues.grey + 10 * tissues.csf, 2.2 / grid.voxel_mm, mode="nearest")
    follow = tumour.oedema - cost_mm
    whole = np.maximum(np.minimum(follow, barrier), core)
    necrosis = np.minimum(tumour.necrosis, core)
    tc, wt = soft_step(core, blur), soft_step(whole, blur)
    wt = np.maximum(wt, tc)
    dead = np.minimum(soft_step(necrosis, blur), tc)
    # Some of the tissue underneath shows through the oedema.
    ed = np.float32(0.88) * (wt - tc)
    rest = 1 - tc - ed
    sinus = _sagittal_sinus(grid, shape) * (1 - wt)
    shares = {
        "csf": tissues.csf * rest * (1 - sinus),
        "grey": tissues.grey * rest * (1 - sinus),
        "white": tissues.white * rest * (1 - sinus),
        "sinus": sinus,
        "oedema": ed,
    }
    et = np.zeros(core.shape, dtype=bool)
    if tumour.enhancing:
        shares |= {"necrosis": dead, "rim": tc - dead}
        et = (core > 0) & (necrosis <= 0)
    else:
        shares |= {"non-enhancing": tc}
    return shares, np.stack([et, core > 0, whole > 0])


def _sagittal_sinus(grid: HeadGrid, shape: Outline) -> Field:
    across = np.maximum(np.abs(grid.x) - 2.5, shape.brain - 3.5)
    return soft_step(np.minimum(-across, grid.z - 10), np.float32(0.5 * grid.voxel_mm))


def _whole_volume(
    grid: HeadGrid,
    brain: NDArray[np.bool_],
    images: dict[str, Field],
    regions: NDArray[np.bool_],
    tissues: Tissues,
) -> Phantom:
    def place(part: NDArray[T]) -> NDArray[T]:
        volume = np.zeros(grid.geometry.shape, dtype=part.dtype)
        volume[grid.window] = part
        return volume

    healthy = 1 + np.argmax(np.stack([tissues.csf, tissues.grey, tissues.white]), axis=0).astype(np.uint8)
    return Phantom(
        {modality: place(image) for modality, image in images.items()},
        place(CONVENTION.from_regions(regions)),
        place(brain),
        place(np.where(brain & ~regions[-1], healthy, np.uint8(0))),
        grid.geometry,
    )
