"""Settings of the web page, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AppConfig:
    """Serve a page that segments what is dropped on it, and shows it (needs brats3d[app])."""

    run: tuple[str, ...] = ()
    """Run folder(s), such as runs/NAME; each is offered as a model. Without any model: the newest in `runs`,
    and fuzzy K-means."""
    bundle: tuple[str, ...] = ()
    """Folder(s) of MONAI bundles; each is offered as a model."""
    classical: tuple[str, ...] = ()
    """Recipes of methods that need no training, such as fuzzy_kmeans.yaml (needs brats3d[classical])."""
    gate: str | None = None
    """Run of a classifier; each run that fits it is offered behind it, too."""
    trust: bool = False
    """Run the programs that bundles of others consist of; those that export wrote need no trust."""
    host: str = "127.0.0.1"
    """Address to listen on; any but loopback requires a token."""
    port: int = 8000
    """Port to listen on; 0: any that is free."""
    token: str | None = None
    """What visitors must know; by default none on loopback, and a random one elsewhere, which is printed."""
    folder: str | None = None
    """Folder for uploads and results while they are needed; by default a temporary one."""
    keep_minutes: float = 30.0
    """Uploads and results that nobody has asked for during so many minutes are deleted."""
    upload_mib: int = 2048
    """Most that one upload may hold, unpacked."""
    upload_files: int = 5000
    """Most files that one upload may hold, unpacked."""
    uploads: int = 100
    """Most uploads at a time."""
    queue: int = 100
    """Most segmentations that may wait."""
    accelerator: str = "auto"
    """auto, cpu or gpu."""
    flips: bool | None = None
    """Average over mirror images; by default as each run says."""
    overlap: float | None = None
    """Overlap of windows; by default as each run says."""
