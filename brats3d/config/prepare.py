"""Settings of the preparation, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass

from brats3d.config.run import FitConfig


@dataclass(frozen=True)
class PrepareConfig(FitConfig):
    """Prepare the cases of a data set as a training with the same configuration would do at its beginning."""

    store: str | None = None
    """Folder of prepared cases; by default `data.store`, else `.prepared` beside the runs."""
    jobs: int | None = None
    """Cases at a time; by default as many as cores and free memory allow."""
    verify: bool = False
    """Read what is prepared already in full; what is damaged is prepared anew."""
