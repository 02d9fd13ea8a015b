"""One of several processes that train together: its part of batches, through losses.

    python rank.py FOLDER RANK PROCESSES

Reads ``cases.pt``, leaves the losses and the gradients of its part in ``RANK.pt``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import distributed

from brats3d.losses import build_loss


def main(folder: Path, rank: int, processes: int) -> None:
    """Join the others and compute."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=processes
    )
    found = []
    for case in torch.load(folder / "cases.pt", weights_only=True):
        loss = build_loss(case["name"], head=case["head"], params=case["params"])
        logits, target = (case[key].chunk(processes)[rank] for key in ("logits", "target"))
        logits = logits.clone().requires_grad_()
        value = loss(logits, target)
        value.backward()
        with torch.no_grad():
            alone = loss(logits, target) if rank == 0 else None
        found.append({"loss": value.detach(), "gradient": logits.grad, "alone": alone})
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
