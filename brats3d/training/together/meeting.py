"""The key-value store in which the processes of a training meet."""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from typing import Any

from torch.distributed import DistNetworkError, PrefixStore, TCPStore

from brats3d.errors import ConfigError, RunError
from brats3d.training.together.ranks import Rank

_LOOK_EVERY_S = 0.5


def open_store(rank: Rank, *, patience_s: float) -> Any:
    """Connect to the store; the process that leads makes it, unless the launcher has.

    Args:
        rank: This process.
        patience_s: How long to wait for the process that leads.

    Raises:
        ConfigError: The port is taken.
        RunError: The process that leads does not come.
    """
    leads = rank.number == 0 and not rank.hosted
    if not leads:
        _wait_for_port(rank, patience_s)
    try:
        store = TCPStore(
            rank.address,
            rank.port,
            None,
            leads,
            timedelta(seconds=patience_s),
            wait_for_workers=False,
            multi_tenant=leads,  # torch's own store for collectives is then the same
        )
    except DistNetworkError as error:
        raise _refused(rank, str(error)) from error
    return PrefixStore(f"brats3d/{rank.attempt}", store)


def _wait_for_port(rank: Rank, patience_s: float) -> None:
    """Wait without torch, whose attempts fill the terminal."""
    latest = time.monotonic() + patience_s
    while True:
        try:
            with socket.create_connection((rank.address, rank.port), timeout=5):
                return
        except OSError as error:
            if time.monotonic() > latest:
                raise RunError(
                    "the process that leads the training cannot be reached",
                    where=f"{rank.address}, port {rank.port}, from {rank}",
                    got=f"{error.strerror or error} for {patience_s:g} s",
                    remedy="look whether it failed or was never started, whether MASTER_ADDR and MASTER_PORT "
                    "are right, and whether a firewall is between the machines",
                ) from error
        time.sleep(_LOOK_EVERY_S)


def _refused(rank: Rank, said: str) -> ConfigError:
    taken = "EADDRINUSE" in said
    return ConfigError(
        "the port on which the processes of the training meet is taken"
        if taken
        else "the processes of the training cannot meet",
        where=f"MASTER_PORT, on {rank.machine}",
        got=f"port {rank.port}, in use by another program" if taken else said[:300],
        expected="a free port",
        remedy="set MASTER_PORT to another one for all processes (torchrun: --master-port), "
        "or end what holds it, such as a training that was left over",
    )
