# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Weights of published classifiers for encoders: read, fitted to other images, and accounted for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY
from scripts.core.models.encoders.encoder import Encoder
from scripts.core.models.encoders.state_files import read_state

logger = logging.getLogger(__name__)

SMALLEST_SHARE = 0.5
"""Share of an encoder's weights that a file must hold to count as its weights."""
COLOURS = 3
_KEY = f"{PARAMS_KEY}.pretrained"
_PREFIXES = ("", "module.", "model.", "encoder.", "network.encoder.")
_COUNTER = "num_batches_tracked"  # of batch norm; old files lack it, and nothing computed depends on it


@dataclass(frozen=True)
class PretrainedReport:
    """What became of the weights of a file.

    Attributes:
        used: Names of the weights that were taken over.
        missing: Weights of the encoder that the file lacks; they keep their fresh values.
        unexpected: Weights of the file that the encoder does not know.
        reshaped: Weights of another shape in the file, not used: name to ``(in file, in encoder)``.
        left_out: Weights of the classifier, which an encoder has no use for.
        channels: Channels that the first convolution was adapted to; None: it is the file's own.
    """

    used: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    left_out: tuple[str, ...]
    channels: int | None

    def __str__(self) -> str:
        """Counts, and the first names of each kind that went wrong."""
        parts = [f"{len(self.used)} weights used, {len(self.left_out)} of the classifier left out"]
        if self.channels is not None:
            parts.append(f"first convolution adapted to {self.channels} channels")
        shapes = [f"{name} {mine} instead of {own}" for name, (mine, own) in self.reshaped.items()]
        for kind, names in (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("differently shaped", shapes),
        ):
            more = ", ..." if len(names) > 5 else ""
            parts += [f"{len(names)} {kind}: {', '.join(names[:5])}{more}"] if names else []
        return "; ".join(parts)


def load_pretrained(encoder: Encoder, path: str | Path) -> PretrainedReport:
    """Take over the weights of a state dict as far as they fit; they are logged as a report.

    The first convolution is adapted to the channels of the encoder (:func:`adapt_colours`). Nothing is
    changed if the file does not fit.

    Args:
        encoder: Encoder of two dimensions.
        path: File that ``torch.save`` wrote (read without running code from it), or ``.safetensors``.

    Raises:
        ConfigError: Three dimensions; no such file; no state dict; or one that holds less than half of
            the encoder's weights.
        MissingExtraError: ``safetensors`` is needed and not installed.
    """
    if not isinstance(path, str | Path):
        raise ConfigError(
            "pretrained is the path of a file", where=_KEY, got=path, expected="such as vgg19.pth"
        )
    own = encoder.state_dict()
    if own[encoder.first_convolution].ndim != 4:
        raise ConfigError(
            "pretrained weights are those of images",
            where=_KEY,
            got="an encoder of three dimensions",
            expected="model.spatial_dims: 2",
            remedy="leave out pretrained, or use slices",
        )
    file = Path(path).expanduser()
    state = _without_prefix(read_state(file, _KEY), own)
    report, fitting = _compare(encoder, state, own)
    countable = [name for name in own if not name.endswith(_COUNTER)]
    if len(report.used) < SMALLEST_SHARE * len(countable):
        raise ConfigError(
            "the weights belong to another network",
            where=f"{_KEY}: {file}",
            got=f"{report}",
            expected=f"the {len(countable)} weights of {type(encoder).__name__}, such as "
            f"{encoder.first_convolution} {tuple(own[encoder.first_convolution].shape)}",
            remedy="take the state dict that torchvision offers for this encoder",
        )
    encoder.load_state_dict(fitting, strict=False)
    logger.info("pretrained weights %s: %s", file, report)
    return report


def adapt_colours(weight: Tensor, channels: int) -> Tensor:
    """Make a convolution of colour images one of ``channels`` channels.

    Each channel gets the sum over the colours divided by ``channels``: an image that is the same in all
    channels gives what a grey image gave. For three channels the weights are left as they are.

    Args:
        weight: Kernel ``(outputs, 3, H, W)``.
        channels: Channels of the images to come.

    Returns:
        Kernel ``(outputs, channels, H, W)``.
    """
    if channels == weight.shape[1]:
        return weight
    grey = weight.sum(dim=1, keepdim=True) / channels
    return grey.expand(-1, channels, -1, -1).contiguous()


def _compare(
    encoder: Encoder, state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[PretrainedReport, dict[str, Tensor]]:
    """Return what becomes of each weight, and those that fit."""
    first = encoder.first_convolution
    adapted = dict(state)
    channels = own[first].shape[1]
    is_colour = first in state and state[first].ndim == 4 and state[first].shape[1] == COLOURS
    if is_colour:
        adapted[first] = adapt_colours(state[first], channels)
    left_out = [name for name in adapted if name.startswith(encoder.left_out)]
    shared = [name for name in adapted if name in own]
    fitting = {name: adapted[name] for name in shared if adapted[name].shape == own[name].shape}
    report = PretrainedReport(
        used=tuple(name for name in fitting if not name.endswith(_COUNTER)),
        missing=tuple(name for name in own if name not in adapted and not name.endswith(_COUNTER)),
        unexpected=tuple(name for name in adapted if name not in own and name not in left_out),
        reshaped={
            name: (tuple(state[name].shape), tuple(own[name].shape)) for name in shared if name not in fitting
        },
        left_out=tuple(left_out),
        channels=channels if is_colour and channels != COLOURS else None,
    )
    return report, fitting


def _without_prefix(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights without what training programs write before their names."""

    def stripped(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

    return max(map(stripped, _PREFIXES), key=lambda renamed: len(own.keys() & renamed.keys()))
