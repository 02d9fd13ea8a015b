"""Numbered pictures in one folder: the slices of one volume, such as those of TCGA's lower-grade gliomas."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import numpy as np

from brats3d.extras import import_extra
from brats3d.imaging.picture_patterns import SLICE
from brats3d.imaging.pictures import plane_geometry
from brats3d.viewer.uploads.guesses import role_of_name
from brats3d.viewer.uploads.names import folder, stem
from brats3d.viewer.uploads.tally import MOST_VALUES
from brats3d.viewer.uploads.volumes import PICTURE, Volume
from brats3d.viewer.uploads.workplace import Stored, Workplace

_FEWEST = 3
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d{1,9})(?P<after>\D*)")


@dataclass
class _Stack:
    """Slices by number, as a volume, and where it was put together."""

    slices: dict[int, Volume]
    seen: Volume
    assembled: Stored | None = None


class Stacks:
    """Puts numbered pictures together; safe to use from several threads.

    Args:
        place: Where files are.
    """

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._stacks: dict[str, _Stack] = {}
        self._lock = threading.RLock()

    def merged(self, volumes: Iterable[Volume]) -> list[Volume]:
        """The same images, with a volume in place of the pictures that are its slices."""
        groups: defaultdict[tuple[object, ...], dict[int, Volume]] = defaultdict(dict)
        order: dict[tuple[object, ...], None] = {}
        for volume in volumes:
            key, number = _group_of(volume)
            groups[key][number] = volume
            order[key] = None
        merged: list[Volume] = []
        with self._lock:
            for key in order:
                slices = groups[key]
                merged += list(slices.values()) if len(slices) < _FEWEST else [self._seen(slices)]
        return merged

    def _seen(self, slices: dict[int, Volume]) -> Volume:
        name = _name_of(next(iter(slices.values())))
        known = self._stacks.get(name)
        if known is None or known.slices != slices:
            if known is not None and known.assembled is not None:
                shutil.rmtree(known.assembled.path.parent, ignore_errors=True)
            stored = Stored(self._place.folder / "slices", 0, self._place.allowance)
            known = self._stacks[name] = _Stack(dict(slices), _volume_of(name, slices, stored))
        return known.seen

    def files(self) -> dict[str, str]:
        """Paths of what was put together so far, with their names."""
        with self._lock:
            return {
                str(stack.assembled.path.parent): name
                for name, stack in self._stacks.items()
                if stack.assembled is not None
            }

    def problems(self) -> list[str]:
        """Which slices are missing, one sentence for each volume."""
        with self._lock:
            gaps = {
                name: sorted(set(range(min(stack.slices), max(stack.slices))) - set(stack.slices))
                for name, stack in self._stacks.items()
            }
        return [
            f"{name}: slices are missing ({', '.join(map(str, numbers[:5]))})"
            for name, numbers in gaps.items()
            if numbers
        ]

    def assembled(self, name: str) -> Volume | None:
        """A volume with the pattern of its files, or None where there is no such volume."""
        with self._lock:
            stack = self._stacks.get(name)
            if stack is None:
                return None
            if stack.assembled is None:
                stack.assembled = _assemble(stack, name, self._place)
            return replace(stack.seen, stored=stack.assembled)


def _group_of(volume: Volume) -> tuple[tuple[object, ...], int]:
    match = _NUMBERED.fullmatch(stem(volume.name))
    if volume.kind != PICTURE or match is None or not folder(volume.name):
        return (volume.name,), 0
    size = volume.geometry.shape[:2]
    return (folder(volume.name), match["before"], match["after"].lower(), size), int(match["number"])


def _name_of(volume: Volume) -> str:
    match = _NUMBERED.fullmatch(stem(volume.name))
    assert match is not None
    return f"{folder(volume.name)}/{match['before']}*{match['after']}"


def _volume_of(name: str, slices: dict[int, Volume], stored: Stored) -> Volume:
    columns, rows, _ = next(iter(slices.values())).geometry.shape
    tallies = [volume.values for volume in slices.values()]
    values = {value for tally in tallies for value in tally or ()}
    whole = None not in tallies and len(values) <= MOST_VALUES
    return Volume(
        name,
        PICTURE,
        stored,
        plane_geometry(columns, rows, slices=len(slices)),
        channels=max(volume.channels for volume in slices.values()),
        values=tuple(sorted(values)) if whole else None,
        role=role_of_name(name),
    )


def _assemble(stack: _Stack, name: str, place: Workplace) -> Stored:
    """Give the slices numbered names in a folder of their own."""
    target = place.new_path("")
    target.mkdir()
    for number, volume in stack.slices.items():
        stored = volume.stored
        if volume.channels < stack.seen.channels:
            stored = _coloured(stored.path, name, place)
        _link(stored.path, target / f"{number}.tif")
    return Stored(target / f"{SLICE}.tif", 0, place.allowance)


def _coloured(path: Path, name: str, place: Workplace) -> Stored:
    """The same picture in colours, as its neighbours are: black slices have none."""
    image = import_extra("PIL.Image", "reading pictures", "images")
    with image.open(path) as picture:
        grey = np.asarray(picture)
    with place.writing(name, ".tif") as stored:
        image.fromarray(np.dstack([grey] * 3)).save(cast(IO[bytes], stored), format="TIFF")
    return stored.stored()


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)  # on file systems without links
