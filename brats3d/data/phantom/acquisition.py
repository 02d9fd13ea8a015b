"""From tissue to signal: contrasts of the four sequences, coil field, texture, Rician noise."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from brats3d.cases import MODALITIES
from brats3d.data.phantom.grid import Field, HeadGrid, smooth_noise
from brats3d.data.phantom.parameters import PhantomParameters

# Signal relative to white matter in the same sequence (t1, t1ce, t2, flair), after the usual
# appearance of gliomas: Bakas et al. 2018, section on the annotation protocol.
CONTRASTS: Mapping[str, tuple[float, float, float, float]] = MappingProxyType(
    {
        "csf": (0.32, 0.34, 2.10, 0.28),
        "grey": (0.76, 0.80, 1.32, 1.18),
        "white": (1.00, 1.00, 1.00, 1.00),
        "oedema": (0.76, 0.74, 1.85, 1.95),
        "rim": (0.80, 2.00, 1.45, 1.60),
        "necrosis": (0.48, 0.46, 2.05, 1.15),
        "non-enhancing": (0.54, 0.56, 2.05, 1.10),
        "sinus": (0.60, 1.25, 0.70, 0.60),
    }
)


def acquire(
    grid: HeadGrid,
    shares: Mapping[str, Field],
    brain: np.ndarray,
    parameters: PhantomParameters,
    rng: np.random.Generator,
) -> dict[str, Field]:
    """Form the four images.

    Args:
        grid: Voxel grid.
        shares: Share of each tissue in each voxel, names as in :data:`CONTRASTS`.
        brain: Bool ``(X, Y, Z)``; the result is 0 outside.
        parameters: Ranges to draw from.
        rng: Source of randomness.

    Returns:
        Modality to whole-numbered intensities, float32 ``(X, Y, Z)``, at least 1 inside the brain.
    """
    change = 1 + parameters.contrast_variation * rng.uniform(-1, 1, (len(CONTRASTS), len(MODALITIES)))
    grain = np.float32(parameters.texture) * smooth_noise(rng, grid, 5.0)
    images = {}
    for column, modality in enumerate(MODALITIES):
        signal = np.zeros(grid.shape, dtype=np.float32)
        for row, (tissue, contrasts) in enumerate(CONTRASTS.items()):
            if tissue in shares:
                signal += np.float32(contrasts[column] * change[row, column]) * shares[tissue]
        signal *= 1 + grain
        signal *= np.exp(np.float32(parameters.bias) * smooth_noise(rng, grid, 70.0))
        noisy = _rician(signal, rng.uniform(*parameters.noise), rng)
        low, high = np.log(parameters.gain)
        noisy *= np.float32(np.exp(rng.uniform(low, high)))
        images[modality] = np.where(brain, np.clip(np.rint(noisy), 1, 32767), np.float32(0))
    return images


def _rician(signal: Field, noise: float, rng: np.random.Generator) -> Field:
    """Magnitude of a signal with Gaussian noise in both receive channels (Gudbjartsson 1995)."""
    scale = np.float32(noise)
    real = signal + scale * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = scale * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.sqrt(real * real + imaginary * imaginary)
