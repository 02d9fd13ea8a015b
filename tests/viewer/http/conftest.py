"""A server on loopback with real uploads and a real queue, and a model that takes as long as it is told."""

from __future__ import annotations

import gzip
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import nibabel
import numpy as np
import pytest

from brats3d.cases import MODALITIES, Case
from brats3d.imaging import read_volume
from brats3d.inference.progress import report
from brats3d.labels import CONVENTIONS, LabelConvention
from brats3d.postprocessing import Postprocessing
from brats3d.viewer.http.application import build_app
from brats3d.viewer.http.listening import listen
from brats3d.viewer.http.security import Security
from brats3d.viewer.http.server import Server
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.rules import PostprocessingRules
from brats3d.viewer.service import SegmentationService
from brats3d.viewer.uploads import Limits, UploadStore
from brats3d.workflows.segmentation import SegmentedCase

SHAPE = (12, 14, 10)
STEPS = 4


@dataclass
class BrightSpots:
    """Takes what is bright in T1ce for a tumour; waits at each step for leave to go on.

    Attributes:
        may_go_on: Whether a step may be taken.
    """

    modalities: tuple[str, ...] = MODALITIES
    convention: LabelConvention = CONVENTIONS["brats2023"]
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, case: Case, convention: LabelConvention) -> SegmentedCase:
        voxels, geometry = read_volume(case.images["t1ce"])
        for step in range(STEPS):
            self.may_go_on.wait(20)
            report(step + 1, STEPS)
        tumour = np.clip(voxels / 200, 0, 1)
        probabilities = np.stack([tumour * share for share in (0.6, 0.8, 1)]).astype(np.float32)
        regions = probabilities > 0.5
        labels = convention.from_classes(self.convention.classes_from_regions(regions))
        return SegmentedCase(case.case_id, labels, probabilities, geometry)


@dataclass
class Running:
    """A server that runs.

    Attributes:
        url: Address without a slash at its end.
        client: Asks it.
        service: What segments.
        uploads: What was sent.
        model: The model.
    """

    url: str
    client: httpx.Client
    service: SegmentationService
    uploads: UploadStore
    model: BrightSpots

    def send(self, upload: str, name: str, content: bytes) -> httpx.Response:
        """Send a file."""
        return self.client.put(f"/api/uploads/{upload}/files/{name}", content=content)

    def new_upload(self) -> str:
        """Begin an upload."""
        return str(self.client.post("/api/uploads").json()["id"])

    def case(self, **others: bytes) -> str:
        """Send a case, and other files by name."""
        upload = self.new_upload()
        for modality in MODALITIES:
            assert self.send(upload, f"{modality}.nii.gz", volume(modality)).status_code == 200
        for name, content in others.items():
            assert self.send(upload, f"{name}.nii.gz", content).status_code == 200
        return upload

    def segment(self, upload: str) -> str:
        """Ask for a segmentation."""
        answer = self.client.post("/api/segment", json={"upload": upload, "model": "spots"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def segmented(self, upload: str) -> str:
        """Wait for a segmentation."""
        job = self.segment(upload)
        assert self.service.job(job).wait(20)["state"] == "done"
        return job


def nifti(voxels: np.ndarray) -> bytes:
    """A NIfTI file, gzipped, whose header names a patient."""
    image = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0]))
    image.header["descrip"] = b"DOE^JANE"
    packed = io.BytesIO()
    holder = nibabel.FileHolder(fileobj=packed)
    image.to_file_map({"header": holder, "image": holder})
    return gzip.compress(packed.getvalue(), mtime=0)


def volume(modality: str, shape: tuple[int, int, int] = SHAPE) -> bytes:
    """A head, in T1ce with a bright spot."""
    voxels = np.full(shape, 50, dtype=np.int16)
    if modality == "t1ce":
        voxels[4:8, 4:9, 3:6] = 180
    return nifti(voxels)


@contextmanager
def running(
    folder: Path, security: Security | None = None, limits: Limits | None = None, queue_limit: int = 100
) -> Iterator[Running]:
    """Run a server in a thread."""
    model = BrightSpots()
    model.may_go_on.set()
    offered = OfferedModel(
        id="spots",
        title="Bright spots",
        kind="classical",
        dimensions=3,
        modalities=model.modalities,
        convention=model.convention,
        rules=PostprocessingRules(Postprocessing(), model.convention),
        open=lambda: nullcontext(model),
    )
    uploads = UploadStore(folder, limits or Limits())
    service = SegmentationService([offered], folder, queue_limit=queue_limit)
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listening = threading.Event()
    server = Server(build_app(service, uploads, security or Security()), listening.set)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert listening.wait(20)
        with httpx.Client(base_url=url, timeout=30) as client:
            yield Running(url, client, service, uploads, model)
    finally:
        server.should_exit = True
        thread.join(20)
        model.may_go_on.set()
        service.close()
        uploads.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that the tests of a file share."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture(scope="module")
def run_server(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., object]:
    """Runs a server of one's own."""
    return lambda **settings: running(tmp_path_factory.mktemp("own"), **settings)


@pytest.fixture
def make_volume() -> Callable[..., bytes]:
    """Writes a volume."""
    return volume


@pytest.fixture
def make_nifti() -> Callable[[np.ndarray], bytes]:
    """Writes voxels."""
    return nifti
