"""Which prediction belongs to which reference, whatever the files are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from brats3d.data.discovery import AUTO, IN_PIXELS, discover
from brats3d.data.layouts.dataset_json import FILE_NAME, convention_of, read_dataset_json
from brats3d.data.layouts.layout import some_of
from brats3d.data.layouts.tree import Tree
from brats3d.errors import DataError, LayoutError
from brats3d.labels import LabelConvention
from brats3d.workflows.label_maps import PROBABILITIES_ENDING

FAIL, SKIP, PENALISE = "fail", "skip", "penalise"
MISSING_CHOICES = (FAIL, SKIP, PENALISE)

_VOLUME = re.compile(r"(?P<stem>.+?)\.nii(\.gz)?", re.IGNORECASE)
_MASK_ENDING = re.compile(r"[-_.](seg|segmentation|label|labels|mask|gt)$", re.IGNORECASE)
_BOUNDARY = re.compile(r"(?<=[A-Za-z0-9])(?=[^A-Za-z0-9])|(?<=[^A-Za-z0-9])(?=[A-Za-z0-9])|^|$")
_PLACEHOLDERS = re.compile(r"(\{case\}|\*)")


@dataclass(frozen=True)
class Pair:
    """A reference and the prediction for it, or None where there is none."""

    case_id: str
    prediction: Path | None
    reference: Path


@dataclass(frozen=True)
class Pairing:
    """Both sides put together.

    Attributes:
        pairs: What can be scored, sorted by case id.
        failed: Case id to what is wrong, for cases without a partner that ought to have one.
        notes: What was left out, one sentence each.
    """

    pairs: tuple[Pair, ...]
    failed: Mapping[str, DataError]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Masks:
    """Label maps of one side.

    Attributes:
        paths: Case id to file.
        convention: Meaning of the values, or None where neither user nor folder says it.
        notes: What the user should know.
    """

    paths: Mapping[str, Path]
    convention: LabelConvention | None = None
    notes: tuple[str, ...] = ()


def find_references(
    root: Path, pattern: str | None = None, convention: LabelConvention | None = None
) -> Masks:
    """Find the reference label maps.

    Args:
        root: A data set in a known layout, a folder of label maps (``CASE.nii.gz``,
            ``CASE_seg.nii.gz``, in sub-folders or not), or one file.
        pattern: Which files are references, see :func:`match_pattern`.
        convention: Meaning of their values; None takes what the folder itself says.

    Raises:
        LayoutError: No label map, or two for one case.
    """
    if root.is_file():
        return Masks({_case_name(root): root}, convention or _convention_beside(root.parent, above=True))
    if pattern is not None:
        paths = match_pattern(root, pattern, "reference")
        return Masks(paths, convention or _convention_beside(root, above=True))
    try:
        found = discover(root, convention=convention or AUTO)
    except LayoutError as not_a_data_set:
        paths = _mask_folder(root, not_a_data_set)
        return Masks(paths, convention or _convention_beside(root, above=True))
    paths = {case.case_id: case.label for case in found.cases if case.label is not None}
    if not paths:
        raise LayoutError(
            "the references have no label maps",
            where=root,
            got=f"{len(found.cases)} cases in layout {found.layout}, none with a label map",
            remedy="name a folder with label maps",
        )
    notes = (f"references in layout {found.layout}", *(note for note in found.notes if note == IN_PIXELS))
    return Masks(paths, found.convention, notes)


def _mask_folder(root: Path, not_a_data_set: LayoutError) -> dict[str, Path]:
    """Take every volume as a label map, or only those called so where some are."""
    files = _volumes(root)
    named = [path for path in files if _MASK_ENDING.search(_stem(path))]
    if not files:
        raise not_a_data_set
    return _unique(((_case_name(path), path) for path in named or files), "reference")


def find_predictions(
    root: Path,
    references: Mapping[str, Path],
    pattern: str | None = None,
    convention: LabelConvention | None = None,
) -> Masks:
    """Find the predictions for some cases.

    Without a pattern a file belongs to the case whose id its name holds as whole words (``CASE.nii.gz``,
    ``CASE_pred.nii.gz``, ``model-CASE.nii.gz``), else to the case its folder is named after. A file
    that has just the id as its name is preferred. Files of other cases are kept under their own name.
    Probability maps that lie beside are no predictions.

    Args:
        root: Folder of predictions, or one file.
        references: Case id to reference file.
        pattern: Which files are predictions, see :func:`match_pattern`.
        convention: Meaning of their values; None takes what the folder itself says.

    Raises:
        LayoutError: No file, or several that fit one case equally well.
    """
    if root.is_file():
        case_id = next(iter(references)) if len(references) == 1 else _named_case(root, references)[1]
        return Masks({case_id or _case_name(root): root}, convention)
    if pattern is not None:
        return Masks(match_pattern(root, pattern, "prediction"), convention or _convention_beside(root))
    expected = set(references.values())  # both sides may lie in one folder
    files = [
        path
        for path in _volumes(root)
        if path not in expected and not path.name.endswith(PROBABILITIES_ENDING)
    ]
    if not files:
        raise LayoutError(
            "the folder holds no predictions",
            where=root,
            expected="NIfTI label maps (.nii, .nii.gz) named after their cases",
            remedy="check the path",
        )
    ranked: dict[str, dict[int, list[Path]]] = {}
    for path in files:
        rank, case_id = _named_case(path, references)
        ranked.setdefault(case_id or _case_name(path), {}).setdefault(rank, []).append(path)
    best = ((case_id, path) for case_id, ranks in ranked.items() for path in ranks[min(ranks)])
    return Masks(_unique(best, "prediction"), convention or _convention_beside(root))


def match_pattern(root: Path, pattern: str, side: str) -> dict[str, Path]:
    """Find files by a pattern and read the case ids off their names.

    Args:
        root: Folder; sub-folders are searched too.
        pattern: Ending of the path, such as ``*_seg.nii.gz``, ``pred/{case}.nii.gz`` or
            ``{case}/seg.nii.gz``. ``*`` stands for any text within one name. The case id is
            ``{case}``, else what the first ``*`` of the file name stands for, else the folder's name.
        side: ``prediction`` or ``reference``, for messages.

    Raises:
        LayoutError: No file fits, or two fit one case.
    """
    parts = PurePosixPath(pattern).parts
    if "{case}" not in pattern:
        parts = (*parts[:-1], parts[-1].replace("*", "{case}", 1))
    if "{case}" not in "/".join(parts):
        parts = ("{case}", *parts) if len(parts) == 1 else (parts[0].replace("*", "{case}", 1), *parts[1:])
    regex = re.compile(_regex("/".join(parts)))
    matches = ((regex.fullmatch("/".join(path.parts[-len(parts) :])), path) for path in _files(root))
    found = _unique(((m["case"], path) for m, path in matches if m and "case" in m.groupdict()), side)
    if not found:
        raise LayoutError(
            f"no file fits the {side} pattern",
            where=root,
            got=pattern,
            expected="a pattern such as '*_seg.nii.gz' or '{case}/seg.nii.gz'",
            remedy=f"the folder holds {some_of([path.name for path in _files(root)]) or 'no files'}",
        )
    return found


def pair(predictions: Masks, references: Masks, *, missing: str) -> Pairing:
    """Put both sides together.

    Args:
        predictions: Predictions by case id.
        references: References by case id.
        missing: ``fail``: a file without a partner is a failed case; ``skip``: only pairs are taken;
            ``penalise``: a reference without a prediction is scored as the worst. Predictions without
            a reference cannot be scored and are left out in both of the latter.

    Raises:
        DataError: No pair at all.
    """
    unpredicted = sorted(set(references.paths) - set(predictions.paths))
    unreferenced = sorted(set(predictions.paths) - set(references.paths))
    common = set(references.paths) & set(predictions.paths)
    notes = []
    if unpredicted:
        notes.append(f"{len(unpredicted)} references without a prediction ({some_of(unpredicted, 10)})")
    if unreferenced:
        notes.append(f"{len(unreferenced)} predictions without a reference ({some_of(unreferenced, 10)})")
    if not common:
        raise DataError(
            "no prediction belongs to a reference",
            got="; ".join(notes),
            expected="one prediction per reference, named after the same case",
            remedy="say how the files are named in prediction_pattern and reference_pattern",
        )
    failed = {case_id: _unpredicted(references.paths[case_id]) for case_id in unpredicted}
    failed |= {case_id: _unreferenced(predictions.paths[case_id]) for case_id in unreferenced}
    taken = references.paths if missing == PENALISE else common
    pairs = (
        Pair(case_id, predictions.paths.get(case_id), references.paths[case_id]) for case_id in sorted(taken)
    )
    if missing == FAIL:
        return Pairing(tuple(pairs), failed, ())
    return Pairing(tuple(pairs), {}, tuple(notes))


def _unpredicted(reference: Path) -> DataError:
    return DataError(
        "the reference has no prediction",
        where=reference,
        remedy="predict it, or set missing to skip or penalise",
    )


def _unreferenced(prediction: Path) -> DataError:
    return DataError(
        "the prediction has no reference",
        where=prediction,
        remedy="add the reference, or set missing to skip; patterns say which files are meant",
    )


def holds_volumes(root: Path) -> bool:
    """Whether there are volumes in a folder or below it."""
    return bool(_volumes(root))


def _named_case(path: Path, case_ids: Mapping[str, Path]) -> tuple[int, str | None]:
    """How closely a file is named after a case (0 is closest), and that case or None."""
    stem = _stem(path)
    if stem in case_ids:
        return 0, stem
    cuts = [match.start() for match in _BOUNDARY.finditer(stem)]
    words = [stem[a:b] for i, a in enumerate(cuts) for b in cuts[i + 1 :]]
    inside = [word for word in sorted(set(words), key=len, reverse=True) if word in case_ids]
    if inside:
        return 1, inside[0]
    return 2, path.parent.name if path.parent.name in case_ids else None


def _unique(items: Iterable[tuple[str, Path]], side: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for case_id, path in items:
        if case_id in found:
            raise LayoutError(
                f"two files could be the {side} for the same case",
                where=case_id,
                got=f"{found[case_id]} and {path}",
                expected=f"one {side} per case",
                remedy=f"say which files are meant in {side}_pattern, such as '*_{path.name.split('_')[-1]}'",
            )
        found[case_id] = path
    return found


def _regex(pattern: str) -> str:
    parts, seen = [], False
    for token in _PLACEHOLDERS.split(pattern):
        if token == "{case}":
            parts.append("(?P=case)" if seen else "(?P<case>[^/]+)")
            seen = True
        else:
            parts.append("[^/]*" if token == "*" else re.escape(token))
    return "".join(parts)


def _files(root: Path) -> list[Path]:
    return [Path(folder) / name for folder, listing in Tree(root).walk() for name in listing.files]


def _volumes(root: Path) -> list[Path]:
    return [path for path in _files(root) if _VOLUME.fullmatch(path.name)]


def _stem(path: Path) -> str:
    match = _VOLUME.fullmatch(path.name)
    return match["stem"] if match else path.stem


def _case_name(path: Path) -> str:
    return _MASK_ENDING.sub("", _stem(path))


def _convention_beside(folder: Path, *, above: bool = False) -> LabelConvention | None:
    """Convention by the ``dataset.json`` that nnU-Net puts beside label maps, if there is one."""
    for place in (folder, folder.parent) if above else (folder,):
        if (place / FILE_NAME).is_file():
            return convention_of(read_dataset_json(Tree(place), place), FILE_NAME)
    return None
