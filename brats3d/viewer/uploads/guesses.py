"""What the words of a name say about an image: its modality, or that it is a mask."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from brats3d.cases import MODALITY_ALIASES, OTHER_MODALITIES
from brats3d.viewer.uploads import names

REFERENCE = "reference"
BRAIN_MASK = "brain mask"

_CONTRAST = frozenset({"gd", "gad", "gado", "ce", "post", "km", "contrast", "enhanced", "postcontrast"})
_REFERENCE_WORDS = frozenset(
    {
        "seg",
        "segm",
        "segmentation",
        "mask",
        "label",
        "labels",
        "labelmap",
        "gt",
        "groundtruth",
        "truth",
        "manual",
        "annotation",
        "reference",
        "ot",
        "otmulti",
        "otmulticlass",
    }
)
_WORDS = re.compile(r"[a-z]+(?:\d+[a-z]*)*|\d+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_T1 = re.compile(r"t1(?:w|n|se|fse|tse|fl|mprage|spgr|fspgr)?")
_T2 = re.compile(r"t2(?:w|se|tse|fse)?")
_T1_CONTRAST = re.compile(r"t1w?(?:c|ce|gd|gad|km|post|contrast)\w*")


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers of a name; capitals inside a word begin another."""
    return _WORDS.findall(_CAPITAL.sub(" ", text).lower())


def guess_modality(text: str) -> str | None:
    """Guess the modality from a file name, folder name or description; None where it does not say.

    The words of all years of BraTS count first (:data:`~brats3d.cases.MODALITY_ALIASES`), the last of them
    before the others, and then what scanners call their series.
    """
    words = words_of(text)
    if any("flair" in word or word in ("tirm", "darkfluid") for word in words):
        return "flair"  # before T2, since T2-FLAIR is FLAIR
    contrast = not _CONTRAST.isdisjoint(words) or ("t1", "c") in itertools.pairwise(words)
    for word in reversed(words):
        if word in OTHER_MODALITIES:
            return word
        named = MODALITY_ALIASES.get(word)
        if named is None and _T1_CONTRAST.fullmatch(word):
            named = "t1ce"
        if named is None and (_T1.fullmatch(word) or word in ("mprage", "mp2rage", "spgr", "bravo")):
            named = "t1"
        if named is None and _T2.fullmatch(word):
            named = "t2"
        if named is not None:
            return "t1ce" if named == "t1" and contrast else named
    return None


def guess_role(name_parts: Iterable[str]) -> str | None:
    """Guess from names, the most telling first, what an image is.

    Returns:
        A modality, ``reference``, ``brain mask``, or None.
    """
    for part in name_parts:
        words = set(words_of(part))
        if "brainmask" in words or {"brain", "mask"} <= words:
            return BRAIN_MASK
        if not _REFERENCE_WORDS.isdisjoint(words):
            return REFERENCE
        modality = guess_modality(part)
        if modality is not None:
            return modality
    return None


def role_of_name(name: str) -> str | None:
    """Guess from the name of a file what it is, and if that does not say, from its folder's."""
    return guess_role((names.stem(name), names.folder(name).rpartition("/")[2]))
