"""The gate of every export: the written bundle must say what ``predict`` says.

The bundle is run by MONAI's own ``monai.bundle.run`` in a process of its own that cannot import this
package, with every file that holds its network: on a phantom whose files are named as in BraTS, and on a
case of the run, held out if there is such a one. With ``models/model.pt`` it must say what ``predict``
says, in the precision of the run. TorchScript and ONNX Runtime, which compute in float32, must say what
the same steps say in float32; of a large case they are shown the :data:`SIDE` voxels along each axis
around its tumour, since on a processor float32 is slow.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from brats3d import assembly
from brats3d.bundles.agreement import Agreement, Demand, compare
from brats3d.bundles.own_case import OwnCase, box_around, stage
from brats3d.bundles.running import job, run_bundle
from brats3d.bundles.source import BundleSource
from brats3d.cases import MODALITIES, Case
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.workflows.gating import GatedSegmentation, put_before
from brats3d.workflows.loading import surround
from brats3d.workflows.segmentation import CaseSegmentation, SegmentedCase

TOLERANCE = 1e-4
"""Largest difference of a probability between PyTorch and PyTorch or TorchScript."""
ONNX_TOLERANCE = 1e-3
"""Largest difference of a probability between PyTorch and ONNX Runtime, whose kernels are others."""
SIDE = 128
"""Voxels along each axis of a large case that TorchScript and ONNX Runtime are shown."""

_PHANTOM_SIZE = (64, 56, 48)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Runtime:
    """A file with the network, the overlay that runs it, and what must say the same."""

    model: str
    overlays: tuple[str, ...]
    segmentation: CaseSegmentation
    demand: Demand


@dataclass(frozen=True)
class _Trial:
    """One case for one runtime."""

    runtime: _Runtime
    shown: str
    data: Path
    expected: SegmentedCase
    output: Path

    def job(self, bundle: Path) -> dict[str, Any]:
        return job(bundle, self.data, self.output, ["inference.json", *self.runtime.overlays])

    def compare(self, bundle: Path) -> Agreement:
        model = bundle / "models" / self.runtime.model
        runtime = self.runtime
        return compare(self.output, self.expected, runtime.segmentation, runtime.demand, model, self.shown)


def check_parity(
    bundle: Path,
    source: BundleSource,
    own: OwnCase | None,
    as_predicted: CaseSegmentation,
    networks: Sequence[nn.Module],
    *,
    onnx: bool,
) -> list[Agreement]:
    """Run a written bundle on a phantom and a case of the run, and compare it with this package.

    Args:
        bundle: Folder of the bundle.
        source: What it was made of.
        own: A case of the run, held out if possible, or None if there is none.
        as_predicted: What ``predict`` uses, on the CPU.
        networks: The networks with their weights, on the CPU.
        onnx: Whether the bundle has a network for ONNX Runtime.

    Returns:
        How well the answers agree.

    Raises:
        RunError: The bundle does not run, or gives another answer.
    """
    in_float32 = _in_float32(source, networks)
    if isinstance(as_predicted, GatedSegmentation):  # in PyTorch and its own precision, whatever is behind
        gate = as_predicted.gate
        in_float32 = put_before(in_float32, gate.classifier, gate.threshold, as_predicted.gate_run)
    exact = _Runtime("model.pt", (), as_predicted, Demand(TOLERANCE, equal_labels=True))
    others = [_Runtime("model.ts", ("torchscript.json",), in_float32, Demand(TOLERANCE, equal_labels=False))]
    if onnx:
        others.append(
            _Runtime("model.onnx", ("onnx.json",), in_float32, Demand(ONNX_TOLERANCE, equal_labels=False))
        )
    with tempfile.TemporaryDirectory(prefix="brats3d-parity-") as folder:
        trials = _trials(Path(folder), source, own, exact, others)
        run_bundle(bundle, [trial.job(bundle) for trial in trials])
        found = [trial.compare(bundle) for trial in trials]
    for each in found:
        logger.info(
            "%s on the %s: %d of %d voxels with another label, probabilities up to %.1g apart",
            each.model,
            each.case,
            each.differing,
            each.voxels,
            each.largest,
        )
    return found


def _trials(
    folder: Path, source: BundleSource, own: OwnCase | None, exact: _Runtime, others: Sequence[_Runtime]
) -> list[_Trial]:
    phantom = _phantom(folder, source)

    def trial(runtime: _Runtime, shown: str, data: Path, case: Case) -> _Trial:
        expected = runtime.segmentation(case, source.convention)
        shown += _skipped(runtime.segmentation, case)
        return _Trial(runtime, shown, data, expected, folder / "output" / runtime.model / data.name)

    trials = [trial(runtime, "phantom", folder / "phantom", phantom) for runtime in (exact, *others)]
    if own is not None:
        whole, part = folder / "whole", folder / "part"
        trials.append(trial(exact, own.shown, whole, stage(own.case, source, whole)))
        box = box_around(trials[-1].expected.labels, SIDE)
        cut = stage(own.case, source, part, box)
        size = " x ".join(str(axis.stop - axis.start) for axis in box)
        shown = f"{own.shown} ({size} voxels of it)"
        trials += [trial(runtime, shown, part, cut) for runtime in others]
    return trials


def _skipped(segmentation: CaseSegmentation, case: Case) -> str:
    """What the gate before a segmentation skipped of a case, if there is a gate."""
    if not isinstance(segmentation, GatedSegmentation):
        return ""
    record = segmentation.records[case.case_id]
    return f", {len(record['skipped'])} of {record['judged']} {record['images']} skipped"


def _phantom(folder: Path, source: BundleSource) -> Case:
    """Write a phantom of the modalities of the bundle into ``folder/phantom``."""
    brats = set(source.modalities) <= set(MODALITIES)
    made = folder / ("phantom" if brats else "chest")
    layout = "brats2021" if brats else "chest_xray"
    write_phantoms(made, cases=1, layout=layout, size=_PHANTOM_SIZE, seed=0, with_labels=False)
    (case,) = discover(made).cases
    return case if brats else stage(case, source, folder / "phantom")


def _in_float32(source: BundleSource, networks: Sequence[nn.Module]) -> CaseSegmentation:
    segmenters = []
    for member, network in zip(source.members, networks, strict=True):
        head = assembly.build_head(member.config, member.convention)
        segmenters.append(assembly.build_segmenter(member.config, network, head, "fp32"))
    return surround(segmenters, source.config, source.convention)
