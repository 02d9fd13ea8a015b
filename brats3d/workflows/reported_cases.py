"""Which cases of a run are shown, and what of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.data.splits import Split
from brats3d.errors import ConfigError, DataError, RunError, closest_first
from brats3d.imaging import PIXEL, Geometry, read_volume
from brats3d.labels import LabelConvention
from brats3d.reporting import LabelledCase, ReportedCase
from brats3d.transforms.restoration import orientation_change
from brats3d.workflows.segmentation import CaseSegmentation, Segmentation, SegmentedCase

Voxel = TypeVar("Voxel", bound=np.generic)

SPLITS = ("test", "val")


def choose_cases(split: Split, part: str | None, wanted: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """Choose held-out cases.

    Args:
        split: Case ids of the run.
        part: ``test`` or ``val``; None: the first of them that has cases.
        wanted: Ids, or one number: the first so many.

    Returns:
        The part and its ids; None and nothing where the run held out no case.

    Raises:
        ConfigError: Unknown part, or an id that is not in it.
        RunError: The part has no case.
    """
    if part is not None and part not in SPLITS:
        raise ConfigError("unknown split", where="split", got=part, expected=" or ".join(SPLITS))
    named = part if part is not None else next((name for name in SPLITS if getattr(split, name)), None)
    ids: tuple[str, ...] = getattr(split, named) if named is not None else ()
    if part is not None and not ids:
        raise RunError(
            f"the run has no {part} case", where="split", remedy="choose the other split, or --cases 0"
        )
    if len(wanted) == 1 and wanted[0].isdecimal() and wanted[0] not in ids:
        return named, ids[: int(wanted[0])]
    for name in wanted:
        if name not in ids:
            raise _unknown(name, split, named, ids)
    return named, tuple(dict.fromkeys(wanted))


def _unknown(name: str, split: Split, part: str | None, ids: Sequence[str]) -> ConfigError:
    others = [other for other in ("train", *SPLITS) if other != part and name in getattr(split, other)]
    held_out = [other for other in others if other in SPLITS]
    closest = closest_first(name, ids)[:8]
    remedy = f"did you mean {closest[0]!r}?" if closest else "show the curves alone: --cases 0"
    return ConfigError(
        f"the case is not among those of the split {part!r}",
        where="cases",
        got=f"{name!r}" + (f", a case of the split {others[0]!r}" if others else ""),
        expected=("a number, or ids such as " + ", ".join(closest)) if closest else "0: no case is held out",
        remedy=f"pass --split {held_out[0]}" if held_out else remedy,
    )


def find_chosen(cases: Sequence[Case], ids: Sequence[str]) -> list[Case]:
    """Find the cases of these ids.

    Raises:
        RunError: A case of the run is gone.
    """
    known = {case.case_id: case for case in cases}
    gone = [name for name in ids if name not in known]
    if gone:
        raise RunError(
            "a case of the run is no longer in the data set",
            where=gone[0],
            got=f"{len(gone)} missing cases",
            remedy="bring the data set back to what it was when the run began, or choose other --cases",
        )
    return [known[name] for name in ids]


def reported_case(case: Case, segmentation: Segmentation) -> LabelledCase:
    """Segment a labelled case and put it together with its images and its reference.

    Raises:
        DataError: A file of the case is missing, torn or inconsistent.
        LabelError: A label value outside the convention of the case.
    """
    assert case.label is not None
    result = segmentation(case, case.convention)
    shown = shown_case(
        case,
        result,
        segmentation.modalities,
        values=case.convention,
        trained=segmentation.convention,
        trust_arrays=trusts_arrays(segmentation),
    )
    assert isinstance(shown, LabelledCase)
    return shown


def shown_case(
    case: Case,
    result: SegmentedCase,
    modalities: Sequence[str],
    *,
    values: LabelConvention,
    trained: LabelConvention,
    trust_arrays: bool = False,
) -> ReportedCase:
    """Put a segmented case together with its images and, if it has a label map, its reference.

    Args:
        case: Its files.
        result: What was made of it.
        modalities: Images to show.
        values: Meaning of the label values of ``result``, with the regions of ``trained``.
        trained: Names the classes and regions.
        trust_arrays: Whether voxels line up wherever shapes are the same, whatever the headers say.

    Returns:
        A :class:`~brats3d.reporting.LabelledCase` where there is a label map.

    Raises:
        DataError: A file is missing or torn, or lies on another grid than the result.
        LabelError: A label value outside the convention of the case.
    """
    grid = result.geometry
    with case.here():
        images = {
            name: _on_grid(case.images[name], case.channels.get(name), grid, trust_arrays)
            for name in modalities
        }
        reference = None
        if case.label is not None:
            labels = _on_grid(case.label, None, grid, trust_arrays)
            reference = case.convention.to_classes(case.convention.check(labels, case.label))
    shown = ReportedCase(
        case.case_id,
        {name: _upright(image, grid) for name, image in images.items()},
        None,
        _upright(values.to_classes(result.labels), grid),
        np.stack([_upright(channel, grid) for channel in result.probabilities]),
        trained,
        *_upright_grid(grid),
    )
    return shown if reference is None else shown.with_reference(_upright(reference, grid))


def trusts_arrays(segmentation: Segmentation) -> bool:
    """Whether a model was trained on label maps whose headers need not agree with those of the images."""
    return (
        isinstance(segmentation, CaseSegmentation) and segmentation.preprocessing.label_geometry != "strict"
    )


def _on_grid(path: Path, channel: int | None, grid: Geometry, trust_arrays: bool) -> NDArray[np.float32]:
    voxels, found = read_volume(path, channel=channel, allow_plane=True)
    difference = grid.difference(found)
    if difference is not None and (found.shape != grid.shape or not trust_arrays):
        raise DataError(
            "the file lies on another grid than the segmentation",
            where=path,
            got=difference,
            expected="one grid for images, label map and segmentation",
            remedy="resample it to their grid (label maps with nearest-neighbour interpolation)",
        )
    return voxels


def _upright(volume: NDArray[Voxel], grid: Geometry) -> NDArray[Voxel]:
    """Turn ``(X, Y, Z)`` in the axes of the files to the right, to the front and upwards."""
    axes, flipped = orientation_change(grid, "RAS")
    return volume.transpose(axes)[tuple(slice(None, None, -1 if flip else 1) for flip in flipped)]


def _upright_grid(grid: Geometry) -> tuple[tuple[float, float, float], bool, NDArray[np.float64]]:
    """Spacing, whether left and right are known, and affine of what :func:`_upright` returns."""
    axes, flipped = orientation_change(grid, "RAS")
    from_upright = np.zeros((4, 4))
    from_upright[3, 3] = 1
    for upright, (axis, flip) in enumerate(zip(axes, flipped, strict=True)):
        from_upright[axis, upright] = -1 if flip else 1
        from_upright[axis, 3] = grid.shape[axis] - 1 if flip else 0
    x, y, z = (grid.spacing_mm[axis] for axis in axes)
    return (x, y, z), grid.unit != PIXEL, grid.affine @ from_upright
