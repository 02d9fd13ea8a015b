"""What a file is called on the page, and what its name says.

Names are never used as paths on the disk: files are stored under names of our own.
"""

from __future__ import annotations

import re
import unicodedata

from brats3d.errors import DataError

_LONGEST = 4096
_LONGEST_PART = 80
_LONGEST_SHOWN = 200
_DRIVE = re.compile(r"[A-Za-z]:")
_ENDINGS = re.compile(r"(\.nii|\.gz|\.dcm|\.dicom|\.ima|\.png|\.tiff?|\.jpe?g|\.bmp|\.zip)+$", re.IGNORECASE)
_FALLBACK = "file"
# Other, format (direction marks, zero width), surrogate, private and unassigned characters, and separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def display_name(name: str) -> str:
    """Make a name that can be shown: relative, with ``/`` between folders, printable and not too long.

    Raises:
        DataError: The name is one of a file elsewhere (absolute, with a drive, with ``..``), has a NUL, or is
            absurdly long.
    """
    if len(name) > _LONGEST:
        raise _refused("a name that is too long", f"{len(name)} characters", _LONGEST_SHOWN)
    if "\0" in name:
        raise _refused("a name with a NUL character", "a NUL character")
    slashed = unicodedata.normalize("NFKC", name).replace("\\", "/")
    parts = [_printable(part) for part in slashed.split("/")]
    if slashed.startswith("/") or _DRIVE.match(slashed):
        raise _refused("a name with an absolute path", _shown(parts))
    if ".." in parts:
        raise _refused("a name that leads out of its folder", _shown(parts))
    return _shown([part for part in parts if part not in ("", ".")]) or _FALLBACK


def stem(name: str) -> str:
    """Last part of a name without the endings of image files."""
    return _ENDINGS.sub("", name.rpartition("/")[2])


def folder(name: str) -> str:
    """What stands before the last slash; empty where there is none."""
    return name.rpartition("/")[0]


def has_image_ending(name: str) -> bool:
    """Whether a name ends as those of images and archives do."""
    return _ENDINGS.search(name) is not None


def is_clutter(name: str) -> bool:
    """Whether a name is one of the files that lie beside images and are none."""
    parts = name.split("/")
    last = parts[-1].lower()
    return (
        any(part.startswith(".") for part in parts)
        or parts[0] == "__MACOSX"
        or last in {"thumbs.db", "desktop.ini", "dicomdir", "license", "readme"}
        or last.endswith((".txt", ".json", ".csv", ".tsv", ".md", ".pdf", ".xml", ".html", ".bval", ".bvec"))
    )


def _printable(part: str) -> str:
    kept = "".join(
        " " if letter.isspace() else letter
        for letter in part
        if unicodedata.category(letter) not in _INVISIBLE
    ).strip()
    if len(kept) <= _LONGEST_PART:
        return kept
    ending = _ENDINGS.search(kept)
    tail = ending[0] if ending else ""
    return kept[: _LONGEST_PART - len(tail) - 1] + "…" + tail


def _shown(parts: list[str]) -> str:
    """The last parts, as many as fit."""
    text = "/".join(parts)
    while len(text) > _LONGEST_SHOWN:
        text = text.partition("/")[2]
    return text


def _refused(what: str, got: str, longest: int | None = None) -> DataError:
    return DataError(
        what,
        got=got,
        expected="the name of a file, or its path below the folder that was dropped"
        + (f", of at most {longest} characters" if longest else ""),
        remedy="rename the file, or drop it by itself",
    )
