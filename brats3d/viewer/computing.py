"""One job from files to what is kept of it, stage by stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d.errors import Brats3dError
from brats3d.files import make_folder
from brats3d.imaging import Geometry
from brats3d.inference.progress import listening
from brats3d.viewer.files_on_demand import FilesOnDemand
from brats3d.viewer.job import Job
from brats3d.viewer.kept import KeptProbabilities
from brats3d.viewer.outcome import Outcome
from brats3d.viewer.reference import Reference
from brats3d.viewer.results import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from brats3d.labels import LabelConvention
    from brats3d.workflows.segmentation import Segmentation

logger = logging.getLogger(__name__)

_OF_THE_GATE = ("images", "judged", "segmented", "skipped", "threshold", "confidences")


def compute(job: Job, folder: Path) -> Outcome:
    """Segment the case of a job.

    Args:
        job: Told about every stage and step.
        folder: For what is kept; made here.

    Raises:
        Cancelled: The job is no longer wanted.
        Brats3dError: Anything the user can mend.
    """
    from brats3d.workflows.predict import output_convention

    started_at = time.perf_counter()
    make_folder(folder)
    job.enter("loading model")
    with job.model.open() as segmentation:
        values = output_convention("auto", job.case, segmentation.convention)
        probabilities, geometry, gate = _segmented(job, segmentation, values)
    kept = KeptProbabilities.keep(probabilities, folder / "probabilities.npy")
    del probabilities
    reference, problem = _reference(job, values, geometry, folder)
    outcome = Outcome(
        case=replace(job.case, convention=values),
        model=job.model,
        values=values,
        geometry=geometry,
        probabilities=kept,
        reference=reference,
        reference_problem=problem,
        gate=gate,
        seconds=time.perf_counter() - started_at,
        files=FilesOnDemand(folder, job.id),
    )
    Result(outcome, outcome.complete(None)).as_dict()  # what everyone asks for first
    return outcome


def _segmented(
    job: Job, segmentation: Segmentation, values: LabelConvention
) -> tuple[NDArray[np.float32], Geometry, dict[str, Any] | None]:
    """Probabilities on the grid of the files, this grid, and what a gate decided."""
    from brats3d.workflows.gating import GatedSegmentation
    from brats3d.workflows.segmentation import CaseSegmentation

    if not isinstance(segmentation, CaseSegmentation):
        job.enter("segmenting")
        with job.case.here(), listening(job.hear):
            result = segmentation(job.case, values)
        job.enter("finishing")
        return result.probabilities, result.geometry, None
    job.enter("reading")
    prepared = segmentation.prepare(job.case)
    job.enter("segmenting")
    with listening(job.hear):
        predicted = segmentation.predict(prepared)
    del prepared
    job.enter("finishing")
    gate = None
    if isinstance(segmentation, GatedSegmentation):
        gate = _of_the_gate(segmentation.records.pop(job.case.case_id))
    return segmentation.restore(predicted), predicted.restoration.geometry, gate


def _of_the_gate(record: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: record[key] for key in _OF_THE_GATE}
    highest = max((judged["confidence"] for judged in record["confidences"]), default=0.0)
    return {**kept, "highest_confidence": highest}


def _reference(
    job: Job, values: LabelConvention, geometry: Geometry, folder: Path
) -> tuple[Reference | None, str | None]:
    """The reference of the case if it has one that fits; else why it does not."""
    if job.case.label is None:
        return None, None
    try:
        case = replace(job.case, convention=values)
        return Reference.read(case, geometry, folder / "reference.npy"), None
    except Brats3dError as error:
        said = job.explain(error)
        return None, f"{said.what}" if said.got is None else f"{said.what}: {said.got}"
