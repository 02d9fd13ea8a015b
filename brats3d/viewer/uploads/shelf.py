"""The images of one upload, by name."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from brats3d.errors import Brats3dError, DataError
from brats3d.viewer.uploads.assigning import Assignment
from brats3d.viewer.uploads.volumes import Volume
from brats3d.viewer.uploads.workplace import Workplace


class Shelf:
    """Keeps the images that were stored; safe to use from several threads.

    Args:
        place: Where they are.
    """

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self._volumes: dict[str, Volume] = {}
        self._lock = threading.Lock()

    def add(self, found: Sequence[Volume]) -> set[str]:
        """Keep images; those of the same names are deleted. Returns their names.

        Raises:
            UploadGone: The upload was removed meanwhile.
            TooLarge: There are more files than there may be; none of them is kept.
        """
        replaced: list[Volume] = []
        with self._lock:
            for volume in found:
                if volume.name in self._volumes:
                    replaced.append(self._volumes.pop(volume.name))
                self._volumes[volume.name] = volume
        for volume in replaced:
            self.place.delete(volume.stored)
        return {volume.name for volume in found}

    def volumes(self) -> list[Volume]:
        """Images in the order of their arrival."""
        with self._lock:
            return list(self._volumes.values())

    def volume(self, name: str) -> Volume:
        """The image of a name.

        Raises:
            DataError: It is not there any more.
        """
        with self._lock:
            if name in self._volumes:
                return self._volumes[name]
        raise DataError("the file is not here any more", where=name, remedy="upload it again")

    def problems(self, assignment: Assignment) -> list[str]:
        """What does not fit together, one sentence each."""
        used = [place.file for place in assignment.modalities.values()]
        used += [mask for mask in (assignment.reference, assignment.brain_mask) if mask is not None]
        named = {volume.name: volume for volume in self.volumes()}
        present = [named[name] for name in dict.fromkeys(used) if name in named]
        return [
            f"{volume.name} lies on another grid than {present[0].name}: {difference}"
            for volume in present[1:]
            if (difference := present[0].geometry.difference(volume.geometry)) is not None
        ]

    def explain(self, error: Brats3dError) -> Brats3dError:
        """Put the names of the page in place of paths."""
        names = {str(volume.stored.path): volume.name for volume in self.volumes()}
        folder = str(self.place.folder)

        def told(part: object) -> object:
            text = str(part)
            if part is None or folder not in text:
                return part
            for path, name in names.items():
                text = text.replace(path, name)
            return text.replace(folder, "upload")

        parts = [told(part) for part in (error.what, error.where, error.got, error.expected, error.remedy)]
        if parts == [error.what, error.where, error.got, error.expected, error.remedy]:
            return error
        rebuild, (_, *_) = error.__reduce__()
        return rebuild(type(error), *parts)
