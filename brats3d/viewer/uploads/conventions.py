"""What the values of a reference mask mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from brats3d.data.layouts import LAYOUTS
from brats3d.data.layouts.tree import Listing, Tree
from brats3d.errors import LabelError
from brats3d.labels import CONVENTIONS, LabelConvention, conventions_that_fit

_TELLING_LAYOUTS = ("brats2018", "brats2020", "brats2021", "brats2023")


class _NamesOnly(Tree):
    """A folder that has these files, for the layouts to look at; the disk is not."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(PurePosixPath("upload"))  # type: ignore[arg-type]  # never opened
        self._names = tuple(sorted({PurePosixPath(name).name for name in names}))

    def _list(self, folder: str) -> Listing:
        return Listing((), self._names)


def convention_of_names(names: Sequence[str]) -> LabelConvention | None:
    """The convention of the BraTS year that the file names are those of, or None."""
    tree = _NamesOnly(names)
    for layout in _TELLING_LAYOUTS:
        found = LAYOUTS[layout].find(tree, None)
        if found is not None and found.own_cases and not any("tell nothing" in note for note in found.notes):
            return found.convention
    return None


def convention_of_reference(
    values: Sequence[int] | None, names: Sequence[str], model: LabelConvention | None, where: str
) -> LabelConvention:
    """Choose what the values of a reference mean.

    The year that the file names are those of comes first, then the model's convention, then the only one
    that has the values; each only if it has all of them. A mask of one value means what a model of one
    tissue segments.

    Args:
        values: Values that occur, or None where they are not those of labels.
        names: Names of the files of the upload.
        model: Convention of the model.
        where: Name of the reference, for messages.

    Raises:
        LabelError: The values do not tell, or are not those of labels.
    """
    present = {value for value in values or () if value}
    if values is not None:
        candidates = [convention_of_names(names), model, *_only_one(present)]
        for convention in candidates:
            if convention is not None and present <= set(convention.tissues):
                return convention
        if model is not None and len(present) == 1 and len(set(model.tissues.values())) == 1:
            return replace(model, tissues={present.pop(): next(iter(model.tissues.values()))})
    raise LabelError(
        "nothing tells what the values of the reference mean",
        where=where,
        got="values " + ", ".join(map(str, sorted(present)))
        if present
        else "values that are not few whole numbers",
        expected=f"values {', '.join(map(str, sorted(model.tissues)))} and 0, as of {model.name!r}"
        if model is not None
        else "names as in a year of BraTS, or values of one convention alone",
        remedy="convert the reference, keep the names it was published with, or segment without a reference",
    )


def _only_one(present: set[int]) -> list[LabelConvention]:
    fitting = conventions_that_fit(present)
    return [CONVENTIONS[fitting[0]]] if present and len(fitting) == 1 else []
