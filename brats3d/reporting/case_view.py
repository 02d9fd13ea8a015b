"""The part of a page that can be turned around: volumes, colours and the program that draws them."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from brats3d.errors import ConfigError, closest_first
from brats3d.reporting.case import ReportedCase
from brats3d.reporting.case_pictures import Voxel, shown_modalities
from brats3d.reporting.embedded_volume import EmbeddedVolume, embedded_images, embedded_labels, has_depth
from brats3d.reporting.palette import tissue_colours

NOTHING = "'none'"
_NIIVUE = Path(__file__).parent / "niivue" / "niivue.umd.js"
_PROGRAM = Path(__file__).parent / "page" / "case_view.js"


@dataclass(frozen=True)
class CaseView:
    """What a page needs to show a case in three dimensions.

    Attributes:
        setup: What the program is told, as JSON can hold it.
        volumes: Images, then label maps.
        scripts: NiiVue and the program, as a ``<script>`` element holds them.
        megabytes: What the volumes add to the page.
    """

    setup: dict[str, Any]
    volumes: tuple[EmbeddedVolume, ...]
    scripts: tuple[Markup, ...]
    megabytes: float


def case_view(case: ReportedCase, centre: Voxel, modalities: Sequence[str] | None) -> CaseView | None:
    """Put together the view of a case.

    Args:
        case: Images, prediction and, if there is one, reference.
        centre: Voxel to begin at.
        modalities: Images to embed, the first of which is shown; None: T1ce and FLAIR, or what there is.

    Returns:
        None where no image is to be embedded, and for pictures.

    Raises:
        ConfigError: A modality that the case does not have.
    """
    chosen = shown_modalities(case) if modalities is None else tuple(modalities)
    for name in chosen:
        if name not in case.images:
            choices = closest_first(name, case.images)
            raise ConfigError(
                f"no image {name!r} to show",
                where=case.case_id,
                got=name,
                expected="some of " + ", ".join(choices),
                remedy=f"did you mean {choices[0]!r}?",
            )
    if not chosen or not has_depth(case):
        return None
    images, labels = embedded_images(case, chosen), embedded_labels(case)
    scripts = tuple(script_text(path) for path in (_NIIVUE, _PROGRAM))
    volumes = (*images, *labels)
    return CaseView(
        {
            "images": [volume.name for volume in images],
            "labels": [volume.name for volume in labels],
            # A list, in the order of the class indices: JSON may be written with its names sorted.
            "tissues": list(tissue_colours(case.convention.class_names[1:]).items()),
            "centre_mm": _place_mm(case, centre),
        },
        volumes,
        scripts,
        sum(len(volume.base64) for volume in volumes) / 1e6,
    )


def content_policy(scripts: Sequence[str]) -> str:
    """Policy of a page that consists of itself: these scripts alone may run, and nothing is asked for."""
    digests = (hashlib.sha256(script.encode("utf-8")).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed or NOTHING}; style-src 'unsafe-inline'; "
        f"img-src data: blob:; connect-src data:; base-uri {NOTHING}; form-action {NOTHING}"
    )


def _place_mm(case: ReportedCase, voxel: Voxel) -> list[float]:
    affine = np.diag((*case.spacing_mm, 1.0)) if case.affine is None else case.affine
    return (affine @ np.array([*voxel, 1]))[:3].tolist()


@functools.cache
def script_text(path: Path) -> Markup:
    """Text of a program that cannot end the element it stands in, whatever its strings hold."""
    return Markup(
        re.sub(r"<(?=/script|!--)", r"\\x3C", path.read_text(encoding="utf-8"), flags=re.IGNORECASE)
    )
