"""Asking each run of a cross-validation about the cases that it did not train on, once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import to_yaml
from brats3d.data.store import codec
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.out_of_fold import keep_case, kept_origin
from brats3d.workflows.pipeline import run_overlapping
from brats3d.workflows.prepared_case import origin_of
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.scored_cases import file_digest


def predict_out_of_fold(
    run: RunFolder, cases: Sequence[Case], folder: Path, *, checkpoint: str, accelerator: str
) -> None:
    """Keep what a run says of cases; those are passed over that it was asked about before.

    Args:
        run: The run, which did not train on them.
        cases: Labelled cases.
        folder: Where they are kept.
        checkpoint: best or last.
        accelerator: auto, cpu or gpu.

    Raises:
        Brats3dError: A run, a file of a case or the folder cannot be used.
    """
    config = run.config()
    preprocessing = assembly.build_preprocessing(config)
    model = f"{file_digest(run.checkpoint(checkpoint))}\n{to_yaml(config.inference)}"
    origins = {case.case_id: _origin(case, preprocessing, model) for case in cases}
    waiting = [case for case in cases if kept_origin(folder, case.case_id) != origins[case.case_id]]
    if not waiting:
        return
    segmentation = load_segmentation([run], checkpoint=checkpoint, accelerator=accelerator)
    run_overlapping(
        waiting,
        read=segmentation.prepare,
        compute=segmentation.predict,
        write=lambda case, predicted: keep_case(
            folder,
            case,
            segmentation.restore(predicted),
            predicted.restoration.geometry,
            origin=origins[case.case_id],
        ),
        what=f"predicting with {run.path.name}",
    )


def _origin(case: Case, preprocessing: Preprocessing, model: str) -> str:
    """Text that changes with the files of a case, their preprocessing or the model."""
    origin = origin_of(case, preprocessing)
    told = f"{model}\n{origin.settings_key(codec())}\n{origin.states()}"
    return hashlib.sha256(told.encode()).hexdigest()
