"""What a data layout is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from brats3d.cases import Case
from brats3d.data.layouts.tree import Tree
from brats3d.labels import LabelConvention


@dataclass(frozen=True)
class Found:
    """Cases that a layout recognised in a folder.

    Attributes:
        cases: The cases, in any order.
        convention: Meaning of their label values.
        unusual: Ids of cases whose files fit but whose names are not this layout's own. The layout
            with the most other cases is the one that is detected.
        notes: What the user should know, one sentence each.
    """

    cases: Sequence[Case]
    convention: LabelConvention
    unusual: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def own_cases(self) -> int:
        """How many cases are named the way this layout names them."""
        return len(self.cases) - len(self.unusual)


class Find(Protocol):
    """Recognise the cases of one layout without opening an image."""

    def __call__(self, tree: Tree, convention: LabelConvention | None) -> Found | None:
        """Return the cases in ``tree``, or None when the folder is not in this layout.

        Args:
            tree: Folder to look in.
            convention: What the user says the label values mean; None for the layout's own.
        """


@dataclass(frozen=True)
class Layout:
    """How one family of data sets names and places its files.

    Attributes:
        name: Name in the registry and in ``data.layout``.
        description: Data sets that have it.
        example: Path of a typical image below the root of the data set.
        find: Recognises the cases.
        local_only: Whether only folders on this disk can be read, since a volume has many files, or files
            must be opened to tell the patient.
        partly_labelled: Whether the data set is known to lack label maps; training then leaves out the
            cases without.
        in_pixels: Whether nothing tells the size of a pixel, so that distances are in pixels.
        convention_known: Whether the layout tells what label values mean.
    """

    name: str
    description: str
    example: str
    find: Find
    local_only: bool = False
    partly_labelled: bool = False
    in_pixels: bool = False
    convention_known: bool = True


def some_of(names: Sequence[str], most: int = 3) -> str:
    """List the first of ``names`` and say how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
