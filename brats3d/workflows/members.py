"""The members of an ensemble: which of their files belong together, and what their values mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brats3d.data.layouts.layout import some_of
from brats3d.errors import ConfigError, DataError
from brats3d.labels import LabelConvention, Region
from brats3d.workflows.label_maps import PROBABILITIES_ENDING
from brats3d.workflows.pairing import Masks, find_predictions

_PROBABILITIES = PROBABILITIES_ENDING.removesuffix(".nii.gz")


@dataclass(frozen=True)
class Members:
    """Predictions of the same cases.

    Attributes:
        paths: Case id to one file per member, in their order; sorted by case id.
        conventions: Meaning of each member's values, or None where nothing says it.
    """

    paths: Mapping[str, tuple[Path, ...]]
    conventions: tuple[LabelConvention | None, ...]


def find_members(
    roots: Sequence[Path],
    pattern: str | None,
    conventions: Sequence[LabelConvention | None],
    *,
    of_probabilities: bool,
) -> Members:
    """Find the cases that all members have predicted.

    The files may be called differently (``CASE.nii.gz`` here, ``CASE_pred.nii.gz`` there): the shortest names
    are taken for the ids of the cases, see :func:`~brats3d.workflows.pairing.find_predictions`.

    Args:
        roots: A folder (or one file) for each member.
        pattern: Which files are meant, see :func:`~brats3d.workflows.pairing.match_pattern`.
        conventions: What the user says of each member's values, or None.
        of_probabilities: Whether probability maps are meant, and not the label maps beside them.

    Raises:
        LayoutError: A folder without predictions, or with several for one case.
        DataError: A case that not all have.
    """
    if of_probabilities and pattern is None:
        pattern = f"*{PROBABILITIES_ENDING}"
    sides = list(zip(roots, conventions, strict=True))
    found = [_chosen(find_predictions(root, {}, pattern, said), of_probabilities) for root, said in sides]
    if pattern is None:
        ids = dict.fromkeys(min(found, key=_mean_length).paths, Path())
        found = [_chosen(find_predictions(root, ids, None, said), of_probabilities) for root, said in sides]
    _check_complete(roots, found)
    paths = {case_id: tuple(masks.paths[case_id] for masks in found) for case_id in sorted(found[0].paths)}
    return Members(paths, tuple(masks.convention for masks in found))


def common_meaning(
    conventions: Sequence[LabelConvention | None],
    regions: Mapping[str, Sequence[str]] | None,
    *,
    every_tissue: bool,
) -> tuple[LabelConvention, ...]:
    """Give every member a convention, and all of them the same regions.

    Args:
        conventions: What is known of each; the first that is known stands for those that are not.
        regions: Region name to its tissues; None takes those of the conventions.
        every_tissue: Whether a tissue that no region holds becomes a region, so that it is not lost.

    Raises:
        ConfigError: Nothing is known of any, their regions differ, or a region has an unknown tissue.
    """
    known = next((convention for convention in conventions if convention is not None), None)
    if known is None:
        raise ConfigError(
            "nothing tells what the values of the predictions mean",
            where="prediction_convention",
            got="folders without a dataset.json",
            expected="a convention such as brats2017 (ET is 4) or brats2023 (ET is 3)",
            remedy="set prediction_convention, or write what each value means in labels",
        )
    meanings = [convention or known for convention in conventions]
    chosen = _stated_regions(regions, meanings) if regions is not None else _shared_regions(meanings)
    if every_tissue and regions is None:
        held = {tissue for region in chosen for tissue in region.tissues}
        tissues = dict.fromkeys(tissue for meaning in meanings for tissue in meaning.tissues.values())
        chosen += tuple(Region(tissue, frozenset({tissue})) for tissue in tissues if tissue not in held)
    return tuple(replace(meaning, regions=chosen) for meaning in meanings)


def _chosen(masks: Masks, of_probabilities: bool) -> Masks:
    """Name cases without the ending of probability maps, or leave these out."""
    if of_probabilities:
        return replace(masks, paths={name.removesuffix(_PROBABILITIES): p for name, p in masks.paths.items()})
    plain = {name: path for name, path in masks.paths.items() if not path.name.endswith(PROBABILITIES_ENDING)}
    return replace(masks, paths=plain)


def _mean_length(masks: Masks) -> float:
    return sum(map(len, masks.paths)) / max(1, len(masks.paths))


def _check_complete(roots: Sequence[Path], found: Sequence[Masks]) -> None:
    cases = {case_id for masks in found for case_id in masks.paths}
    for root, masks in zip(roots, found, strict=True):
        missing = sorted(cases - set(masks.paths))
        if missing:
            raise DataError(
                f"{len(missing)} of {len(cases)} cases are not in every folder of predictions",
                where=root,
                got=f"no prediction for {some_of(missing, 10)}",
                expected="a prediction for each case that another folder has",
                remedy="predict them, or take them out of the other folders; where the files are only named "
                "differently, say how in prediction_pattern",
            )
    if not cases:
        raise DataError(
            "the folders hold no label maps",
            where=roots[0],
            got="probability maps alone",
            remedy="choose method mean",
        )


def _shared_regions(meanings: Sequence[LabelConvention]) -> tuple[Region, ...]:
    first = meanings[0]
    for other in meanings[1:]:
        if other.regions != first.regions:
            raise ConfigError(
                "the conventions of the predictions do not have the same regions",
                where="prediction_convention",
                got=f"{other.name}: {', '.join(other.region_names)}",
                expected=f"those of {first.name}: {', '.join(first.region_names)}",
                remedy="say in regions what is to be fused",
            )
    return first.regions


def _stated_regions(
    regions: Mapping[str, Sequence[str]], meanings: Sequence[LabelConvention]
) -> tuple[Region, ...]:
    tissues = list(dict.fromkeys(tissue for meaning in meanings for tissue in meaning.tissues.values()))
    for name, members in regions.items():
        for tissue in members:
            if tissue not in tissues:
                raise ConfigError(
                    f"unknown tissue {tissue!r} in a region",
                    where=f"regions.{name}",
                    got=tissue,
                    expected="one of " + ", ".join(tissues),
                    remedy="correct it, or say in labels what each value is",
                )
    return tuple(Region(name, frozenset(members)) for name, members in regions.items())
