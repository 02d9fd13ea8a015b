"""Settings of domain adaptation, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AdaptConfig:
    """Adapt a run to another data set without its labels, by adversarial training of the encoder (ADDA)."""

    run: str | None = None
    """Run that was trained on the source."""
    target: str | None = None
    """Folder or URL of the data set to adapt to; label maps, if any, only score the result."""
    name: str | None = None
    """Name of the adapted run; by default that of the run and `-adapted`."""
    folder: str = "runs"
    """Folder that holds the runs."""
    source: str | None = None
    """Data set of the source; by default where the run found it."""
    layout: str = "auto"
    """Naming of the target's files."""
    pattern: dict[str, str] | None = None
    """Your own naming, as in data.pattern."""
    convention: str = "auto"
    """Label convention of the target's label maps, if it has any."""
    test: float = 0.25
    """Patients of the target that have no part in the adaptation and are scored before and after, if there
    are label maps: a fraction below 1, or a number."""
    seed: int = 0
    """Seed of the split, the discriminator and the patches."""
    steps: int = 300
    """Most steps of discriminator and encoder."""
    check_every_n_steps: int = 10
    """Steps between two looks at the distance of the two data sets."""
    patience: int = 10
    """Looks in a row without a smaller distance after which the adaptation ends."""
    lr: float = 3e-4
    """Learning rate of the encoder."""
    discriminator_lr: float = 1e-3
    """Learning rate of the discriminator."""
    batch_size: int | None = None
    """Patches of each data set per step; by default as the run says."""
    store: str | None = None
    """Folder of prepared cases; by default `.prepared` beside the runs."""
    accelerator: str = "auto"
    """auto, cpu or gpu."""
