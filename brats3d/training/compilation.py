"""The network as one compiled program, or as it is where it cannot be compiled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from brats3d.errors import Brats3dError
from brats3d.inference.memory import is_out_of_memory

logger = logging.getLogger(__name__)

Forward = Callable[[Tensor], Tensor | Sequence[Tensor]]


def compiled_forward(
    network: nn.Module, example: Tensor, *, mode: str, context: Callable[[], AbstractContextManager[None]]
) -> Forward:
    """Compile a network for training on batches of one shape; both its passes are tried once.

    Weights, gradients, buffers and random generators are afterwards as they were before. Where
    compiling fails (no compiler, an unsupported layer) the network itself is what is returned, and the
    log says why.

    Args:
        network: Network in training mode, on its device.
        example: A batch ``(B, C, *S)`` on that device; plain tensor.
        mode: A mode of ``torch.compile``: ``default``, ``reduce-overhead`` (replays CUDA graphs) or
            ``max-autotune``.
        context: Makes the context that the forward pass runs in, such as autocast.

    Returns:
        What to call instead of the network while training.

    Raises:
        RuntimeError: Memory ran out; smaller patches are the remedy, not another program.
    """
    started = time.monotonic()
    logger.info("compiling the network (%s); this takes a while, once", mode)
    program: Forward = torch.compile(lambda batch: network(batch), mode=mode, dynamic=False)

    def forward(batch: Tensor) -> Tensor | Sequence[Tensor]:
        torch.compiler.cudagraph_mark_step_begin()  # what the last step gave out may be overwritten
        return program(batch)

    try:
        _try_both_passes(forward, network, example, context)
    except Brats3dError:
        raise
    except Exception as error:  # compilers fail in any way
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:300]
        logger.warning(
            "the network could not be compiled (%s: %s); it trains as it is, more slowly. Set "
            "trainer.compile to off to avoid the attempt",
            type(error).__name__,
            reason,
        )
        return network.__call__
    logger.info("the network is compiled (%.0f s)", time.monotonic() - started)
    return forward


def _try_both_passes(
    forward: Forward,
    network: nn.Module,
    example: Tensor,
    context: Callable[[], AbstractContextManager[None]],
) -> None:
    buffers = [(buffer, buffer.detach().clone()) for buffer in network.buffers()]
    devices = [example.device] if example.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices), torch.enable_grad():
            with context():
                outputs = forward(example)
            outputs = [outputs] if isinstance(outputs, Tensor) else outputs
            total = torch.stack([output.float().mean() for output in outputs]).sum()
            # Not `backward`: that would add to gradients, and tell a distributed training about it.
            weights = [weight for weight in network.parameters() if weight.requires_grad]
            torch.autograd.grad(total, weights, allow_unused=True)
    finally:
        with torch.no_grad():
            for buffer, kept in buffers:
                buffer.copy_(kept)
