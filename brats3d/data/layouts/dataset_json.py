"""``dataset.json`` of the Medical Segmentation Decathlon and nnU-Net: channels and labels by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brats3d.cases import MODALITY_ALIASES
from brats3d.data.layouts.tree import Tree
from brats3d.errors import Brats3dError, ConfigError, LayoutError
from brats3d.labels import BACKGROUND, CONVENTIONS, TC, WT, LabelConvention, custom_convention

FILE_NAME = "dataset.json"
TRAINING_FOLDER, TEST_FOLDER = "imagesTr", "imagesTs"
LABEL_FOLDER_OF = {TRAINING_FOLDER: "labelsTr", TEST_FOLDER: "labelsTs"}

# Keys are spelled as `_plain` leaves them.
_TISSUE_NAMES: Mapping[str, str] = {
    "et": "ET",
    "enhancing": "ET",
    "enhancingtumor": "ET",
    "gdenhancingtumor": "ET",
    "activetumor": "ET",
    "ed": "ED",
    "edema": "ED",
    "peritumoraledema": "ED",
    "snfh": "ED",
    "edsnfh": "ED",
    "surroundingnonenhancingflairhyperintensity": "ED",
    "ncr": "NCR",
    "necrosis": "NCR",
    "necrotic": "NCR",
    "necroticcore": "NCR",
    "necrotictumorcore": "NCR",
    "ncrnet": "NCR",
    "necroticandnonenhancingtumor": "NCR",
    "necroticandnonenhancingtumorcore": "NCR",
    "net": "NET",
    "nonenhancing": "NET",
    "nonenhancingtumor": "NET",
    "netc": "NETC",
    "nonenhancingtumorcore": "NETC",
    "cc": "CC",
    "cyst": "CC",
    "cysticcomponent": "CC",
    "rc": "RC",
    "resectioncavity": "RC",
}
_REGION_NAMES: Mapping[str, str] = {
    "wt": WT.name,
    "wholetumor": WT.name,
    "completetumor": WT.name,
    "tc": TC.name,
    "core": TC.name,
    "tumorcore": TC.name,
}


@dataclass(frozen=True)
class DatasetJson:
    """The parts of ``dataset.json`` that matter here.

    Attributes:
        path: The file.
        channels: Modality to channel index.
        labels: Label name to its value or, for a region, its values.
    """

    path: Path
    channels: Mapping[str, int]
    labels: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images with the ``dataset.json`` and label folder that belong to it."""

    base: Path
    name: str

    @property
    def path(self) -> Path:
        """The folder of images."""
        return self.base / self.name

    @property
    def labels(self) -> Path:
        """The folder where label maps would be."""
        return self.base / LABEL_FOLDER_OF[self.name]


def image_folder(tree: Tree) -> ImageFolder | None:
    """Find ``imagesTr`` (else ``imagesTs``) in the root; the root may be that folder itself."""
    if tree.root.name in LABEL_FOLDER_OF:
        return ImageFolder(tree.root.parent, tree.root.name)
    folders = tree.listing(tree.root).folders
    for name in LABEL_FOLDER_OF:
        if name in folders:
            return ImageFolder(tree.root, name)
    return None


def left_out(tree: Tree, folder: ImageFolder) -> list[str]:
    """Say that the test images beside the training images are not among the cases."""
    if folder.name == TRAINING_FOLDER and folder.base == tree.root:
        if TEST_FOLDER in tree.listing(tree.root).folders:
            return [f"{TEST_FOLDER} has no labels and is left out; name that folder itself to predict on it"]
    return []


def read_dataset_json(tree: Tree, folder: Path) -> DatasetJson:
    """Read ``dataset.json`` in a folder of a data set, or beside it.

    Raises:
        LayoutError: The file is missing or torn, or a channel is not a known modality.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(tree.read_text(path))
        channels = content.get("channel_names") or content["modality"]
        labels = content.get("labels", {})
        return DatasetJson(path, _channels(channels, path), _labels(labels))
    except Brats3dError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayoutError(
            f"images without a usable {FILE_NAME}, which says what the channels are",
            where=path,
            got="no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}",
            expected='an object with "channel_names" (or "modality") and "labels"',
            remedy=f"copy {FILE_NAME} of the data set to that place",
        ) from error


def _channels(names: Mapping[str, Any], path: Path) -> dict[str, int]:
    channels: dict[str, int] = {}
    for index, name in names.items():
        modality = MODALITY_ALIASES.get(_plain(str(name)))
        if modality is None or modality in channels:
            raise LayoutError(
                "a channel that is no modality of its own",
                where=path,
                got=f"channel {index} is {name!r}",
                expected="each of them once, or fewer: " + ", ".join(MODALITY_ALIASES),
                remedy=f"correct the channel names in {FILE_NAME}",
            )
        channels[modality] = int(index)
    return channels


def _labels(labels: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Bring both spellings, value to name (older) and name to value or values, to the latter."""
    made: dict[str, tuple[int, ...]] = {}
    for key, content in labels.items():
        if str(key).isdigit() and isinstance(content, str):
            made[content] = (int(key),)
        else:
            values = content if isinstance(content, list) else [content]
            made[str(key)] = tuple(int(value) for value in values)
    return made


def convention_of(dataset: DatasetJson, name: str) -> LabelConvention:
    """Infer the convention from the names of labels and regions.

    A value in the whole tumour but not in its core is oedema; one in the core that is not
    enhancing is necrotic or non-enhancing core.

    Raises:
        ConfigError: A name or a value whose meaning is not clear.
    """
    tissues: dict[int, str] = {}
    regions: dict[str, tuple[int, ...]] = {}
    unknown = []
    for label, values in dataset.labels.items():
        plain = _plain(label)
        if plain == BACKGROUND or values == (0,):
            continue
        if plain in _REGION_NAMES:
            regions[_REGION_NAMES[plain]] = values
        elif plain in _TISSUE_NAMES and len(values) == 1:
            tissues[values[0]] = _TISSUE_NAMES[plain]
        else:
            unknown.append(f"{label!r}: {list(values)}")
    if "TC" in regions:
        tissues = {**dict.fromkeys(regions["TC"], "NCR"), **tissues}
    if "WT" in regions and ("TC" in regions or set(regions["WT"]) <= set(tissues)):
        tissues = {**dict.fromkeys(regions["WT"], "ED"), **tissues}
    elif "WT" in regions:
        unknown.append("a whole tumour without a tumour core")
    if unknown or not tissues:
        raise ConfigError(
            "the labels of the data set are not understood by their names",
            where=dataset.path,
            got=", ".join(unknown) or "no labels",
            expected="names such as edema, necrosis, enhancing tumor, tumor core, whole tumor",
            remedy="set data.convention, or write what each value means in data.labels",
        )
    return _built_in(tissues) or custom_convention(tissues, name=name)


def _built_in(tissues: Mapping[int, str]) -> LabelConvention | None:
    same = (c for c in CONVENTIONS.values() if dict(c.tissues) == dict(tissues))
    return next(same, None)


def _plain(name: str) -> str:
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return letters.replace("tumour", "tumor").replace("oedema", "edema")
