"""Changes of intensity of one sample on its device, in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from brats3d.transforms.batch_augmentation.draws import Draws
from brats3d.transforms.batch_augmentation.smoothing import along_axes, blur_matrix, low_resolution_matrix
from brats3d.transforms.batch_augmentation.transfer import moved

_TINY = 1e-7  # keeps the power law of an even channel finite


def change_intensities(image: Tensor, draws: Draws) -> None:
    """Change the intensities of one image; voxels that are zero stay zero.

    Args:
        image: float32 ``(C, *S)``, changed in place.
        draws: What happens to it.
    """
    if not draws.changes_intensities:
        return
    # As float32, several times faster than as bool on CPUs.
    signals = {channel: image[channel].clone().ne_(0) for channel in _spread(draws, len(image))}
    if draws.noise_std > 0:
        _add_noise(image, draws.noise_std, draws.noise_seed)
    if draws.blurs:
        _smooth(image, draws.blurs, blur_matrix)
    if draws.offsets:
        image.add_(_per_channel(draws.offsets, image))
    if draws.factors:
        image.mul_(_per_channel(draws.factors, image))
    if draws.zooms:
        dims = image.ndim - 1
        _smooth(image, {c: (zoom,) * dims for c, zoom in draws.zooms.items()}, low_resolution_matrix)
    if draws.gammas:
        _apply_power_laws(image, draws.gammas, draws.inverted)
    for channel in draws.dropped:
        image[channel].zero_()
    for channel, signal in signals.items():
        image[channel].mul_(signal)


def _spread(draws: Draws, channels: int) -> Sequence[int]:
    """Channels in which voxels that are zero may become something else."""
    if draws.noise_std > 0 or draws.offsets or draws.gammas:
        return range(channels)
    return sorted({*(draws.blurs or ()), *(draws.zooms or ())})


def _add_noise(image: Tensor, std: float, seed: int) -> None:
    generator = torch.Generator(image.device).manual_seed(seed)
    image.add_(torch.randn(image.shape, generator=generator, device=image.device), alpha=std)


def _smooth(
    image: Tensor,
    strengths: Mapping[int, Sequence[float]],
    matrix: Callable[[float, int], Tensor],
) -> None:
    """Multiply channels with the ``matrix`` of their strength along each axis."""
    for channel, of_axes in strengths.items():
        sides = image.shape[1:]
        matrices = [
            moved(matrix(strength, side), image.device) for strength, side in zip(of_axes, sides, strict=True)
        ]
        image[channel] = along_axes(image[channel], matrices)


def _apply_power_laws(image: Tensor, gammas: Sequence[float], inverted: Sequence[bool]) -> None:
    """Power law between minimum and maximum of each channel; its mean and deviation are kept."""
    flat = image.view(len(image), -1)
    sign = _per_channel([-1.0 if upside_down else 1.0 for upside_down in inverted], flat)
    mean, deviation = _centre(flat)
    flat.mul_(sign)
    low, high = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
    flat.sub_(low).div_(high - low + _TINY).pow_(_per_channel(gammas, flat))
    _, curved = _centre(flat)
    flat.mul_(sign * deviation / (curved + _TINY)).add_(mean)


def _centre(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the mean of each row in place; return the means and the standard deviations."""
    mean = flat.mean(dim=1, keepdim=True)
    flat.sub_(mean)
    deviation = torch.linalg.vector_norm(flat, dim=1, keepdim=True) / max(1, flat.shape[1] - 1) ** 0.5
    return mean, deviation


def _per_channel(values: Sequence[float], image: Tensor) -> Tensor:
    """Return ``values`` as a tensor that is broadcast over the voxels of ``image``."""
    shape = (len(values),) + (1,) * (image.ndim - 1)
    return moved(torch.tensor(values, dtype=torch.float32).reshape(shape), image.device)
