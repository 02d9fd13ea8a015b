"""The DICOM series of one upload: slices that belong together, and the volumes they make up."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from brats3d.errors import DataError
from brats3d.imaging import Geometry
from brats3d.imaging.dicom import grid_of, sorted_slices
from brats3d.viewer.uploads.dicom_slices import Slice, assemble
from brats3d.viewer.uploads.names import folder
from brats3d.viewer.uploads.volumes import DICOM, Volume
from brats3d.viewer.uploads.workplace import Stored, Workplace

_NO_FOLDER = "DICOM series"


@dataclass
class _Series:
    """One series, by the names of its slices."""

    number: int
    slices: dict[str, Slice] = field(default_factory=dict)
    seen: Volume | None = None
    problem: str | None = None
    assembled: Stored | None = None

    @property
    def folder(self) -> str:
        """Folder that all slices lie in, or what stands for it."""
        folders = {folder(name) for name in self.slices}
        return (folders.pop() or _NO_FOLDER) if len(folders) == 1 else _NO_FOLDER

    def changed(self) -> list[Stored]:
        """Forget what was made of the slices so far. Returns files that are outdated."""
        outdated = [] if self.assembled is None else [self.assembled]
        self.seen, self.problem, self.assembled = None, None, None
        return outdated


class AllSeries:
    """Sorts slices into series; safe to use from several threads.

    Series are told apart by their identity in the header, and called after the folder of their files: what
    headers call them is not shown.

    Args:
        place: Where files are.
    """

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._series: dict[str, _Series] = {}
        self._lock = threading.RLock()
        self._assembling = threading.Lock()

    def replaced_by(self, slices: Iterable[Slice]) -> list[Stored]:
        """Files of slices that have the same series and name."""
        with self._lock:
            return [
                old.stored
                for one in slices
                if one.header.series in self._series
                and (old := self._series[one.header.series].slices.get(one.name)) is not None
            ]

    def add(self, slices: Iterable[Slice]) -> list[Stored]:
        """Keep slices. Returns files that are outdated now."""
        outdated = []
        with self._lock:
            for one in slices:
                series = self._series.setdefault(one.header.series, _Series(len(self._series) + 1))
                series.slices[one.name] = one
                outdated += series.changed()
        return outdated

    def volumes(self) -> list[Volume]:
        """The series, named and located, with no file yet."""
        with self._lock:
            taken: set[str] = set()
            volumes = []
            for series in self._series.values():
                name = series.folder if series.folder not in taken else f"{series.folder} ({series.number})"
                taken.add(name)
                if series.seen is None or series.seen.name != name:
                    series.seen = self._look_at(series, name)
                volumes.append(series.seen)
            return volumes

    def problems(self) -> list[str]:
        """What keeps series from being volumes, one sentence each."""
        with self._lock:
            self.volumes()
            return [series.problem for series in self._series.values() if series.problem is not None]

    def files(self) -> dict[str, str]:
        """Paths of what was made of series so far, with their names."""
        with self._lock:
            self.volumes()
            return {
                str(series.assembled.path): series.seen.name
                for series in self._series.values()
                if series.assembled is not None and series.seen is not None
            }

    def assembled(self, name: str) -> Volume:
        """A series as a volume with a file.

        Raises:
            DataError: There is no such series, or its slices do not make up a volume.
        """
        with self._assembling:
            with self._lock:
                self.volumes()
                named = {one.seen.name: one for one in self._series.values() if one.seen is not None}
                if name not in named:
                    raise DataError("the file is not here any more", where=name, remedy="upload it again")
                series = named[name]
                seen, slices, stored = series.seen, list(series.slices.values()), series.assembled
            assert seen is not None
            if stored is None:
                stored = assemble(slices, name, self._place)
                with self._lock:
                    if series.seen is seen:
                        series.assembled = stored
            return replace(seen, stored=stored)

    def _look_at(self, series: _Series, name: str) -> Volume:
        slices = list(series.slices.values())
        series.problem = None
        try:
            place = Path(name)
            geometry = grid_of(sorted_slices([one.header for one in slices], place), place)
        except DataError as error:
            told = error.what if error.got is None else f"{error.what} ({error.got})"
            series.problem = f"{name}: {told}"
            geometry = _rough_geometry(slices)
        return Volume(
            name,
            DICOM,
            Stored(self._place.folder / f"series-{series.number}", 0, self._place.allowance),
            geometry,
            role=next((one.role for one in slices if one.role is not None), None),
        )


def _rough_geometry(slices: Sequence[Slice]) -> Geometry:
    """Size of a series that is no volume, or not yet."""
    header = slices[0].header
    rows_mm, columns_mm = header.spacing_mm
    spacing = [columns_mm, rows_mm, header.thickness_mm or 1.0, 1.0]
    return Geometry((*header.size, len(slices)), np.diag(spacing))
