"""What a phantom may look like: every number that generation draws from, with unit and range."""

from __future__ import annotations

from dataclasses import dataclass, fields

from brats3d.errors import ConfigError

Range = tuple[float, float]

_LIMITS: dict[str, Range] = {
    "head_variation": (0.0, 0.1),
    "ventricle_scale": (0.5, 2.0),
    "fold_depth_mm": (0.0, 30.0),
    "cortex_mm": (1.0, 6.0),
    "core_radius_mm": (6.0, 35.0),
    "rim_mm": (1.0, 20.0),
    "oedema_mm": (0.0, 25.0),
    "irregularity": (0.0, 0.5),
    "mass_effect": (0.0, 0.8),
    "probability_multifocal": (0.0, 1.0),
    "probability_without_et": (0.0, 1.0),
    "contrast_variation": (0.0, 0.3),
    "texture": (0.0, 0.3),
    "bias": (0.0, 0.5),
    "noise": (0.0, 0.3),
    "gain": (50.0, 3000.0),
}


@dataclass(frozen=True)
class PhantomParameters:
    """Ranges a phantom is drawn from.

    Pairs are (low, high) of a uniform draw, once per phantom or focus; equal ends fix the value.
    Lengths are millimetres in a head of adult size (about 170 mm from front to back).

    Attributes:
        head_variation: Largest relative change of each half-axis of the head, 0 to 0.1.
        ventricle_scale: Factor on the calibre of the ventricles, 0.5 to 2.
        fold_depth_mm: Depth of the sulci, 0 (smooth cortex) to 30.
        cortex_mm: Thickness of the cortical grey matter, 1 to 6.
        core_radius_mm: Radius of the tumour core (necrosis and enhancing rim), 6 to 35.
        rim_mm: Thickness of the enhancing rim, 1 to 20; a core thinner than this enhances wholly.
        oedema_mm: Reach of the oedema beyond the core, 0 to 25.
        irregularity: Standard deviation of the border as a fraction of the radius, 0 to 0.5.
        mass_effect: Share of the core's radius by which it pushes its surroundings away, 0 to 0.8.
        probability_multifocal: Chance of one or two more, smaller foci.
        probability_without_et: Chance of a tumour in which nothing enhances.
        contrast_variation: Largest relative change of each tissue's intensity, 0 to 0.3.
        texture: Standard deviation of the intensity within a tissue, relative, 0 to 0.3.
        bias: Standard deviation of the logarithm of the receive-coil field, 0 to 0.5.
        noise: Standard deviation of the Rician noise, as a fraction of white matter, 0 to 0.3.
        gain: Intensity of white matter in the stored image, drawn per modality, 50 to 3000.

    Raises:
        ConfigError: A value outside its range, or a pair in the wrong order.
    """

    head_variation: float = 0.04
    ventricle_scale: Range = (0.85, 1.35)
    fold_depth_mm: Range = (13.0, 18.0)
    cortex_mm: Range = (2.8, 3.4)
    core_radius_mm: Range = (16.0, 22.0)
    rim_mm: Range = (7.0, 9.0)
    oedema_mm: Range = (10.0, 15.0)
    irregularity: Range = (0.1, 0.18)
    mass_effect: Range = (0.3, 0.6)
    probability_multifocal: float = 0.25
    probability_without_et: float = 0.15
    contrast_variation: float = 0.06
    texture: float = 0.03
    bias: float = 0.08
    noise: Range = (0.02, 0.05)
    gain: Range = (200.0, 1200.0)

    def __post_init__(self) -> None:
        """Check every value against its range."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            low, high = _LIMITS[entry.name]
            ranged = isinstance(entry.default, tuple)
            ends = tuple(value) if ranged and isinstance(value, tuple | list) else (value,)
            numbers = all(isinstance(end, int | float) and low <= end <= high for end in ends)
            if not numbers or len(ends) != 1 + ranged or ends[0] > ends[-1]:
                pair = "two numbers, the lower first," if ranged else "a number"
                raise ConfigError(
                    f"phantom parameter {entry.name!r} out of range",
                    where=entry.name,
                    got=value,
                    expected=f"{pair} from {low:g} to {high:g}",
                )
            object.__setattr__(self, entry.name, ends if ranged else value)
