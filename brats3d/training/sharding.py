"""Weights, gradients and optimiser states shared out over the processes (FSDP2, ZeRO).

Rajbhandari et al. 2020, with :func:`torch.distributed.fsdp.fully_shard`.
"""

from __future__ import annotations

from pytorch_lightning.strategies import ModelParallelStrategy
from torch import distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard


class ShardedStrategy(ModelParallelStrategy):
    """Every process trains on batches of its own; checkpoints are whole, as those of one process."""

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        """Let all processes take part in sharing."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Leave each process its part of the weights; a forward pass gathers the rest."""
    if not isinstance(network, FSDPModule):
        fully_shard(network, mesh=mesh["data_parallel"])


def gather(network: nn.Module) -> None:
    """Give each process all weights, and the buffers of the first one, so that it can predict alone."""
    if isinstance(network, FSDPModule):
        network.unshard()
        for buffer in network.buffers():
            distributed.broadcast(buffer, src=0)


def release(network: nn.Module) -> None:
    """Leave each process its part of the weights again."""
    if isinstance(network, FSDPModule):
        network.reshard()
