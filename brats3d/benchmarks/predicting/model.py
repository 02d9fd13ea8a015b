"""What is to be segmented, and the network that all contenders share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brats3d.config import FitConfig

OVERLAP = 0.5
"""Share of a window that its neighbour covers, too."""

DYNUNET = MappingProxyType({"filters": (16, 32, 64, 128, 256)})
"""Parameters of the network that nnU-Net has, too, where no run is given: half of its usual channels."""


@dataclass(frozen=True)
class Job:
    """What is to be segmented, and with what.

    Attributes:
        case: Folder of the case.
        run: Folder of the run; None: random weights.
        output: Folder for the result.
        window: Voxels of a window of a ``dynunet`` with random weights; None: the network of the recipe.
            A run has both of its own.
        recipe: Configuration file of a network with random weights; None: the quick start.
    """

    case: str
    run: str | None
    output: str
    window: Sequence[int] | None = None
    recipe: str | None = None


class Model:
    """A job's case and network; the same for every contender."""

    def __init__(self, job: Job) -> None:
        from brats3d import assembly
        from brats3d.config import DataConfig
        from brats3d.workflows.runs import RunFolder

        self.run = None if job.run is None else RunFolder.open(job.run)
        self.config = _untrained(job) if self.run is None else self.run.config()
        (self.case,) = assembly.discover_cases(DataConfig(), Path(job.case)).cases
        self.convention = self.case.convention if self.run is None else self.run.convention()

    @property
    def window(self) -> tuple[int, ...]:
        """Voxels of a window along each axis."""
        return tuple(self.config.inference.window or self.config.patch.size)

    def load(self, network: Any) -> None:
        """Fill a network that has just been built."""
        from brats3d.workflows.loading import load_weights

        if self.run is not None:
            load_weights(network, self.run.checkpoint())

    def network(self) -> Any:
        """The network alone."""
        import torch

        from brats3d import assembly

        torch.manual_seed(0)
        network = assembly.build_network(self.config, assembly.build_head(self.config, self.convention))
        self.load(network)
        return network.eval()


def _untrained(job: Job) -> FitConfig:
    from brats3d.config import ModelConfig, PatchConfig, load_config

    config = load_config(job.recipe)
    if job.window is None:
        return config
    model = ModelConfig(name="dynunet", params=dict(DYNUNET))
    return replace(config, model=model, patch=PatchConfig(size=tuple(job.window)))
