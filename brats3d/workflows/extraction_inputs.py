"""Which masks and which images belong to a case whose features are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brats3d.cases import Case
from brats3d.data.discovery import AUTO, Discovery, discover
from brats3d.data.layouts.layout import some_of
from brats3d.errors import Brats3dError, ConfigError, DataError, LayoutError
from brats3d.labels import LabelConvention
from brats3d.places import is_url
from brats3d.workflows.evaluate import existing_path
from brats3d.workflows.pairing import FAIL, Masks, find_predictions, find_references

SKIP = "skip"


@dataclass(frozen=True)
class MaskedCase:
    """A mask, and the case with its images, or None for the mask alone."""

    case_id: str
    mask: Path
    case: Case | None


@dataclass(frozen=True)
class Inputs:
    """What features are extracted from.

    Attributes:
        cases: Sorted by case id.
        convention: Meaning of the masks' values.
        failed: Case id to what is wrong.
        notes: What the user should know, one sentence each.
    """

    cases: tuple[MaskedCase, ...]
    convention: LabelConvention
    failed: Mapping[str, DataError]
    notes: tuple[str, ...]


def find_inputs(
    masks: str | Path,
    images: str | Path | None = None,
    *,
    mask_pattern: str | None = None,
    convention: LabelConvention | None = None,
    layout: str = AUTO,
    pattern: Mapping[str, str] | None = None,
    missing: str = FAIL,
) -> Inputs:
    """Find masks and their images.

    Args:
        masks: Data set, folder of label maps, or one file.
        images: Data set; None takes the images of ``masks`` where that is a data set.
        mask_pattern: Which files are masks, see :func:`~brats3d.workflows.pairing.match_pattern`.
        convention: Meaning of the values; None: what the masks' folder says, else the images' data set.
        layout: Naming of the images' files.
        pattern: Naming of the user's own, see :func:`~brats3d.data.layouts.pattern.pattern_layout`.
        missing: What a mask without images is: ``fail`` (a failed case) or ``skip`` (a note).

    Raises:
        LayoutError: No masks, several for one case, or no data set.
        DataError: A path that does not exist, or no mask that belongs to an image.
        ConfigError: Nothing says what the values mean.
    """
    naming = _Naming(layout, pattern, convention)
    pictured = None if images is None else naming.discover(_place(images, "images"))
    place = _place(masks, "masks")
    labelled = None
    if mask_pattern is None:
        labelled = (naming if images is None else _Naming(AUTO, None, convention)).data_set(place)
    if labelled is not None:
        labels = {case.case_id: case.label for case in labelled.cases if case.label is not None}
        found = Masks(labels, labelled.convention, (f"masks in layout {labelled.layout}",))
        pictured = pictured or labelled
    else:
        found = _folder_of_masks(Path(place), pictured, mask_pattern, convention)
    meaning = convention or found.convention or (pictured.convention if pictured else None)
    if meaning is None:
        raise _meaningless(place)
    return _pair(found, pictured, meaning, missing)


def _pair(found: Masks, pictured: Discovery | None, meaning: LabelConvention, missing: str) -> Inputs:
    if pictured is None:
        alone = tuple(MaskedCase(case_id, path, None) for case_id, path in sorted(found.paths.items()))
        return Inputs(alone, meaning, {}, (*found.notes, "no images: features of the masks alone"))
    cases = {case.case_id: case for case in pictured.cases}
    both = tuple(
        MaskedCase(case_id, path, cases[case_id])
        for case_id, path in sorted(found.paths.items())
        if case_id in cases
    )
    unpictured = sorted(set(found.paths) - set(cases))
    unmasked = sorted(set(cases) - set(found.paths))
    if not both:
        raise DataError(
            "no mask belongs to an image",
            got=f"masks of {some_of(unpictured)}; images of {some_of(unmasked)}",
            expected="one mask per case, named after the same case",
            remedy="say how the masks are named in mask_pattern, such as '*_pred.nii.gz'",
        )
    notes = list(found.notes)
    if unmasked:
        notes.append(f"{len(unmasked)} cases without a mask are left out ({some_of(unmasked, 10)})")
    if missing == FAIL:
        return Inputs(
            both, meaning, {name: _unpictured(found.paths[name]) for name in unpictured}, tuple(notes)
        )
    if unpictured:
        notes.append(f"{len(unpictured)} masks without images are left out ({some_of(unpictured, 10)})")
    return Inputs(both, meaning, {}, tuple(notes))


def _place(place: str | Path, side: str) -> str | Path:
    return place if is_url(str(place)) else existing_path(place, side)


def _folder_of_masks(
    root: Path, pictured: Discovery | None, mask_pattern: str | None, convention: LabelConvention | None
) -> Masks:
    try:
        if pictured is None:
            return find_references(root, mask_pattern, convention)
        anchors = {case.case_id: case.label or next(iter(case.images.values())) for case in pictured.cases}
        return find_predictions(root, anchors, mask_pattern, convention)
    except LayoutError as error:
        raise about_masks(error) from error


@dataclass(frozen=True)
class _Naming:
    """How the files of a data set are named, and what its values mean."""

    layout: str
    pattern: Mapping[str, str] | None
    convention: LabelConvention | None

    def discover(self, place: str | Path) -> Discovery:
        return discover(place, layout=self.layout, pattern=self.pattern, convention=self.convention or AUTO)

    def data_set(self, place: str | Path) -> Discovery | None:
        """Return the data set with label maps that lies there, or None."""
        if isinstance(place, Path) and place.is_file():
            return None
        try:
            found = self.discover(place)
        except LayoutError:
            if self.layout == AUTO and not self.pattern and not is_url(str(place)):
                return None  # a folder of label maps, perhaps: that search has its own messages
            raise
        return found if any(case.label is not None for case in found.cases) else None


def about_masks(error: Brats3dError) -> Brats3dError:
    """Say the same about masks that is said about predictions or references."""

    def reworded(text: object) -> str | None:
        words = None if text is None else str(text)
        for side in ("prediction", "reference"):
            words = words and words.replace(f"{side}_", "mask_").replace(f" {side}", " mask")
        return words

    return type(error)(
        reworded(error.what) or "",
        where=reworded(error.where),
        got=error.got,
        expected=reworded(error.expected),
        remedy=reworded(error.remedy),
    )


def _unpictured(mask: Path) -> DataError:
    return DataError(
        "the mask has no images",
        where=mask,
        remedy="add the case to the images, or set missing to skip",
    )


def _meaningless(place: str | Path) -> ConfigError:
    return ConfigError(
        "nothing tells what the label values mean",
        where="mask_convention",
        got=f"{place}, which is not in the layout of a known data set",
        expected="a convention such as brats2017 (ET is 4) or brats2023 (ET is 3)",
        remedy="set mask_convention, or say in labels what each value is",
    )
