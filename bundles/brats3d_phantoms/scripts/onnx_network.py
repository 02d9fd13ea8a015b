# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The network of a bundle in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scripts.core.errors import MissingExtraError


class OnnxNetwork(nn.Module):
    """Computes ``(B, C, *S)`` to logits ``(B, out, *S)`` in float32, with as many threads as PyTorch.

    Args:
        path: File of the network, with the input ``image`` and the output ``logits``.
        providers: Where ONNX Runtime computes, best first.

    Raises:
        MissingExtraError: ``onnxruntime`` is not installed.
    """

    def __init__(self, path: str, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                "networks in ONNX need the package onnxruntime", remedy="pip install onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(path, options, providers=list(providers))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, on the device of ``x``."""
        (logits,) = self.session.run(["logits"], {"image": x.float().cpu().numpy()})
        return torch.from_numpy(logits).to(x.device)
