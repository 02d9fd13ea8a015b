# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Label conventions and regions: the only module that knows what an integer label means.

A *tissue* is what a voxel shows (``NCR``, ``ED``, ``ET`` …). A :class:`LabelConvention` says which
integer stands for which tissue in one data set. A :class:`Region` is a set of tissues that is
predicted and scored together. A *class* is a maximal set of tissues that no region tells apart;
classes do not overlap (softmax), regions may (sigmoid). For BraTS the regions are ET ⊂ TC ⊂ WT and
the classes are background, tumour core without ET (``NCR``), ``ED`` and ``ET``.

Sources: Menze et al. 2015 (BraTS 2012-2016), Bakas et al. 2018 (2017 on), Baid et al. 2021,
Karargyris et al. 2023 (2023), de Verdier et al. 2024 (post-treatment), Kazerooni et al. 2024
(paediatric), Antonelli et al. 2022 (Medical Segmentation Decathlon).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import ConfigError, LabelError, closest_first

BACKGROUND = "background"

# Order decides which value stands for a merged class when a label map is written (NCR before NET
# before CC) and the order of the softmax classes.
TISSUES: Mapping[str, str] = MappingProxyType(
    {
        "NCR": "necrotic tumour core (2017-2022: necrotic and non-enhancing)",
        "NET": "non-enhancing tumour",
        "NETC": "non-enhancing tumour core",
        "CC": "cystic component",
        "ED": "oedema, surrounding non-enhancing FLAIR hyperintensity (SNFH)",
        "ET": "enhancing tumour",
        "RC": "resection cavity",
    }
)


@dataclass(frozen=True)
class Region:
    """A named set of tissues that is predicted and scored as one binary mask."""

    name: str
    tissues: frozenset[str]


ET = Region("ET", frozenset({"ET"}))
TC = Region("TC", ET.tissues | {"NCR", "NET", "NETC", "CC"})
WT = Region("WT", TC.tissues | {"ED"})
REGIONS: tuple[Region, ...] = (ET, TC, WT)


@dataclass(frozen=True)
class LabelConvention:
    """Integer labels of one data set, and the regions they make up.

    Attributes:
        name: Registry name, or ``custom``.
        tissues: Label value to tissue name, without the background (always 0).
        regions: Regions in the order of every network output, probability map and table.
    """

    name: str
    tissues: Mapping[int, str]
    regions: tuple[Region, ...] = REGIONS

    def __post_init__(self) -> None:
        """Freeze the mapping and check it."""
        object.__setattr__(self, "tissues", MappingProxyType(dict(self.tissues)))
        if not self.tissues or not all(0 < value < 256 for value in self.tissues):
            raise ConfigError(
                "a label convention needs values from 1 to 255 (0 is the background)",
                where=self.name,
                got=dict(self.tissues),
                expected="a mapping such as {1: NCR, 2: ED, 4: ET}",
            )
        hollow = [region.name for region in self.regions if not region.tissues]
        if hollow or not self.regions:
            raise ConfigError(
                f"the region {hollow[0]!r} has no tissue" if hollow else "no region to predict",
                where=self.name,
                expected="regions such as {ET: [ET], TC: [ET, NCR], WT: [ET, NCR, ED]}",
            )

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Pickle without the read-only view."""
        return LabelConvention, (self.name, dict(self.tissues), self.regions)

    def __hash__(self) -> int:
        """Hash by content; the order of the values does not count, as in ``==``."""
        return hash((self.name, frozenset(self.tissues.items()), self.regions))

    @property
    def region_names(self) -> tuple[str, ...]:
        """Names of the regions, in channel order."""
        return tuple(region.name for region in self.regions)

    @cached_property
    def class_table(self) -> NDArray[np.bool_]:
        """Region membership of each class, bool ``(classes, regions)``; row 0 is the background."""
        order = list(TISSUES)
        known = sorted(
            {tissue for region in self.regions for tissue in region.tissues},
            key=lambda tissue: (order.index(tissue) if tissue in order else len(order), tissue),
        )
        signatures = [tuple(tissue in region.tissues for region in self.regions) for tissue in known]
        background = (False,) * len(self.regions)
        return np.array([background, *dict.fromkeys(signatures)], dtype=bool)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the softmax classes, ``background`` first."""
        names = [BACKGROUND]
        for row in self.class_table[1:]:
            order = list(TISSUES)
            tissues = {tissue for region in self.regions for tissue in region.tissues}
            same = [t for t in tissues if tuple(t in r.tissues for r in self.regions) == tuple(row)]
            names.append(min(same, key=lambda t: (order.index(t) if t in order else len(order), t)))
        return tuple(names)

    @cached_property
    def _class_of_value(self) -> NDArray[np.uint8]:
        """Class index of each label value 0-255 (values outside the convention: 0)."""
        table = np.zeros(256, dtype=np.uint8)
        rows = [tuple(row) for row in self.class_table]
        for value, tissue in self.tissues.items():
            table[value] = rows.index(tuple(tissue in region.tissues for region in self.regions))
        return table

    @cached_property
    def _value_of_class(self) -> NDArray[np.uint8]:
        """Label value that is written for each class."""
        order = list(TISSUES)

        def rank(value: int) -> tuple[int, int]:
            tissue = self.tissues[value]
            return (order.index(tissue) if tissue in order else len(order), value)

        table = np.zeros(len(self.class_table), dtype=np.uint8)
        for index in range(1, len(table)):
            values = [value for value in self.tissues if self._class_of_value[value] == index]
            if values:
                table[index] = min(values, key=rank)
        return table

    def check(self, labels: NDArray[np.generic], where: object) -> NDArray[np.uint8]:
        """Check every value of a label map and return it as uint8.

        Args:
            labels: Label map of any numeric dtype (BraTS 2012-2016 masks are stored as float).
            where: File or case id for the message.

        Raises:
            LabelError: A value that is not whole or not in the convention; the message names the
                conventions that would fit.
        """
        allowed = {0, *self.tissues}
        with np.errstate(invalid="ignore"):  # NaN fails the comparison below
            whole = labels.astype(np.uint8)
        if (
            np.array_equal(whole, labels)
            and set(np.flatnonzero(np.bincount(whole.ravel())).tolist()) <= allowed
        ):
            return whole
        values = np.unique(labels).tolist()
        wrong = [value for value in values if value not in allowed]
        fitting = conventions_that_fit(values)
        remedy = "set data.convention, or write your own mapping in data.labels"
        if fitting:
            remedy += f"; these conventions have all the values: {', '.join(fitting)}"
        raise LabelError(
            f"label value {wrong[0]:g} is outside the convention {self.name!r}",
            where=where,
            got="values " + ", ".join(f"{value:g}" for value in values[:12]),
            expected="values " + ", ".join(map(str, sorted(allowed))),
            remedy=remedy,
        )

    def to_classes(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Label values ``(*S)`` to class indices ``(*S)``, uint8, 0 = background."""
        return self._class_of_value[labels]

    def to_regions(self, labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Label values ``(*S)`` to region masks, bool ``(R, *S)``; regions may overlap."""
        membership = self.class_table[self._class_of_value]
        return np.stack([column[labels] for column in membership.T])

    def from_classes(self, classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Class indices ``(*S)`` to label values ``(*S)``, uint8.

        Raises:
            LabelError: A class that this convention has no value for.
        """
        missing = [
            self.class_names[index]
            for index in np.unique(classes).tolist()
            if index and not self._value_of_class[index]
        ]
        if missing:
            raise LabelError(
                f"the convention {self.name!r} has no value for {missing[0]}",
                got=f"a prediction with {missing[0]}",
                expected="a convention whose mapping names every predicted tissue",
                remedy="write the output in another convention",
            )
        return self._value_of_class[classes]

    def from_regions(self, regions: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Region masks, bool ``(R, *S)``, to label values ``(*S)``, uint8, with nesting enforced.

        A voxel belongs to the class of the innermost region that claims it and all regions around
        that one: an ET voxel outside WT is background, so the outer region decides (as BraTS
        nests ET in TC in WT). Regions that do not nest keep the first that claims the voxel.
        """
        return self.from_classes(self.classes_from_regions(regions))

    def classes_from_regions(self, regions: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Region masks, bool ``(R, *S)``, to class indices ``(*S)``; see :meth:`from_regions`."""
        table = self.class_table
        if regions.shape[0] != table.shape[1]:
            raise LabelError(
                "the number of region channels does not fit the convention",
                got=regions.shape[0],
                expected=f"{table.shape[1]} ({', '.join(self.region_names)})",
            )
        classes = np.zeros(regions.shape[1:], dtype=np.uint8)
        # Small classes (members of most regions) are written last and so win over the outer ones;
        # among equals those of the first region are.
        for index in sorted(range(1, len(table)), key=lambda row: (table[row].sum(), *table[row])):
            inside = np.logical_and.reduce(regions[table[index]], axis=0)
            classes[inside] = index
        return classes


def conventions_that_fit(values: Iterable[float]) -> list[str]:
    """Names of the built-in conventions whose values include all of ``values``."""
    wanted = {value for value in values if value != 0}
    return [name for name, convention in CONVENTIONS.items() if wanted <= set(convention.tissues)]


CONVENTIONS: Mapping[str, LabelConvention] = MappingProxyType(
    {
        convention.name: convention
        for convention in (
            LabelConvention("brats2017", {1: "NCR", 2: "ED", 4: "ET"}),
            LabelConvention("brats2023", {1: "NCR", 2: "ED", 3: "ET"}),
            LabelConvention("brats2024-gli", {1: "NETC", 2: "ED", 3: "ET", 4: "RC"}),
            LabelConvention("brats2024-ped", {1: "ET", 2: "NET", 3: "CC", 4: "ED"}),
            LabelConvention("brats2012", {1: "NCR", 2: "ED", 3: "NET", 4: "ET"}),
            LabelConvention("msd-task01", {1: "ED", 2: "NET", 3: "ET"}),
        )
    }
)


def convention_named(name: str, where: str = "data.convention") -> LabelConvention:
    """Return a built-in convention.

    Raises:
        ConfigError: No such name; the message lists them, closest first.
    """
    if name not in CONVENTIONS:
        choices = closest_first(name, CONVENTIONS)
        raise ConfigError(
            f"unknown label convention {name!r}",
            where=where,
            got=name,
            expected="one of " + ", ".join(choices),
            remedy=f"did you mean {choices[0]!r}? A mapping of your own goes into data.labels",
        )
    return CONVENTIONS[name]


def custom_convention(
    tissues: Mapping[int, str], regions: Mapping[str, Sequence[str]] | None = None, name: str = "custom"
) -> LabelConvention:
    """Make a convention from a mapping the user wrote.

    Args:
        tissues: Label value to tissue name. Without ``regions`` the names must be BraTS tissues
            (see :data:`TISSUES`), with them any names will do.
        regions: Region name to its tissues; by default ET, TC and WT.
        name: How messages call it.

    Raises:
        ConfigError: A tissue that no region knows, a region with an unknown tissue, or a value that
            is not a whole number.
    """
    try:
        values = {int(value): tissue for value, tissue in tissues.items() if int(value) == float(value)}
    except ValueError:
        values = {}
    if len(values) != len(tissues):
        raise ConfigError(
            "label values must be whole numbers, each given once",
            where="data.labels",
            got=dict(tissues),
            expected="a mapping such as {1: NCR, 2: ED, 4: ET}",
        )
    if regions is None:
        made = REGIONS
        allowed = set(TISSUES)
    else:
        made = tuple(Region(region, frozenset(members)) for region, members in regions.items())
        allowed = set(tissues.values())
    used = set(tissues.values()) | {tissue for region in made for tissue in region.tissues if regions}
    for tissue in sorted(used):
        if tissue not in allowed:
            choices = closest_first(tissue, sorted(allowed))
            raise ConfigError(
                f"unknown tissue {tissue!r} in a label mapping",
                where="data.labels" if regions is None else "data.regions",
                got=tissue,
                expected="one of " + ", ".join(choices),
                remedy=f"did you mean {choices[0]!r}? Other tissues need data.regions",
            )
    return LabelConvention(name, values, made)
