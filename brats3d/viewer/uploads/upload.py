"""One upload: files come in, a case goes out."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from brats3d.cases import Case
from brats3d.errors import Brats3dError
from brats3d.labels import LabelConvention
from brats3d.viewer.uploads.assigning import (
    Assignment,
    checked_assignment,
    guess_assignment,
    guess_of,
    with_guessed_brain_mask,
    with_guesses,
)
from brats3d.viewer.uploads.casing import case_of
from brats3d.viewer.uploads.contents import Contents, FileSummary
from brats3d.viewer.uploads.limits import Limits
from brats3d.viewer.uploads.names import display_name
from brats3d.viewer.uploads.receiving import receive_file
from brats3d.viewer.uploads.refusals import UploadGone
from brats3d.viewer.uploads.shelf import Shelf
from brats3d.viewer.uploads.sorting import store_received
from brats3d.viewer.uploads.views import Views
from brats3d.viewer.uploads.workplace import Workplace

logger = logging.getLogger(__name__)


class Upload:
    """What somebody dropped on the page; safe to use from several threads.

    :meth:`receive`, :meth:`contents` and :meth:`assign` are quick and may be called in an event loop;
    :meth:`case`, :meth:`display_image` and :meth:`reference_image` read volumes and belong into a thread.

    Attributes:
        id: Cannot be guessed: who knows it may see the upload.
    """

    def __init__(
        self,
        upload_id: str,
        folder: Path,
        limits: Limits,
        clock: Callable[[], float],
        readers: AbstractContextManager[object],
    ) -> None:
        self.id = upload_id
        self._place = Workplace(folder, limits, readers)
        self._clock = clock
        self._shelf = Shelf(self._place)
        self._chosen: Assignment | None = None
        self._touched = clock()
        self._users = 0
        self._lock = threading.Lock()
        self._views = Views(self._shelf)

    @property
    def short_id(self) -> str:
        """Beginning of the id, for logs: it does not open the upload."""
        return self.id[:6]

    def touch(self) -> None:
        """Note that somebody asks for the upload."""
        self._touched = self._clock()

    def expired(self) -> bool:
        """Whether nobody has asked for the upload, or used it, for as long as it is kept."""
        return not self._users and self._clock() - self._touched > self._place.limits.keep_seconds

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the upload from expiring while the block runs, such as a segmentation of it.

        Raises:
            UploadGone: It was removed already.
        """
        self._place.check()
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            self.touch()
            with self._lock:
                self._users -= 1

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Take one file, or a zip of several; one of the same name is replaced.

        Args:
            name: What the sender calls it: a file name, or a path below the folder that was dropped.
            chunks: Its content.

        Raises:
            DataError: The name, the file or what it holds is refused; nothing of it is kept.
            TooLarge: There is more than the upload may hold.
            UploadGone: The upload was removed meanwhile.
            OutputError: The disk of the server is full.
        """
        with self.in_use():
            shown = display_name(name)
            received = await receive_file(shown, chunks, self._place, self.touch)
            try:
                size = received.size
                kept = await asyncio.to_thread(self._keep, received.path, shown)
            finally:
                await asyncio.to_thread(self._place.delete, received)
        logger.info(
            "upload %s: %d bytes received, %d files kept; %d bytes stored",
            self.short_id,
            size,
            kept,
            self._place.allowance.size,
        )

    def _keep(self, source: Path, name: str) -> int:
        self._place.check()
        found = store_received(source, name, self._place)
        new = self._shelf.add(found, name)
        with self._lock:
            if self._chosen is not None:
                self._chosen = with_guesses(self._chosen, self._shelf.volumes(), new)
        return len(found)

    def contents(self) -> Contents:
        """What is in the upload.

        Raises:
            UploadGone: It was removed.
        """
        self._place.check()
        volumes = self._shelf.volumes()
        assignment, notes = guess_assignment(volumes)
        if self._chosen is not None:
            assignment, notes = self._chosen, []
        files = tuple(
            FileSummary(
                volume.name,
                volume.kind,
                volume.geometry.shape,
                volume.spacing_mm,
                volume.channels,
                guess_of(volume, volumes),
            )
            for volume in volumes
        )
        return Contents(
            files=files,
            assignment=assignment.modalities,
            reference=assignment.reference,
            brain_mask=assignment.brain_mask,
            problems=(*notes, *self._shelf.problems(assignment)),
            dimensions=2 if volumes and all(volume.is_plane for volume in volumes) else 3,
        )

    def assign(
        self,
        modalities: Mapping[str, Mapping[str, object]],
        reference: str | None = None,
        brain_mask: str | None = None,
    ) -> Contents:
        """Say what each modality is taken from, instead of what was guessed.

        Args:
            modalities: Modality to ``{"file": name, "channel": index or None}``.
            reference: Name of the reference mask, or None.
            brain_mask: Name of a brain mask; None: what looks like one, unless it is assigned otherwise.

        Raises:
            ConfigError: An unknown modality.
            DataError: A file that is not there, or a channel that it does not have.
            UploadGone: The upload was removed.
        """
        self._place.check()
        volumes = self._shelf.volumes()
        chosen = checked_assignment(modalities, reference, brain_mask, volumes)
        if brain_mask is None:
            chosen = with_guessed_brain_mask(chosen, volumes)
        with self._lock:
            self._chosen = chosen
        return self.contents()

    def case(self, modalities: Sequence[str], convention: LabelConvention | None = None) -> Case:
        """Make a case of what is assigned.

        Args:
            modalities: What a model needs. A single image that nothing is known of is what a model of one
                modality takes.
            convention: Of the model. Label values of the case mean what they do in the year of BraTS that
                the files are named as in, else what they do for the model, else what values tell.

        Raises:
            DataError: A modality is missing, or a series is not complete.
            UploadGone: The upload was removed.
        """
        with self._translated():
            return case_of(self._shelf, self._assignment(), tuple(modalities), convention)

    def display_image(self, modality: str) -> Path:
        """Write the image of a modality for a viewer: NIfTI (.nii.gz) with grid and voxels, and nothing else.

        Whole numbers of 16 bits stay what they are; other values are rounded to 1/65534 of their range.

        Raises:
            DataError: There is no such modality, or it cannot be read.
            UploadGone: The upload was removed.
        """
        with self._translated():
            return self._views.image(modality, self._assignment())

    def reference_image(self, convention: LabelConvention | None = None) -> Path:
        """Write the reference mask for a viewer, as class indices of its convention (0: background).

        Args:
            convention: Of the model; see :meth:`case`.

        Raises:
            DataError: There is no reference, or it cannot be read.
            LabelError: Nothing tells what its values mean.
            UploadGone: The upload was removed.
        """
        with self._translated():
            return self._views.reference(self._assignment(), convention)

    def explain(self, error: Brats3dError) -> Brats3dError:
        """Return an error of reading the case with the names of the page instead of paths on the server."""
        if self._place.gone.is_set():
            return UploadGone()
        return self._shelf.explain(error)

    def discard(self) -> None:
        """Delete all files; whatever still reads or writes them ends with :class:`UploadGone`."""
        self._place.gone.set()
        trash = self._place.folder.with_name(f"{self._place.folder.name}.gone")
        try:
            # What is written from now on does not find the folder.
            self._place.folder.rename(trash)
        except OSError:
            trash = self._place.folder  # where open files cannot be moved
        shutil.rmtree(trash, ignore_errors=True)

    def _assignment(self) -> Assignment:
        return self._chosen or guess_assignment(self._shelf.volumes())[0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with self.in_use():
            try:
                with self._place.explained("upload"):
                    yield
            except Brats3dError as error:
                raise self.explain(error) from None
