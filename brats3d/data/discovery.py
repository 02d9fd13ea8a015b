"""Finding the cases of a data set from the names of its files alone."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brats3d.cases import ALL_MODALITIES, Case
from brats3d.data.layouts import LAYOUTS, Found, Layout
from brats3d.data.layouts.layout import some_of
from brats3d.data.layouts.pattern import PATTERN, pattern_layout
from brats3d.data.layouts.tree import Tree
from brats3d.data.remote import FileCache, RemoteTree
from brats3d.errors import ConfigError, LayoutError
from brats3d.labels import LabelConvention, convention_named
from brats3d.places import absolute, is_url
from brats3d.registry import look_up

AUTO = "auto"
IN_PIXELS = (
    "nothing tells the size of a pixel: the tables count 1 pixel as 1 mm, so that distances are in pixels "
    "and 1000 pixels are a millilitre"
)
_LAYOUT_KEY = "data.layout"


@dataclass(frozen=True)
class Discovery:
    """What was found in a folder.

    Attributes:
        cases: Cases sorted by id; each has at least one image.
        layout: Name of the layout they are in.
        convention: Meaning of their label values.
        notes: What the user should know (missing modalities, choices made), one sentence each.
        partly_labelled: Whether the data set is known to lack label maps.
        convention_known: Whether its layout tells what label values mean.
    """

    cases: tuple[Case, ...]
    layout: str
    convention: LabelConvention
    notes: tuple[str, ...] = ()
    partly_labelled: bool = False
    convention_known: bool = True

    def for_training(self) -> Discovery:
        """The same without cases that have no label map, if the data set is known to lack some.

        Elsewhere a case without a label map is a mistake that training should not pass over.
        """
        labelled = tuple(case for case in self.cases if case.label is not None)
        if not self.partly_labelled or not labelled or len(labelled) == len(self.cases):
            return self
        note = f"{len(self.cases) - len(labelled)} cases without a label map are left out"
        return replace(self, cases=labelled, notes=(*self.notes, note))


def discover(
    root: str | os.PathLike[str],
    *,
    layout: str = AUTO,
    pattern: Mapping[str, str] | None = None,
    convention: LabelConvention | str = AUTO,
    cache: FileCache | None = None,
) -> Discovery:
    """Find the cases of a data set, or of one case folder; no image is opened.

    Args:
        root: Folder of the data set or of one case, or the URL of one (``s3://bucket/folder``). Links are
            followed, hidden files ignored.
        layout: Name in :data:`~brats3d.data.layouts.LAYOUTS`, or ``auto`` to detect it.
        pattern: Naming of the user's own, see :func:`~brats3d.data.layouts.pattern.pattern_layout`.
        convention: What the label values mean, by name or as an object; ``auto`` takes the
            layout's.
        cache: Where files of a URL are kept while they are needed; None: in a folder of the user's.

    Raises:
        LayoutError: No folder, no data set in it, several layouts that fit, or a case id twice.
        DataError: A URL that cannot be read.
        MissingExtraError: The driver for such URLs is not installed.
        ConfigError: An unknown layout or convention, or a pattern that cannot work.
    """
    place = absolute(root)
    tree: Tree = RemoteTree(place) if is_url(place) else Tree(_existing_folder(Path(place)))
    meaning = convention if isinstance(convention, LabelConvention) else None
    if isinstance(convention, str) and convention != AUTO:
        meaning = convention_named(convention)
    candidates = _candidates(layout, pattern, remote=isinstance(tree, RemoteTree))
    matches = {name: found for name, one in candidates.items() if (found := one.find(tree, meaning))}
    matches = {name: found for name, found in matches.items() if found.cases}
    if not matches:
        raise _not_a_data_set(tree, list(candidates.values()), layout)
    name = _best(matches, tree.place)
    _check_duplicates(matches[name].cases)
    cases = tuple(sorted(matches[name].cases, key=lambda case: case.case_id))
    notes = (*matches[name].notes, *_notes(matches[name], name, cases, tree))
    if candidates[name].in_pixels:
        notes = (*notes, IN_PIXELS)
    if isinstance(tree, RemoteTree):
        kept = cache or FileCache(FileCache.default_folder())
        kept.sweep()
        cases = tuple(tree.fetchable(case, kept) for case in cases)
        notes = (*notes, f"files are fetched to {kept.folder} when they are needed")
    chosen = candidates[name]
    return Discovery(
        cases, name, matches[name].convention, notes, chosen.partly_labelled, chosen.convention_known
    )


def _existing_folder(folder: Path) -> Path:
    if folder.is_dir():
        return folder
    raise LayoutError(
        "the data set is not a folder" if folder.exists() else "the folder of the data set does not exist",
        where=folder,
        expected="a folder with cases, or the folder of one case",
        remedy="check the path (data.root); `brats3d synthesize OUT --cases 8` makes a data set to try",
    )


def _candidates(layout: str, pattern: Mapping[str, str] | None, *, remote: bool) -> Mapping[str, Layout]:
    if pattern:
        if layout not in (AUTO, PATTERN):
            raise ConfigError(
                "a layout and a pattern exclude each other",
                where=_LAYOUT_KEY,
                got=f"{layout} and a pattern",
                remedy="leave out data.layout or data.pattern",
            )
        return {PATTERN: pattern_layout(pattern)}
    if layout == PATTERN:
        raise ConfigError(
            "the layout 'pattern' needs a pattern",
            where="data.pattern",
            expected="for example flair: '{case}/Flair.nii.gz'",
            remedy="write one path pattern per modality, and label and mask if there are any",
        )
    possible = {name: one for name, one in LAYOUTS.items() if not (remote and one.local_only)}
    if layout == AUTO:
        return possible
    look_up({**LAYOUTS, AUTO: None, PATTERN: None}, layout, _LAYOUT_KEY)
    if layout not in possible:
        raise ConfigError(
            f"the layout {layout!r} is read from this disk only",
            where=_LAYOUT_KEY,
            got="a URL",
            expected="a folder; of URLs " + ", ".join(possible),
            remedy="copy the data set to this machine",
        )
    return {layout: possible[layout]}


def _best(matches: Mapping[str, Found], place: object) -> str:
    """Choose the layout with the most cases in its own naming.

    Layouts that share their endings find the same files, and the case names decide. A layout
    that finds other files means that two data sets lie in one folder, with labels that may
    differ in meaning.
    """
    order = sorted(matches, key=lambda name: -matches[name].own_cases)
    best, rest = matches[order[0]], order[1:]
    files = _files(best)
    rivals = [
        name
        for name in rest
        if matches[name].own_cases == best.own_cases or not _files(matches[name]) <= files
    ]
    if not rivals:
        return order[0]
    described = [f"{name} (cases: {matches[name].own_cases})" for name in (order[0], *rivals)]
    raise LayoutError(
        "the folder fits several layouts",
        where=place,
        got=", ".join(described),
        expected="one data set in one layout",
        remedy=f"name the folder of one data set, or set {_LAYOUT_KEY} to one of these",
    )


def _files(found: Found) -> set[Path]:
    return {path for case in found.cases for path in case.images.values()}


def _check_duplicates(cases: Sequence[Case]) -> None:
    places = defaultdict(list)
    for case in cases:
        places[case.case_id].append(next(iter(case.images.values())))
    twice = {case_id: paths for case_id, paths in places.items() if len(paths) > 1}
    if twice:
        case_id, paths = next(iter(twice.items()))
        raise LayoutError(
            f"{len(twice)} case id{'s' if len(twice) > 1 else ''} more than once",
            where=case_id,
            got=" and ".join(str(path.parent) for path in paths[:3]),
            expected="each case once, since a copy could be trained on and tested with",
            remedy="remove the copies, or name a folder further down",
        )


def _not_a_data_set(tree: Tree, tried: Sequence[Layout], layout: str) -> LayoutError:
    contents = [(folder, listing) for folder, listing in tree.walk()]
    names = [name for _, listing in contents for name in listing.files]
    if not names and len(contents) == 1:
        return LayoutError(
            "the folder is empty",
            where=tree.place,
            expected="cases, such as " + tried[0].example,
            remedy="check the path (data.root), and whether the download was unpacked and the disk mounted",
        )
    kinds = Counter(_ending(name) for name in names)
    got = f"{len(names)} files in {len(contents) - 1} folders"
    if names:
        got += f" ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common(3))}), such as {some_of(names)}"
    width = max(len(one.name) for one in tried)
    examples = "".join(f"\n    {one.name:<{width}}  {one.example}" for one in tried)
    return LayoutError(
        "the folder is not a data set in a known layout"
        if layout == AUTO
        else f"no case in layout {layout!r}",
        where=tree.place,
        got=got,
        expected=f"file names such as{examples}",
        remedy="check the path (data.root), or describe your naming in data.pattern"
        if layout in (AUTO, PATTERN)
        else f"set {_LAYOUT_KEY} to auto, or describe your naming in data.pattern",
    )


def _ending(name: str) -> str:
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix or "no ending"


def _notes(found: Found, layout: str, cases: Sequence[Case], tree: Tree) -> list[str]:
    notes = []
    if found.unusual:
        notes.append(
            f"{len(found.unusual)} of {len(cases)} cases are not named as in {layout} "
            f"({some_of(sorted(found.unusual))}); their labels are read as {found.convention.name!r} too"
        )
    present = [m for m in ALL_MODALITIES if any(m in case.images for case in cases)]
    for modality in present:
        without = [case.case_id for case in cases if modality not in case.images]
        if without:
            notes.append(f"{len(without)} of {len(cases)} cases without {modality} ({some_of(without)})")
    unlabelled = [case.case_id for case in cases if case.label is None]
    if unlabelled and len(unlabelled) < len(cases):
        notes.append(f"{len(unlabelled)} of {len(cases)} cases without a label map ({some_of(unlabelled)})")
    elif unlabelled:
        notes.append("no case has a label map")
    if tree.unreadable:
        notes.append(f"folders that may not be listed were passed over: {some_of(tree.unreadable)}")
    return notes
