"""Settings of the export, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportConfig:
    """Turn a run into a MONAI bundle that needs MONAI and PyTorch, but not brats3d."""

    run: str | None = None
    """Run folder, such as runs/NAME."""
    ensemble: tuple[str, ...] = ()
    """Instead of a run: run folders whose probabilities the bundle averages, as predict does."""
    gate: str | None = None
    """Run of a classifier (`task: classify`), which the bundle asks first, as predict --gate does."""
    output: str | None = None
    """Folder of the bundle; by default bundles/NAME. It must not exist."""
    checkpoint: str = "best"
    """best or last."""
    onnx: bool = False
    """Also write the network for ONNX Runtime (needs the extra onnx)."""
