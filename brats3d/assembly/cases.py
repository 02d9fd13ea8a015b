"""From the configuration to cases, their split and their preprocessing."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brats3d.cases import Case, modality_named
from brats3d.config import DataConfig, FitConfig, SplitConfig
from brats3d.data.discovery import Discovery, discover
from brats3d.data.remote import FileCache
from brats3d.data.sites import split_by_site
from brats3d.data.splits import (
    Split,
    split_by_fractions,
    split_from_csv,
    split_into_folds,
    strata_by_presence,
)
from brats3d.errors import ConfigError
from brats3d.labels import LabelConvention, Region, convention_named, custom_convention

if TYPE_CHECKING:
    from brats3d.transforms.preprocessing import Preprocessing


def label_convention(data: DataConfig) -> LabelConvention | str:
    """Label convention of the data set: the user's mapping, a built-in one, or ``auto``.

    Raises:
        ConfigError: Unknown convention or tissue.
    """
    if data.labels is not None:
        return custom_convention(data.labels, data.regions)
    if data.regions is not None:
        raise ConfigError(
            "data.regions without data.labels",
            where="data.regions",
            remedy="say in data.labels which value is which tissue, such as {1: tumor}",
        )
    return "auto" if data.convention == "auto" else convention_named(data.convention)


def discover_cases(
    data: DataConfig, root: str | os.PathLike[str], *, convention: LabelConvention | None = None
) -> Discovery:
    """Find the cases under ``root``, as the configuration says.

    Args:
        data: Layout, pattern and labels; where the files of a URL are kept.
        root: Folder of the data set or of one case, or the URL of one.
        convention: Label convention to use instead of the configuration's.

    Raises:
        LayoutError: No data set there, or more than one kind fits.
        DataError: A URL that cannot be read (MissingExtraError: for lack of a driver).
        ConfigError: Unknown layout or convention.
    """
    meaning = convention or label_convention(data)
    kept_in = os.path.abspath(os.path.expanduser(data.cache or FileCache.default_folder()))
    cache = FileCache(Path(kept_in), data.cache_gib)
    return discover(root, layout=data.layout, pattern=data.pattern, convention=meaning, cache=cache)


def split_cases(
    config: SplitConfig,
    cases: Sequence[Case],
    known: Callable[[Case, Region], bool | None] | None = None,
) -> Split:
    """Part the cases, by patient, as the configuration says.

    Args:
        config: How they are parted.
        cases: Cases.
        known: Whether a region occurs in a case, or None where its label map must be read.

    Raises:
        ConfigError: Too few patients, or settings that exclude each other.
        DataError: A table that does not fit the cases.
    """
    _check_one_way(config)
    if config.csv is not None:
        return split_from_csv(cases, Path(config.csv))
    strata: Mapping[str, Hashable] | None = None
    if config.stratify and cases:
        strata = strata_by_presence(cases, cases[0].convention.regions[0], known)
    test = _count_or_fraction(config.test, "split.test")
    if config.sites is not None:
        return split_by_site(
            cases, config.sites, fold=config.fold, test=test, seed=config.seed, strata=strata
        )
    if config.folds is not None:
        return split_into_folds(
            cases, folds=config.folds, fold=config.fold, test=test, seed=config.seed, strata=strata
        )
    val = _count_or_fraction(config.val, "split.val")
    return split_by_fractions(cases, val=val, test=test, seed=config.seed, strata=strata)


def _check_one_way(config: SplitConfig) -> None:
    """Check that sites are not one of several ways to split.

    Raises:
        ConfigError: They are.
    """
    for key in ("folds", "csv"):
        if config.sites is not None and getattr(config, key) is not None:
            raise ConfigError(
                "cases are split by sites or otherwise, not both",
                where=f"split.{key}",
                got=getattr(config, key),
                remedy="leave it out, or split.sites",
            )


def _count_or_fraction(value: float, key: str) -> float | int:
    if value < 0 or (value >= 1 and value != int(value)):
        raise ConfigError(
            "neither a share nor a number of patients",
            where=key,
            got=value,
            expected="a fraction of at least 0 and below 1, or a whole number",
        )
    return value if value < 1 else int(value)


def modalities(config: FitConfig) -> tuple[str, ...]:
    """Modalities in the network's channel order."""
    return tuple(modality_named(name) for name in config.data.modalities)


def build_preprocessing(config: FitConfig) -> Preprocessing:
    """Preprocessing of every case.

    Raises:
        ConfigError: A setting that cannot work.
    """
    from brats3d.transforms.preprocessing import Preprocessing

    chosen = config.preprocess
    if config.model.spatial_dims == 2 and chosen.orientation != "RAS":
        raise ConfigError(
            "slices need the orientation RAS",
            where="preprocess.orientation",
            got=chosen.orientation,
            expected="RAS, so that axial, coronal and sagittal mean what they say",
        )
    return Preprocessing(
        modalities=modalities(config),
        orientation=chosen.orientation,
        spacing_mm=chosen.spacing_mm,
        crop_to_brain=chosen.crop_to_brain,
        margin_voxels=chosen.margin_voxels,
        normalise=chosen.normalise,
        clip=chosen.clip,
        bias_field=chosen.bias_field,
        denoise=chosen.denoise,
        denoise_strength=chosen.denoise_strength,
        clahe=chosen.clahe,
        clahe_clip=chosen.clahe_clip,
        label_geometry=config.data.label_geometry,
    )
