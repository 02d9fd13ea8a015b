"""The images of one upload as a viewer gets them, written when they are first asked for."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from brats3d.errors import DataError
from brats3d.labels import LabelConvention
from brats3d.viewer.uploads.assigning import Assignment
from brats3d.viewer.uploads.casing import CASE_ID, place_of, reference_convention
from brats3d.viewer.uploads.display import write_display_image, write_display_labels
from brats3d.viewer.uploads.shelf import Shelf


class Views:
    """Writes and keeps what viewers are given; safe to use from several threads.

    Args:
        shelf: Images.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._written: dict[tuple[object, ...], Path] = {}
        self._turns: defaultdict[tuple[object, ...], threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def image(self, modality: str, assignment: Assignment) -> Path:
        """The image of a modality.

        Raises:
            DataError: There is none, or it cannot be read.
        """
        place = place_of(modality, assignment, self._shelf.volumes())
        volume = self._shelf.volume(place.file)
        return self._once(
            (volume.stored.path, place.channel),
            lambda: write_display_image(volume, place.channel, self._shelf.place),
        )

    def reference(self, assignment: Assignment, model: LabelConvention | None) -> Path:
        """The reference mask as class indices.

        Raises:
            DataError: There is none, or it cannot be read.
            LabelError: Nothing tells what its values mean.
        """
        if assignment.reference is None:
            raise DataError(
                "there is no reference mask", where=CASE_ID, remedy="choose one of the files as reference"
            )
        volume = self._shelf.volume(assignment.reference)
        convention = reference_convention(self._shelf, volume, model)
        return self._once(
            (volume.stored.path, convention),
            lambda: write_display_labels(volume, convention, self._shelf.place),
        )

    def _once(self, key: tuple[object, ...], write: Callable[[], Path]) -> Path:
        """Write a file unless it is there; several may be written at a time, but each once."""
        with self._lock:
            turn = self._turns[key]
        with turn:
            if key not in self._written:
                with self._shelf.place.readers:
                    self._written[key] = write()
            return self._written[key]
