"""Journal of scored cases in an output folder, so that an interrupted evaluation continues.

A line is appended as soon as a case is scored; a process that is killed loses the cases it was at. A
case counts as scored when the settings (:meth:`~brats3d.workflows.scoring.Scoring.as_dict`, which has the
package's version) and the contents of both files are the same, wherever the files lie. Deleting the file
has everything scored again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brats3d.errors import DataError, output_error
from brats3d.files import make_folder, write_text
from brats3d.imaging import files_of
from brats3d.metrics import CaseScores, Counts, LesionRow, RegionRow

JOURNAL_NAME = ".scored.jsonl"
_CHUNK_BYTES = 1 << 20

Digests = tuple[str | None, str]
"""SHA-256 of the prediction (None where there is none) and of the reference."""


@dataclass(frozen=True)
class Finished:
    """What the last evaluation that came to its end wrote into the folder.

    Attributes:
        evaluation: Fingerprint of its settings and inputs.
        files: Name of each result file to its SHA-256.
    """

    evaluation: str
    files: Mapping[str, str]


class ScoredCases:
    """Cases that were scored before under some settings, and those that are scored now.

    Lines of other settings and lines that are torn are passed over.

    Args:
        folder: Output folder; it is made when the first case is added.
        settings: Settings, as plain JSON content.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.path = folder / JOURNAL_NAME
        self.finished: Finished | None = None
        self._settings = fingerprint(settings)
        self._known: dict[tuple[str, Digests], CaseScores] = {}
        self._torn = False
        self._read()

    def find(self, case_id: str, digests: Digests) -> CaseScores | None:
        """Return the scores of a case with these file contents, if they are known."""
        return self._known.get((case_id, digests))

    def add(self, case_id: str, digests: Digests, scores: CaseScores) -> None:
        """Append a case; the line has left this process when the call returns.

        Raises:
            OutputError: The file cannot be written.
        """
        make_folder(self.path.parent)
        start = "\n" if self._torn else ""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(start + self._line(case_id, digests, scores))
        except OSError as error:
            raise output_error(self.path, error) from error
        self._torn = False
        self._known[case_id, digests] = scores

    def finish(self, cases: Mapping[str, Digests], finished: Finished) -> None:
        """Rewrite the file: what was finished, and only the given cases.

        Raises:
            OutputError: The file cannot be written.
        """
        self.finished = finished
        lines = [json.dumps({"finished": asdict(finished)}) + "\n"]
        known = ((case_id, digests, self._known[case_id, digests]) for case_id, digests in cases.items())
        lines += [self._line(*case) for case in known]
        write_text(self.path, "".join(lines))

    def _line(self, case_id: str, digests: Digests, scores: CaseScores) -> str:
        content = {
            "settings": self._settings,
            "case_id": case_id,
            "files": digests,
            "rows": [_row_as_dict(row) for row in scores.rows],
            "lesions": [_lesion_as_dict(lesion) for lesion in scores.lesions],
        }
        return json.dumps(content) + "\n"

    def _read(self) -> None:
        if not self.path.exists():
            return
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                for content in self._lines(file):
                    self._take(content)
        except OSError as error:
            raise output_error(self.path, error) from error

    def _lines(self, file: Iterable[str]) -> Iterator[dict[str, Any]]:
        for line in file:
            self._torn = not line.endswith("\n")
            try:
                content = json.loads(line)
            except ValueError:
                continue  # torn: that case is scored again
            if isinstance(content, dict):
                yield content

    def _take(self, content: dict[str, Any]) -> None:
        try:
            if "finished" in content:
                self.finished = Finished(**content["finished"])
            elif content["settings"] == self._settings:
                prediction, reference = content["files"]
                rows = tuple(_row_from(row) for row in content["rows"])
                lesions = tuple(_lesion_from(lesion) for lesion in content["lesions"])
                self._known[content["case_id"], (prediction, reference)] = CaseScores(rows, lesions)
        except (KeyError, TypeError, ValueError, AttributeError):
            return  # not a line of this package's, or of another layout: that case is scored again


def fingerprint(content: Any) -> str:
    """Return the SHA-256 of plain JSON content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        DataError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DataError(
            "cannot read the file",
            where=path,
            got=error.strerror or type(error).__name__,
            remedy="check that it exists, that links point to something, and that you may read it",
        ) from error
    return digest.hexdigest()


def volume_digest(path: Path) -> str:
    """Return the SHA-256 of what a path names: of its file, or of the files of a volume that has several.

    Raises:
        DataError: A file cannot be read.
    """
    files = files_of(path)
    if files == [path]:
        return file_digest(path)
    return fingerprint([path.name, *map(file_digest, files)])


def _row_as_dict(row: RegionRow) -> dict[str, Any]:
    return {
        "case_id": row.case_id,
        "region": row.region,
        "scores": dict(row.scores),
        "empty": row.empty,
        "counts": asdict(row.counts),
    }


def _row_from(content: dict[str, Any]) -> RegionRow:
    return RegionRow(**{**content, "counts": Counts(**content["counts"])})


def _lesion_as_dict(lesion: LesionRow) -> dict[str, Any]:
    return {**vars(lesion), "nsd": list(lesion.nsd.items())}


def _lesion_from(content: dict[str, Any]) -> LesionRow:
    return LesionRow(**{**content, "nsd": dict(content["nsd"])})
