"""Fuse the predictions of several tools, or of several runs, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.config import EnsembleConfig
from brats3d.errors import ConfigError, DataError
from brats3d.imaging import Geometry, read_geometry, read_volume, write_label_map
from brats3d.imaging.headers import read_stored_header
from brats3d.labels import LabelConvention, convention_named
from brats3d.metrics.boxes import bounding_box
from brats3d.postprocessing import Postprocessing
from brats3d.postprocessing.fusion import FUSIONS, FusionMethod, shares
from brats3d.registry import look_up
from brats3d.workflows.conventions import own_convention, stated_convention
from brats3d.workflows.evaluate import existing_path
from brats3d.workflows.label_maps import check_header, check_targets, checked_labels, shown_grid
from brats3d.workflows.members import common_meaning, find_members
from brats3d.workflows.pipeline import run_overlapping

_ROUNDING = 1e-3


def ensemble(config: EnsembleConfig) -> list[Path]:
    """Fuse predictions into one label map per case, on their grid.

    Each region is fused by itself; a voxel is in it where the method says more than 0.5. Regions within
    others stay within them (see :class:`~brats3d.postprocessing.Postprocessing`).

    Args:
        config: Folders, method and output.

    Returns:
        The label maps, sorted by case id.

    Raises:
        ConfigError: A choice that is unknown or cannot work.
        LayoutError: A folder without predictions, or with several for one case.
        DataError: A case that not all folders have, or whose files are on different grids or unreadable.
        LabelError: Values that are not those of the convention.
        OutputError: The label maps exist already or cannot be written.
    """
    method = look_up(FUSIONS, config.method, "method")
    parts = _shares(config, method)
    roots = [existing_path(path, "predictions") for path in config.predictions]
    output = Path(config.output)
    _check_output(output, roots)
    members = find_members(
        roots, config.prediction_pattern, _stated(config), of_probabilities=method.of_probabilities
    )
    meanings = common_meaning(members.conventions, config.regions, every_tissue=not method.of_probabilities)
    given = meanings[0] if config.convention == "auto" else convention_named(config.convention, "convention")
    fusion = _Fusion(method, parts, meanings, replace(given, regions=meanings[0].regions))
    targets = [output / f"{case_id}.nii.gz" for case_id in members.paths]
    check_targets(targets, config.overwrite)
    jobs = [
        _Job(paths, fusion.grid(paths), target)
        for paths, target in zip(members.paths.values(), targets, strict=True)
    ]
    run_overlapping(
        jobs,
        read=lambda job: (job, fusion.read(job.paths)),
        compute=lambda ready: fusion.fuse(ready[1], ready[0].geometry),
        write=lambda job, labels: write_label_map(
            job.target, labels, job.geometry, overwrite=config.overwrite
        ),
        what="fusing",
    )
    return targets


@dataclass(frozen=True)
class _Job:
    """The files of a case, their grid, and the file to write."""

    paths: tuple[Path, ...]
    geometry: Geometry
    target: Path


@dataclass(frozen=True)
class _Fusion:
    """How a case is fused: method, shares and meanings of the members, meaning of the result."""

    method: FusionMethod
    shares: tuple[float, ...]
    meanings: tuple[LabelConvention, ...]
    convention: LabelConvention

    def grid(self, paths: Sequence[Path]) -> Geometry:
        """Compare the headers before a voxel is read.

        Raises:
            DataError: A header that cannot be what is expected, or another grid than the first's.
        """
        for path in paths:
            if self.method.of_probabilities:
                self._check_channels(path)
            else:
                check_header(path)
        first, *others = (read_geometry(path) for path in paths)
        for path, other in zip(paths[1:], others, strict=True):
            difference = first.difference(other)
            if difference is not None:
                raise DataError(
                    f"predictions of a case are not on the same grid: {difference}",
                    where=path,
                    got=shown_grid(other),
                    expected=f"{shown_grid(first)}, as in {paths[0]}",
                    remedy="resample one to the other",
                )
        return first

    def read(self, paths: Sequence[Path]) -> list[NDArray[Any]]:
        """Read the members: label maps ``(*S)``, or probabilities ``(R, *S)``.

        Raises:
            DataError: A file that cannot be read, or values that are not what they should be.
        """
        if not self.method.of_probabilities:
            return [
                checked_labels(read_volume(path)[0], meaning, "prediction", path)
                for path, meaning in zip(paths, self.meanings, strict=True)
            ]
        channels = range(len(self.convention.regions))
        return [
            np.stack([_probabilities(read_volume(path, channel=c)[0], path) for c in channels])
            for path in paths
        ]

    def fuse(self, members: Sequence[NDArray[Any]], geometry: Geometry) -> NDArray[np.uint8]:
        """Fuse what was read into label values ``(*S)``."""
        labels = np.zeros(geometry.shape, dtype=np.uint8)
        extents = [member if member.ndim == 3 else member.max(axis=0) for member in members]
        box = bounding_box(*extents)
        if not self.method.of_probabilities:
            sides = zip(members, self.meanings, strict=True)
            members = [meaning.to_regions(member[box]) for member, meaning in sides]
        else:
            members = [member[(slice(None), *box)] for member in members]
        fused = np.stack([self._fuse_region(region) for region in zip(*members, strict=True)])
        labels[box] = Postprocessing()(fused, self.convention, geometry.voxel_volume_ml)
        return labels

    def _fuse_region(self, members: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Fuse a region in the box that holds all that any member says of it."""
        fused = np.zeros(members[0].shape, dtype=np.float64)
        box = bounding_box(*members)
        if fused[box].size:
            fused[box] = self.method.fuse([member[box] for member in members], self.shares)
        return fused

    def _check_channels(self, path: Path) -> None:
        header, regions = read_stored_header(path), self.convention.region_names
        if header is not None and header.shape[3:] != (len(regions),):
            raise DataError(
                "the file is not a probability map of these regions",
                where=path,
                got=f"shape {header.shape}",
                expected=f"{len(regions)} channels ({', '.join(regions)}), as predict --probabilities writes",
                remedy="set prediction_convention, or regions in the order of the channels",
            )


def _probabilities(values: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """Check that values are probabilities; NaN is not."""
    if not (values.min() >= -_ROUNDING and values.max() <= 1 + _ROUNDING):
        raise DataError(
            "the values are not probabilities",
            where=path,
            got=f"values from {values.min():g} to {values.max():g}",
            expected="values from 0 to 1",
            remedy="write probabilities instead of logits or scores",
        )
    return values


def _shares(config: EnsembleConfig, method: FusionMethod) -> tuple[float, ...]:
    count = len(config.predictions)
    if count < 2:
        raise ConfigError(
            "an ensemble needs at least two folders of predictions",
            where="predictions",
            got=", ".join(config.predictions) or None,
            remedy="brats3d ensemble --predictions A B C --output OUT",
        )
    if config.weights and not method.weighted:
        raise ConfigError(
            f"the method {config.method} finds out by itself how much each folder counts",
            where="weights",
            got=", ".join(f"{weight:g}" for weight in config.weights),
            remedy="leave out --weights, or choose another method",
        )
    return shares(config.weights, count)


def _stated(config: EnsembleConfig) -> list[LabelConvention | None]:
    """What the user says of each folder's values, or None where the folder is to say it."""
    count, names = len(config.predictions), config.prediction_convention
    if config.labels is not None:
        return [own_convention(config.labels, config.regions)] * count
    if len(names) not in (1, count):
        raise ConfigError(
            "label conventions that do not fit the folders",
            where="prediction_convention",
            got=", ".join(names) or "none",
            expected=f"one for all, or {count}: one for each folder, in their order",
        )
    stated = [stated_convention(name, "prediction_convention") for name in names]
    return stated if len(stated) == count else stated * count


def _check_output(output: Path, roots: Sequence[Path]) -> None:
    for root in roots:
        if output.absolute().resolve() == (root if root.is_dir() else root.parent).resolve():
            raise ConfigError(
                "the output would lie among the predictions",
                where="output",
                got=output,
                remedy="choose another --output",
            )
