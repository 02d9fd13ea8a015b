"""Look-alike of the slices of lower-grade gliomas (``kaggle_3m``): brain phantoms cut into RGB slices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brats3d.data.phantom.generation import make_phantom
from brats3d.data.phantom.lookalikes.lookalike import Files, Lookalike, Wanted, as_seen, encoded, mask_pixels

_CHANNELS = ("t1", "flair", "t1ce")
_COLUMNS = (
    "Patient,RNASeqCluster,MethylationCluster,miRNACluster,CNCluster,RPPACluster,OncosignCluster,COCCluster,"
    "histological_type,neoplasm_histologic_grade,tumor_tissue_site,laterality,tumor_location,gender,"
    "age_at_initial_pathologic,race,ethnicity,death01"
)


def _patient(number: int) -> str:
    return f"TCGA_PH_{number + 1:04d}"


def _name(number: int) -> str:
    return f"{_patient(number)}_20000101"


def _files(wanted: Wanted) -> Files:
    phantom = make_phantom(wanted.seed_of(wanted.number), wanted.size, parameters=wanted.parameters)
    colours = np.stack([_bytes(phantom.images[modality]) for modality in _CHANNELS], axis=-1)
    name = _name(wanted.number)
    files = {}
    for index in range(wanted.size[2]):
        stem = f"{name}/{name}_{index + 1}"
        pixels = np.stack([as_seen(colours[:, :, index, channel]) for channel in range(3)], axis=-1)
        files[f"{stem}.tif"] = encoded(pixels, "TIFF")
        if wanted.labelled:
            mask = as_seen(phantom.labels[:, :, index] > 0)
            files[f"{stem}_mask.tif"] = encoded(mask_pixels(mask), "TIFF")
    return files


def _bytes(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    brightest = float(np.percentile(image, 99.9))
    return np.clip(image * (255 / max(brightest, 1)), 0, 255).astype(np.uint8)


def _tables(cases: int) -> Files:
    """The table of the data set, whose entries are empty: phantoms have no genome."""
    empty = "," * _COLUMNS.count(",")
    rows = [_COLUMNS, *(_patient(number) + empty for number in range(cases))]
    return {"data.csv": ("\n".join(rows) + "\n").encode()}


LGG = Lookalike(_name, _files, _tables)
