"""``dataset.json`` of the Medical Segmentation Decathlon and nnU-Net: what the channels of images are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from brats3d.data.layouts.dataset_json import FILE_NAME, read_dataset_json
from brats3d.data.layouts.tree import Tree
from brats3d.errors import Brats3dError
from brats3d.viewer.uploads.names import stem
from brats3d.viewer.uploads.parsers import strangers_file
from brats3d.viewer.uploads.volumes import PICTURE, Volume

_LARGEST = 1 << 20
_CHANNEL = re.compile(r".+_(\d{4})")


def is_description(name: str) -> bool:
    """Whether a file is such a description, by its name."""
    return name.rpartition("/")[2] == FILE_NAME


def described_channels(source: Path) -> dict[str, int]:
    """Modality to channel as a description says; empty where it is not understood, since it is not needed."""
    if source.stat().st_size > _LARGEST:
        return {}
    with suppress(Brats3dError), strangers_file(FILE_NAME, "JSON"):
        return dict(read_dataset_json(_OneFile(source.parent, source=source), source.parent).channels)
    return {}


def described(volume: Volume, channels: Mapping[str, int]) -> Volume:
    """An image with what a description says of it: of its channels, or of the channel in its name."""
    if not channels or volume.kind == PICTURE:
        return volume
    if volume.channels > 1:
        fits = len(channels) == volume.channels == len({*channels.values()} & {*range(volume.channels)})
        return replace(volume, channel_roles=dict(channels)) if fits else volume
    match = _CHANNEL.fullmatch(stem(volume.name))
    if match is None or volume.role is not None:
        return volume
    return replace(volume, role=next((m for m, index in channels.items() if index == int(match[1])), None))


@dataclass
class _OneFile(Tree):
    """A folder in which the description has another name."""

    source: Path = Path()

    def read_text(self, path: Path) -> str:
        """Read the description."""
        return self.source.read_text(encoding="utf-8")
