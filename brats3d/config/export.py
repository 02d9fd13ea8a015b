"""Settings of the export, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportConfig:
    """Turn a run into a MONAI bundle that needs MONAI and PyTorch, but not brats3d."""

    run: str | None = None
    """Run folder, such as runs/NAME."""
    output: str | None = None
    """Folder of the bundle; by default bundles/NAME. It must not exist."""
    checkpoint: str = "best"
    """best or last."""
