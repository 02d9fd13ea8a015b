"""Made-up data sets in the form of public ones that are not BraTS, one module each."""

from __future__ import annotations

from collections.abc import Mapping

from brats3d.data.phantom.lookalikes.chest import CHEST_XRAY, MONTGOMERY
from brats3d.data.phantom.lookalikes.figshare import FIGSHARE
from brats3d.data.phantom.lookalikes.lgg import LGG
from brats3d.data.phantom.lookalikes.lookalike import Lookalike

LOOKALIKES: Mapping[str, Lookalike] = {
    "lgg": LGG,
    "figshare": FIGSHARE,
    "montgomery": MONTGOMERY,
    "chest_xray": CHEST_XRAY,
}

__all__ = ["LOOKALIKES", "Lookalike"]
