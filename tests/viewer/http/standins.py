"""Uploads and segmentations that take no time, until the real ones are there. Run it to see the page."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np

from brats3d.errors import DataError
from brats3d.reporting.palette import REGION_COLOURS, TISSUE_COLOURS

MODALITIES = ("t1", "t1ce", "t2", "flair")


def write_volume(path, size=(48, 56, 40), labels=False):
    grid = np.indices(size) / np.array(size).reshape(3, 1, 1, 1) - 0.5
    radius = np.sqrt((grid**2).sum(axis=0))
    values = (
        (radius < 0.1) * 3
        + ((radius >= 0.1) & (radius < 0.15)) * 1
        + ((radius >= 0.15) & (radius < 0.25)) * 2
    )
    brain = (radius < 0.45) * (100 + 40 * grid[0])
    data = values.astype(np.uint8) if labels else brain.astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), path)
    return path


class Contents(dict):
    def to_json(self):
        return self


class Upload:
    def __init__(self, folder):
        self.id, self.folder = secrets.token_urlsafe(16), folder
        self.files, self.assignment, self.reference = [], {}, None

    async def receive(self, name, chunks):
        size = 0
        async for chunk in chunks:
            size += len(chunk)
        if not size:
            raise DataError("an empty file", where=name)
        guess = next((m for m in ("t1ce", "t1", "t2", "flair") if m in name.lower()), None)
        if "seg" in name.lower():
            guess, self.reference = "reference", name
        self.files.append(
            {
                "name": name,
                "kind": "nifti",
                "shape": [48, 56, 40],
                "spacing_mm": [1.0, 1.0, 1.0],
                "channels": 1,
                "guess": guess,
            }
        )
        if guess in MODALITIES:
            self.assignment[guess] = {"file": name, "channel": None}

    def contents(self):
        missing = [m for m in MODALITIES if m not in self.assignment]
        return Contents(
            {
                "files": self.files,
                "assignment": self.assignment,
                "reference": self.reference,
                "brain_mask": None,
                "problems": [f"no file for {m}" for m in missing],
                "dimensions": 3,
            }
        )

    def assign(self, modalities, reference, brain_mask=None):
        self.assignment, self.reference = dict(modalities), reference
        return self.contents()

    def case(self, modalities):
        return SimpleNamespace(case_id="upload")

    def display_image(self, modality):
        return write_volume(self.folder / f"{modality}.nii.gz")

    def reference_image(self, convention):
        return write_volume(self.folder / "reference.nii.gz", labels=True)


class Uploads:
    def __init__(self, folder):
        self.folder, self.all = folder, {}

    def new(self):
        upload = Upload(self.folder)
        self.all[upload.id] = upload
        return upload

    def get(self, name):
        if name not in self.all:
            raise DataError("this upload is gone")
        return self.all[name]

    def remove(self, name):
        self.all.pop(name, None)


class Result:
    def __init__(self, folder, thresholds):
        self.folder, self.thresholds = folder, thresholds

    def as_dict(self):
        regions = [
            {
                "name": n,
                "voxels": int(v * (1.5 - self.thresholds.get(n, 0.5))),
                "volume_ml": v / 1000,
                "threshold": self.thresholds.get(n, 0.5),
            }
            for n, v in (("ET", 500), ("TC", 1500), ("WT", 6000))
        ]
        classes = [
            {"name": n, "value": i, "colour": TISSUE_COLOURS[n], "voxels": 500, "volume_ml": 0.5}
            for i, n in ((3, "ET"), (1, "NCR"), (2, "ED"))
        ]
        scores = [{"region": n, "dice": 0.9, "hd95_mm": 1.5} for n in ("ET", "TC", "WT")]
        return {
            "regions": regions,
            "classes": classes,
            "unit": "mm",
            "tumour": True,
            "alert": None,
            "scores": scores,
            "seconds": 1.5,
            "gate": None,
            "postprocessing": "none",
        }

    def labels_file(self):
        return write_volume(self.folder / "labels.nii.gz", labels=True)

    overlay_file = labels_file

    def probabilities_file(self):
        return write_volume(self.folder / "probabilities.nii.gz")

    def mask_picture(self):
        raise DataError("not a picture")

    def report_file(self):
        path = self.folder / "report.html"
        path.write_text("<!doctype html><title>report</title>")
        return path


class Job:
    def __init__(self, folder):
        self.id, self.folder, self.state, self.steps = secrets.token_urlsafe(16), folder, "queued", 0

    def snapshot(self):
        running = self.state == "running"
        return {
            "state": self.state,
            "position": 1 if self.state == "queued" else None,
            "stage": "windows" if running else None,
            "fraction": self.steps / 10,
            "seconds_left": 0.3 * (10 - self.steps) if running else None,
            "error": None,
        }

    async def events(self):
        for self.steps in itertools.count(self.steps):
            if self.state == "cancelled":
                break
            self.state = "done" if self.steps >= 10 else "running"
            yield self.snapshot()
            if self.state == "done":
                return
            await asyncio.sleep(0.3)
        yield self.snapshot()

    def result(self, thresholds):
        return Result(self.folder, thresholds)


class Service:
    def __init__(self, folder):
        self.folder, self.jobs = folder, {}
        info = {
            "id": "stand-in",
            "title": "Stand-in",
            "kind": "run",
            "gated": False,
            "dimensions": 3,
            "modalities": list(MODALITIES),
            "regions": [
                {"name": n, "colour": REGION_COLOURS[n], "threshold": 0.5} for n in ("ET", "TC", "WT")
            ],
            "classes": [
                {"name": n, "value": i, "colour": TISSUE_COLOURS[n]}
                for i, n in ((3, "ET"), (1, "NCR"), (2, "ED"))
            ],
        }
        self.models = [SimpleNamespace(modalities=MODALITIES, as_dict=lambda: info)]

    def model(self, name):
        return self.models[0]

    def submit(self, case, model, *, upload_id=None):
        job = Job(self.folder)
        self.jobs[job.id] = job
        return job

    def job(self, name):
        if name not in self.jobs:
            raise DataError("this segmentation is gone")
        return self.jobs[name]

    def cancel(self, name):
        self.job(name).state = "cancelled"


if __name__ == "__main__":
    import uvicorn

    from brats3d.viewer.http.application import build_app
    from brats3d.viewer.http.security import Security

    with tempfile.TemporaryDirectory() as name:
        app = build_app(Service(Path(name)), Uploads(Path(name)), Security(*sys.argv[2:]))
        uvicorn.run(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 8123)
