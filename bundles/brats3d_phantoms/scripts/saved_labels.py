# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""What the values of a label map mean that a client of MONAI Label has saved."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from scripts.core.errors import DataError
from scripts.core.labels import LabelConvention

_RECORD = "datastore_v2.json"
_UNUSED = "unused_"  # names in metadata.json of numbers that no class has


def convention_of_file(label: str | Path, convention: LabelConvention) -> LabelConvention:
    """Convention of a label map: that of the model, or what was noted when it was saved.

    3D Slicer numbers segments by their order, which a user may have changed. It tells the server which
    number is which segment, and the server keeps that beside its ``labels`` folder.

    Args:
        label: Label map.
        convention: That of the model.

    Raises:
        DataError: A segment that the model does not know.
    """
    path = Path(label)
    tag, folder = path.parent.name, path.parent.parent
    record = folder.parent / _RECORD
    if folder.name != "labels" or not record.is_file():
        return convention
    objects = json.loads(record.read_text(encoding="utf-8"))["objects"]
    image_id = re.sub(r"\.nii(\.gz)?$", "", path.name)
    saved = objects.get(image_id, {}).get("labels", {}).get(tag, {})
    noted: list[dict[str, Any]] = saved.get("info", {}).get("label_info") or []
    segments = [segment for segment in noted if not segment["name"].startswith(_UNUSED)]
    if not segments:
        return convention
    known = {name.lower(): name for name in convention.class_names[1:]}
    unknown = [segment["name"] for segment in segments if segment["name"].lower() not in known]
    if unknown:
        raise DataError(
            f"the segment {unknown[0]!r} is none of the model's",
            where=path,
            expected=", ".join(known),
            remedy="name the segments as the model does, and save the label again",
        )
    values = {int(segment["idx"]): known[segment["name"].lower()] for segment in segments}
    return LabelConvention(f"{convention.name}, saved by a client", values, convention.regions)
