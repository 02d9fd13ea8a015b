# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Device and precision, chosen by what the machine has."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.core.errors import ConfigError, closest_first

if TYPE_CHECKING:
    from scripts.core.inference.forward import Precision


@dataclass(frozen=True)
class Hardware:
    """Where the computing is done.

    Attributes:
        accelerator: Lightning's name, cpu or gpu.
        device: Torch's name, cpu or cuda.
        training: Lightning's precision, such as bf16-mixed.
        inference: bf16, fp16 or fp32.
    """

    accelerator: str
    device: str
    training: str
    inference: Precision


def hardware(accelerator: str, precision: str) -> Hardware:
    """Choose device and precision: bf16 where the hardware is fast at it, CPUs included.

    Args:
        accelerator: auto, cpu, gpu or cuda.
        precision: auto or a name of Lightning's.

    Raises:
        ConfigError: A GPU is asked for where there is none, or a precision that is unknown or not to
            be had here.
    """
    import torch

    choices = ("auto", "cpu", "gpu", "cuda")
    if accelerator not in choices:
        ordered = closest_first(accelerator, choices)
        raise ConfigError(
            f"unknown accelerator {accelerator!r}",
            where="trainer.accelerator",
            expected="one of " + ", ".join(ordered),
            remedy=f"did you mean {ordered[0]!r}?",
        )
    has_gpu = torch.cuda.is_available()
    if accelerator in {"gpu", "cuda"} and not has_gpu:
        raise ConfigError(
            "no GPU is available",
            where="trainer.accelerator",
            got=accelerator,
            remedy="use --trainer.accelerator cpu, or install a torch built for your GPU",
        )
    device = "cuda" if has_gpu and accelerator != "cpu" else "cpu"
    named: dict[str, Precision] = {"bf16-mixed": "bf16", "16-mixed": "fp16", "32-true": "fp32", "32": "fp32"}
    if precision == "auto":
        precision = _fast_precision(device)
    if precision not in named:
        ordered = closest_first(precision, ["auto", *named])
        raise ConfigError(
            f"unknown precision {precision!r}",
            where="trainer.precision",
            expected="one of " + ", ".join(ordered),
            remedy=f"did you mean {ordered[0]!r}?",
        )
    if device == "cpu" and precision == "16-mixed":
        raise ConfigError(
            "float16 needs a GPU",
            where="trainer.precision",
            got=f"{precision} on a CPU",
            remedy="use --trainer.precision auto, which takes what is fast here",
        )
    return Hardware("gpu" if device == "cuda" else "cpu", device, precision, named[precision])


def _fast_precision(device: str) -> str:
    import torch

    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    # Without AVX512-BF16 or AMX, bf16 is emulated and slower than float32.
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"


def compile_mode(chosen: str, device: str) -> str | None:
    """Mode of ``torch.compile`` for training on ``device``, or None: do not compile.

    Args:
        chosen: A mode, ``off``, or ``auto``: ``default`` on GPUs that Triton supports, none on CPUs.
        device: ``cpu`` or ``cuda``.
    """
    import torch

    if chosen == "off":
        return None
    if chosen != "auto":
        return chosen
    if device == "cpu" or importlib.util.find_spec("triton") is None:
        return None
    return "default" if torch.cuda.get_device_capability() >= (7, 0) else None


def processor_name() -> str:
    """Name of the processor as the system tells it, perhaps nothing."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
