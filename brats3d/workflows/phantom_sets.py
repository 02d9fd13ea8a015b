"""Where phantoms are kept that stand in for a data set."""

from __future__ import annotations

from pathlib import Path

from brats3d.config import DataConfig, FitConfig
from brats3d.data.phantom import LOOKALIKES


def phantom_layout(data: DataConfig) -> str:
    """Naming of the phantoms' files."""
    return data.layout if data.layout in LOOKALIKES else "brats2021"


def phantom_folder(config: FitConfig) -> Path:
    """Folder of the phantoms of a configuration without ``data.root``, whether they have been made or not."""
    chosen, layout = config.data.phantoms, phantom_layout(config.data)
    size = "x".join(map(str, chosen.size))
    name = f"{chosen.cases}-{size}-seed{chosen.seed}-without_et{chosen.without_et:g}"
    name = name if layout == "brats2021" else f"{layout}-{name}"
    return Path(config.folder) / ".phantoms" / name
