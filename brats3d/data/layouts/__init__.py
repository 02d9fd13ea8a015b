"""Data layouts: how public data sets name and place their files, one module each.

A new layout is one module that makes a :class:`~brats3d.data.layouts.layout.Layout`, and one line
in :data:`LAYOUTS`. Naming written by the user is in :mod:`brats3d.data.layouts.pattern`.
"""

from __future__ import annotations

from collections.abc import Mapping

from brats3d.data.layouts.brats2018 import BRATS2018
from brats3d.data.layouts.brats2020 import BRATS2020
from brats3d.data.layouts.brats2021 import BRATS2021
from brats3d.data.layouts.brats2023 import BRATS2023
from brats3d.data.layouts.chest_xray import CHEST_XRAY, MONTGOMERY
from brats3d.data.layouts.dicom import DICOM
from brats3d.data.layouts.figshare import FIGSHARE
from brats3d.data.layouts.layout import Found, Layout
from brats3d.data.layouts.lgg import LGG
from brats3d.data.layouts.msd import MSD
from brats3d.data.layouts.nnunet import NNUNET

LAYOUTS: Mapping[str, Layout] = {
    "brats2018": BRATS2018,
    "brats2020": BRATS2020,
    "brats2021": BRATS2021,
    "brats2023": BRATS2023,
    "msd": MSD,
    "nnunet": NNUNET,
    "lgg": LGG,
    "figshare": FIGSHARE,
    "montgomery": MONTGOMERY,
    "chest_xray": CHEST_XRAY,
    "dicom": DICOM,
}

__all__ = ["LAYOUTS", "Found", "Layout"]
