"""DICOM, to predict on: a folder per case, in it a folder per modality with the slices of one series."""

from __future__ import annotations

from pathlib import Path

from brats3d.cases import ALL_MODALITIES, MODALITY_ALIASES, OTHER_MODALITIES, Case
from brats3d.data.layouts.layout import Found, Layout
from brats3d.data.layouts.tree import Listing, Tree
from brats3d.errors import LayoutError
from brats3d.labels import CONVENTIONS, LabelConvention

_ENDINGS = frozenset({"", ".dcm", ".dicom", ".ima"})


def _find(tree: Tree, convention: LabelConvention | None) -> Found | None:
    meaning = convention or CONVENTIONS["brats2017"]
    cases = []
    for folder, listing in tree.walk():
        images = _series(tree, Path(folder), listing)
        if images:
            ordered = {modality: images[modality] for modality in ALL_MODALITIES if modality in images}
            cases.append(Case(Path(folder).name, Path(folder).name, ordered, meaning))
    return Found(cases, meaning) if cases else None


def _series(tree: Tree, folder: Path, listing: Listing) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in listing.folders:
        lower = name.lower()
        modality = lower if lower in OTHER_MODALITIES else MODALITY_ALIASES.get(lower)
        if modality is None or not _has_slices(tree.listing(folder / name)):
            continue
        if modality in found:
            raise LayoutError(
                f"two folders for {modality}",
                where=folder,
                got=f"{found[modality].name} and {name}",
                expected="one folder with one series for each modality",
                remedy="rename or remove one of them",
            )
        found[modality] = folder / name
    return found


def _has_slices(listing: Listing) -> bool:
    return any(_ending(name) in _ENDINGS for name in listing.files)


def _ending(name: str) -> str:
    ending = Path(name).suffix.lower()
    return "" if ending[1:].isdigit() else ending  # files may be named by UIDs, which have dots


DICOM = Layout(
    name="dicom",
    description="DICOM series in folders named by modality, without labels",
    example="CASE/t1ce/IM0001.dcm",
    find=_find,
    local_only=True,
    convention_known=False,
)
