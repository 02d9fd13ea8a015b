"""The files of a case, from the path of one of them: BraTS keeps each modality in a file of its own."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.transforms import MapTransform

from brats3d.cases import MODALITY_ALIASES, OTHER_MODALITIES, Case
from brats3d.errors import Brats3dError, DataError
from brats3d.imaging.headers import read_stored_header
from brats3d.labels import LabelConvention, Region

logger = logging.getLogger(__name__)

_SUFFIX = r"\.nii(?:\.gz)?"
_MEANINGS = {**MODALITY_ALIASES, **{modality: modality for modality in OTHER_MODALITIES}}
_WHAT = "|".join((*_MEANINGS, "seg"))
_NAME = re.compile(rf"(?:(?P<stem>.*)[_.-])?(?P<what>{_WHAT}){_SUFFIX}", re.IGNORECASE)
_LABEL = "seg"


def convention_of(labels: Mapping[str, Any]) -> LabelConvention:
    """Label convention from its JSON form: ``name``, ``values`` (value to tissue) and ``regions``."""
    tissues = {int(value): tissue for value, tissue in labels["values"].items()}
    regions = tuple(Region(name, frozenset(members)) for name, members in labels["regions"].items())
    return LabelConvention(labels["name"], tissues, regions)


def find_case(
    image: str | Path | Sequence[str | Path],
    modalities: Sequence[str],
    convention: LabelConvention,
    label: str | Path | None = None,
) -> Case:
    """Find all modalities of a case.

    Args:
        image: One of its files (the others lie beside it, named alike but for the modality, in any
            year's spelling), one file for each modality in the order of ``modalities``, or a 4-D file
            with the modalities in that order.
        modalities: Modalities of the model, in channel order.
        convention: Meaning of the label values.
        label: Label map, or None.

    Raises:
        DataError: A modality is missing, or the number of files or channels is wrong.
    """
    paths = [Path(image)] if isinstance(image, str | Path) else [Path(path) for path in image]
    reference = None if label is None else Path(label)
    if len(paths) == 1:
        header = read_stored_header(paths[0])
        if header is not None and len(header.shape) == 4 and header.shape[3] > 1:
            return _case_of_4d(paths[0], header.shape[3], modalities, convention, reference)
    if len(paths) == 1 and len(modalities) > 1:
        name = _name_of(paths[0])
        images = _siblings(paths[0], name, modalities)
    elif len(paths) == len(modalities):
        name = _name_of(paths[0])
        images = dict(zip(modalities, paths, strict=True))
    else:
        raise _wrong_number(paths[0], f"{len(paths)} files", modalities)
    return Case(name, name, images, convention, label=reference)


def find_cases(folder: str | Path, modalities: Sequence[str]) -> list[dict[str, str]]:
    """Find the cases below a folder: files of the first modality, and 4-D files with as many channels.

    Returns:
        A MONAI data list: ``image``, and ``label`` where a file that ends on ``seg`` lies beside it.

    Raises:
        DataError: There is none.
    """
    found = []
    for path in sorted(Path(folder).rglob("*")):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            takes = _MEANINGS.get(match["what"].lower()) == modalities[0]
        else:
            header = read_stored_header(path) if re.search(f"{_SUFFIX}$", path.name) else None
            takes = header is not None and header.shape[3:] == (len(modalities),) and len(modalities) > 1
        if takes:
            label = _beside(path, match["stem"]).get(_LABEL) if match is not None else None
            found.append({"image": str(path)} | ({} if label is None else {"label": str(label)}))
    if not found:
        raise DataError(
            "no case found",
            where=folder,
            expected=f"files whose names end on {modalities[0]} (such as CASE_{modalities[0]}.nii.gz), "
            f"or 4-D files with {len(modalities)} channels",
            remedy="set dataset_dir to the folder of your cases",
        )
    return found


def _case_of_4d(
    path: Path, channels: int, modalities: Sequence[str], convention: LabelConvention, label: Path | None
) -> Case:
    if channels != len(modalities):
        raise _wrong_number(path, f"{channels} channels", modalities)
    images = dict.fromkeys(modalities, path)
    order = {modality: index for index, modality in enumerate(modalities)}
    name = re.sub(f"{_SUFFIX}$", "", path.name)
    return Case(name, name, images, convention, label=label, channels=order)


def _name_of(path: Path) -> str:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return re.sub(f"{_SUFFIX}$", "", path.name)
    return match["stem"] or path.resolve().parent.name


def _siblings(path: Path, name: str, modalities: Sequence[str]) -> dict[str, Path]:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise DataError(
            "the name of the file does not tell its modality",
            where=path,
            expected="names such as CASE_" + ".nii.gz, CASE_".join(modalities) + ".nii.gz in one folder",
            remedy="rename the files, or give one file for each modality",
        )
    beside = _beside(path, match["stem"])
    missing = [modality for modality in modalities if modality not in beside]
    if missing:
        likely = re.sub(match["what"] + r"(?=\.)", missing[0], path.name)
        raise DataError(
            f"the {missing[0]} image of the case is missing",
            where=name,
            got="in that folder: " + (", ".join(sorted(file.name for file in beside.values())) or "none"),
            expected=f"a file such as {path.with_name(likely)}",
            remedy="put all modalities of a case into one folder, named alike but for the modality",
        )
    return {modality: beside[modality] for modality in modalities}


def _beside(path: Path, stem: str | None) -> dict[str, Path]:
    """Files of the same case: modality (or ``seg``) to path."""
    found: dict[str, Path] = {}
    for file in sorted(path.parent.glob("*.nii*")):
        match = _NAME.fullmatch(file.name)
        if match is not None and match["stem"] == stem:
            what = match["what"].lower()
            found.setdefault(_MEANINGS.get(what, what), file)
    return found


def _wrong_number(path: Path, got: str, modalities: Sequence[str]) -> DataError:
    return DataError(
        "the wrong number of images",
        where=path,
        got=got,
        expected=f"{len(modalities)}: {', '.join(modalities)}",
        remedy="give every modality of the model, in this order",
    )


@contextlib.contextmanager
def logged_errors() -> Iterator[None]:
    """Log what a user can put right: servers say no more than that they failed, and let their logs be read.

    Raises:
        Brats3dError: What was raised inside.
    """
    try:
        yield
    except Brats3dError as error:
        logger.error("%s", error)
        raise


class FindCased(MapTransform):
    """Add ``case``, with all files that belong to ``image`` (see :func:`find_case`) and ``label``.

    Args:
        modalities: Modalities of the model, in channel order.
        labels: Label convention in its JSON form, see :func:`convention_of`.
    """

    def __init__(self, modalities: Sequence[str], labels: Mapping[str, Any]) -> None:
        super().__init__(keys="image")
        self.modalities = tuple(modalities)
        self.convention = convention_of(labels)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Find the files of one sample; ``image`` and ``label`` are paths."""
        sample = dict(data)
        with logged_errors():
            sample["case"] = find_case(sample["image"], self.modalities, self.convention, sample.get("label"))
        return sample
