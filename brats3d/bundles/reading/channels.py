"""What the channels of a bundle mean, from its ``metadata.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from brats3d.bundles.reading.folder import BundleFolder
from brats3d.cases import MODALITIES, MODALITY_ALIASES
from brats3d.errors import RunError
from brats3d.labels import BACKGROUND, REGIONS, TISSUES

_MODALITIES: Mapping[str, str] = MappingProxyType(
    {
        **MODALITY_ALIASES,
        "t1weighted": "t1",
        "t1native": "t1",
        "t1contrast": "t1ce",
        "t1postcontrast": "t1ce",
        "postcontrastt1": "t1ce",
        "contrastenhancedt1": "t1ce",
        "t1gadolinium": "t1ce",
        "t1wce": "t1ce",
        "t1wgd": "t1ce",
        "t2weighted": "t2",
        "t2flair": "flair",
        "fluidattenuatedinversionrecovery": "flair",
    }
)
_REGIONS: Mapping[str, str] = MappingProxyType(
    {
        **{region.name.lower(): region.name for region in REGIONS},
        "enhancingtumor": "ET",
        "tumorcore": "TC",
        "wholetumor": "WT",
    }
)
_TISSUES: Mapping[str, str] = MappingProxyType(
    {
        **{name.lower(): name for name in TISSUES},
        BACKGROUND: BACKGROUND,
        "enhancingtumor": "ET",
        "gdenhancingtumor": "ET",
        "edema": "ED",
        "oedema": "ED",
        "peritumoraledema": "ED",
        "snfh": "ED",
        "ncrnet": "NCR",
        "necrosis": "NCR",
        "necrotictumorcore": "NCR",
        "necroticcore": "NCR",
        "nonenhancingtumor": "NET",
        "nonenhancingtumorcore": "NETC",
        "cysticcomponent": "CC",
        "resectioncavity": "RC",
    }
)
_UNUSED = re.compile(r"unused\d*")


def input_modalities(bundle: BundleFolder) -> tuple[str, ...]:
    """Return the modality of each input channel: t1, t1ce, t2 or flair.

    Raises:
        RunError: The metadata do not name them, or name something else.
    """
    names = _channel_names(bundle, "inputs", "image")
    found = [_MODALITIES.get(_plain(name)) for name in names]
    modalities = tuple(name for name in found if name is not None)
    if len(set(modalities)) < len(names) or not names:
        raise _not_understood(
            bundle,
            "inputs.image",
            names,
            f"each a modality, none twice: {', '.join(MODALITIES)} (any usual spelling)",
        )
    return modalities


def output_regions(bundle: BundleFolder) -> tuple[str, ...] | None:
    """Return the region of each output channel, or None where the channels are no regions."""
    found = [_REGIONS.get(_plain(name)) for name in _channel_names(bundle, "outputs", "pred")]
    regions = tuple(name for name in found if name is not None)
    complete = len(found) == len(REGIONS) and set(regions) == {region.name for region in REGIONS}
    return regions if complete else None


def output_tissues(bundle: BundleFolder) -> dict[int, str]:
    """Return label value to tissue, the background left out.

    Raises:
        RunError: The metadata do not name them, or name something else.
    """
    names = _channel_def(bundle, "outputs", "pred")
    # Servers count names without gaps, so that values of no tissue have one too.
    names = {value: name for value, name in names.items() if not _UNUSED.fullmatch(_plain(name))}
    tissues = {value: _TISSUES.get(_plain(name)) for value, name in names.items()}
    found = {value: name for value, name in tissues.items() if name is not None and name != BACKGROUND}
    known = None not in tissues.values() and tissues.get(0) == BACKGROUND
    if not known or not found or len(set(found.values())) < len(found) or not max(found) < 256:
        raise _not_understood(
            bundle,
            "outputs.pred",
            list(names.values()),
            "the three regions ET, TC and WT, or label values with 0 as the background and tissues such as "
            f"{', '.join(list(TISSUES)[:6])}",
        )
    return found


def _channel_names(bundle: BundleFolder, side: str, key: str) -> list[str]:
    """Names in channel order.

    Raises:
        RunError: There are none, or they are not numbered from 0.
    """
    names = _channel_def(bundle, side, key)
    return [names[index] for index in sorted(names)] if sorted(names) == [*range(len(names))] else []


def _channel_def(bundle: BundleFolder, side: str, key: str) -> dict[int, str]:
    try:
        found = bundle.metadata["network_data_format"][side][key]["channel_def"]
        return {int(number): str(name) for number, name in found.items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(
            "the metadata of the bundle do not say what its channels are",
            where=bundle.path / "configs" / "metadata.json",
            got=f"no network_data_format.{side}.{key}.channel_def",
            expected="a mapping of channel to name, such as {0: FLAIR, 1: T1}",
            remedy="add it to metadata.json",
        ) from error


def _plain(name: str) -> str:
    """A name without case, blanks, punctuation and British spelling."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).replace("tumour", "tumor")


def _not_understood(bundle: BundleFolder, key: str, names: list[str], expected: str) -> RunError:
    return RunError(
        "the channels of the bundle cannot be understood",
        where=f"{bundle.path / 'configs' / 'metadata.json'}: network_data_format.{key}.channel_def",
        got=", ".join(names) or "channels that are not numbered from 0",
        expected=expected,
        remedy="correct metadata.json; bundles of other images or structures cannot be used here",
    )
