"""The images of one upload, by name."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from brats3d.errors import Brats3dError
from brats3d.viewer.uploads.assigning import Assignment
from brats3d.viewer.uploads.descriptions import described
from brats3d.viewer.uploads.series import AllSeries
from brats3d.viewer.uploads.sorting import Found
from brats3d.viewer.uploads.stacks import Stacks
from brats3d.viewer.uploads.volumes import Volume
from brats3d.viewer.uploads.workplace import Stored, Workplace


class Shelf:
    """Keeps the images that were stored; safe to use from several threads.

    Args:
        place: Where they are.
    """

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self._volumes: dict[str, Volume] = {}
        self._series = AllSeries(place)
        self._stacks = Stacks(place)
        self._channels: dict[str, int] = {}
        self._passed_over = 0
        self._lock = threading.RLock()

    def add(self, found: Found, name: str) -> set[str]:
        """Keep images; those of the same names are deleted.

        Args:
            found: What was stored of a received file.
            name: What messages call that.

        Returns:
            Names of the images that are new.

        Raises:
            TooLarge: There are more files than there may be; none of ``found`` is kept.
        """
        with self._lock:
            known = {volume.name: volume for volume in self.volumes()}
            replaced = [self._volumes[one.name].stored for one in found.volumes if one.name in self._volumes]
            replaced += self._series.replaced_by(found.slices)
            try:
                self.place.allowance.claim_files(len(found) - len(replaced), name)
            except Brats3dError:
                found.delete(self.place)
                raise
            for one in found.volumes:
                self._volumes.pop(one.name, None)
                self._volumes[one.name] = one
            replaced += self._series.add(found.slices)
            self._channels |= found.channels
            self._passed_over += found.passed_over
            new = {volume.name for volume in self.volumes() if known.get(volume.name) != volume}
        self._delete(replaced)
        return new

    def volumes(self) -> list[Volume]:
        """Images in the order of their arrival, series of DICOM last."""
        with self._lock:
            images = [*self._stacks.merged(self._volumes.values()), *self._series.volumes()]
            return [described(volume, self._channels) for volume in images]

    def volume(self, name: str) -> Volume:
        """The image of a name; slices are put together when their volume is first asked for.

        Raises:
            DataError: It is not there any more, or the slices of a series do not make up a volume.
        """
        with self._lock:
            if name in self._volumes:
                return self._volumes[name]
        return self._stacks.assembled(name) or self._series.assembled(name)

    def problems(self, assignment: Assignment) -> list[str]:
        """What is not as it should be, one sentence each."""
        used = [place.file for place in assignment.modalities.values()]
        used += [mask for mask in (assignment.reference, assignment.brain_mask) if mask is not None]
        with self._lock:
            named = {volume.name: volume for volume in self.volumes()}
            problems = self._series.problems() + self._stacks.problems()
            if self._passed_over:
                problems.append(f"files that are no images were passed over: {self._passed_over}")
        present = [named[name] for name in dict.fromkeys(used) if name in named]
        return problems + [
            f"{volume.name} lies on another grid than {present[0].name}: {difference}"
            for volume in present[1:]
            if (difference := present[0].geometry.difference(volume.geometry)) is not None
        ]

    def explain(self, error: Brats3dError) -> Brats3dError:
        """Put the names of the page in place of paths."""
        folder = str(self.place.folder)
        parts = (error.what, error.where, error.got, error.expected, error.remedy)
        if not any(folder in str(part) for part in parts):
            return error
        names = {str(volume.stored.path): volume.name for volume in self.volumes()}
        names |= {**self._series.files(), **self._stacks.files()}

        def told(part: object) -> str | None:
            if part is None:
                return None
            text = str(part)
            for path, name in names.items():
                text = text.replace(path, name)
            return text.replace(folder, "upload")

        what, where, got, expected, remedy = map(told, parts)
        return type(error)(str(what), where=where, got=got, expected=expected, remedy=remedy)

    def _delete(self, files: Iterable[Stored]) -> None:
        for stored in files:
            self.place.delete(stored)
