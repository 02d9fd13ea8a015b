"""Look-alikes of chest X-rays with lung masks: two dark ellipses in a bright one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from brats3d.data.phantom.lookalikes.lookalike import Files, Lookalike, Wanted, encoded, mask_pixels

_SIDES = ("right", "left")  # as they lie in the picture, where the patient's right is on the left


def make_chest(seed: int, columns: int, rows: int) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.bool_]]]:
    """Make one made-up X-ray.

    Returns:
        Pixels, uint8 ``(rows, columns)``, and the mask of each lung.
    """
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    y, x = y / rows, x / columns
    body = _ellipse(x, y, (0.5, 0.55), (0.46, 0.6))
    lungs = {}
    for side, centre in zip(_SIDES, (0.3, 0.7), strict=True):
        shift_x, shift_y = generator.uniform(-0.02, 0.02, 2)
        radii = (generator.uniform(0.1, 0.14), generator.uniform(0.24, 0.32))
        lungs[side] = _ellipse(x, y, (centre + shift_x, 0.48 + shift_y), radii)
    bright = np.where(body, 170.0, 8.0)
    for lung in lungs.values():
        bright[lung] = generator.uniform(60, 90)
    # Ribs: bands across the body, which make the lungs more than constant.
    bright += body * 12 * np.sin(2 * np.pi * (y * generator.uniform(8, 11) + 0.3 * np.abs(x - 0.5)))
    blurred = ndimage.gaussian_filter(bright, max(rows, columns) / 128)
    noisy = blurred + generator.normal(0, 4, bright.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), lungs


def _ellipse(
    x: NDArray[np.floating], y: NDArray[np.floating], centre: tuple[float, float], radii: tuple[float, float]
) -> NDArray[np.bool_]:
    return ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1


def _montgomery_name(number: int) -> str:
    return f"MCUCXR_{number + 1:04d}_{number % 2}"


def _kaggle_name(number: int) -> str:
    return f"CHNCXR_{number + 1:04d}_{number % 2}"


def _montgomery_files(wanted: Wanted) -> Files:
    pixels, lungs = make_chest(wanted.seed_of(wanted.number), *wanted.size[:2])
    name = f"{_montgomery_name(wanted.number)}.png"
    files = {f"CXR_png/{name}": encoded(pixels, "PNG")}
    if wanted.labelled:
        for side, lung in lungs.items():
            files[f"ManualMask/{side}Mask/{name}"] = encoded(mask_pixels(lung), "PNG")
    return files


def _kaggle_files(wanted: Wanted) -> Files:
    pixels, lungs = make_chest(wanted.seed_of(wanted.number), *wanted.size[:2])
    name = _kaggle_name(wanted.number)
    files = {f"CXR_png/{name}.png": encoded(pixels, "PNG")}
    if wanted.labelled:
        mask = np.logical_or.reduce(list(lungs.values()))
        files[f"masks/{name}_mask.png"] = encoded(mask_pixels(mask), "PNG")
    return files


MONTGOMERY = Lookalike(lambda number: f"CXR_png/{_montgomery_name(number)}.png", _montgomery_files)
CHEST_XRAY = Lookalike(lambda number: f"CXR_png/{_kaggle_name(number)}.png", _kaggle_files)
