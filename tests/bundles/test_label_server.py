"""Bundles in MONAI Label: the real server, in an environment of its own without this package.

``BRATS3D_LABEL_SERVER_PYTHON`` names the Python of that environment, see ``.ci/label-server``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from brats3d.bundles.running import job, run_bundle
from brats3d.config import PredictConfig
from brats3d.workflows.predict import predict

PYTHON = os.environ.get("BRATS3D_LABEL_SERVER_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason="MONAI Label needs an environment of its own: "
    "BRATS3D_LABEL_SERVER_PYTHON is not set (.ci/label-server/make_environment makes one)",
)
MODEL = "tumour"
MODALITIES = ("t1", "t1ce", "t2", "flair")
NAMES = {"ncr": 1, "ed": 2, "unused_3": 3, "et": 4}
SIBLINGS = ("BraTS2021_00000", "BraTS2021_00001", "BraTS2021_00002")
STACKED = "BraTS2021_00003"
SECONDS = 300
Make = Callable[[str], Path]


@dataclass
class Server:
    """A running server: where it is, and what it wrote."""

    url: str
    environment: dict[str, str]
    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "app" / "monaibundle" / "model" / MODEL

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        request = urllib.request.Request(self.url + path, body, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.read()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self.ask(method, path, None if body is None else json.dumps(body).encode()))

    def infer(self, image: str) -> nib.Nifti1Image:
        answer = self.ask("POST", f"/infer/{MODEL}?image={image}&output=image", b"")
        path = self.folder / f"{uuid.uuid4().hex}.nii.gz"
        path.write_bytes(answer)
        return nib.load(path)

    def upload(self, path: str, key: str, file: Path, params: dict[str, Any]) -> None:
        mark = uuid.uuid4().hex
        part = f"--{mark}\r\nContent-Disposition: form-data; name="
        form = f'{part}"params"\r\n\r\n{json.dumps(params)}\r\n{part}"{key}"; filename="{file.name}"\r\n\r\n'
        body = form.encode() + file.read_bytes() + f"\r\n--{mark}--\r\n".encode()
        self.ask("PUT", path, body, f"multipart/form-data; boundary={mark}")

    def wait_for(self, path: str) -> dict[str, Any]:
        """Wait for the end of a task in the background."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            task = self.json("GET", path)
            if task["status"] not in ("SUBMITTED", "RUNNING"):
                assert task["status"] == "DONE", "\n".join(task["details"])
                return task
            time.sleep(0.5)
        raise AssertionError(f"no end after {SECONDS} s: {path}\n{self.log()[-4000:]}")

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def python(self, script: str, *words: str) -> str:
        """Run a script in the environment of the server."""
        done = subprocess.run(
            [PYTHON, "-W", "ignore", "-c", script, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


def turned_and_stacked(case: Path, siblings: Path, stacked: Path) -> None:
    """Write a case with its axes in another order and direction, as four files and as one."""
    images = []
    siblings.mkdir(parents=True)
    for modality in MODALITIES:
        image = nib.load(case / f"{case.name}_{modality}.nii.gz")
        plain = nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine)
        images.append(plain.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])))
        nib.save(images[-1], siblings / f"{case.name}_{modality}.nii.gz")
    voxels = np.stack([np.asarray(image.dataobj) for image in images], axis=-1)
    nib.save(nib.Nifti1Image(voxels, images[0].affine), stacked)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("label-server")


@pytest.fixture(scope="module")
def expected(labelled_set: Path, run_of: Make, folder: Path) -> dict[str, nib.Nifti1Image]:
    """What ``predict`` says of each case; makes the folder of studies as the README tells."""
    studies, cases = folder / "studies", folder / "cases"
    studies.mkdir()
    for name in SIBLINGS:
        shutil.copytree(labelled_set / name, cases / name, ignore=shutil.ignore_patterns("*_seg*"))
        (studies / f"{name}.nii.gz").symlink_to(cases / name / f"{name}_flair.nii.gz")
    turned_and_stacked(labelled_set / STACKED, cases / STACKED, studies / f"{STACKED}.nii.gz")
    output = folder / "predicted"
    run = str(run_of("sigmoid"))
    predict(PredictConfig(run=(run,), input=str(cases), output=str(output), accelerator="cpu"))
    return {name: nib.load(output / f"{name}.nii.gz") for name in (*SIBLINGS, STACKED)}


@pytest.fixture(scope="module")
def server(bundle_of: Make, expected: object, folder: Path) -> Iterator[Server]:
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    environment = {
        **kept,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "MONAI_LABEL_RELOAD_APP_LIB": "false",
        "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(f"http://127.0.0.1:{port}", environment, folder)
    made.python("import importlib.util as i; assert i.find_spec('brats3d') is None")
    label = [PYTHON, "-W", "ignore", "-m", "monailabel.main"]
    download = [*label, "apps", "--download", "--name", "monaibundle", "--output", "app"]
    subprocess.run(download, cwd=folder, env=environment, check=True, timeout=SECONDS, capture_output=True)
    shutil.copytree(bundle_of("sigmoid"), made.model)
    words = ["start_server", "--app", "app/monaibundle", "--studies", "studies"]
    words += ["--host", "127.0.0.1", "--port", str(port), "--conf", "models", MODEL]
    words += ["--conf", "zoo_source", "local", "--conf", "epistemic_model", MODEL]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*label, *words],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(made, process)
        yield made
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_it_answers(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, server.log()[-4000:]
        try:
            server.json("GET", "/info/")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.3)
    raise AssertionError(f"the server does not answer\n{server.log()[-4000:]}")


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def check_same(found: nib.Nifti1Image, expected: nib.Nifti1Image) -> None:
    np.testing.assert_array_equal(found.dataobj, expected.dataobj)
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-3)
    assert len(np.unique(expected.dataobj)) > 1, "a prediction without any tumour tells nothing"


def test_the_model_is_listed_with_its_labels(server: Server) -> None:
    info = server.json("GET", "/info/")
    assert info["models"][MODEL]["labels"] == NAMES
    assert info["models"][MODEL]["type"] == "segmentation"
    assert list(info["trainers"]) == [MODEL]
    assert list(info["scoring"]) == [MODEL]
    assert info["datastore"]["total"] == 4


@pytest.mark.parametrize("name", [SIBLINGS[0], STACKED])
def test_an_answer_is_what_predict_says(
    server: Server, expected: dict[str, nib.Nifti1Image], name: str
) -> None:
    check_same(server.infer(name), expected[name])


def test_a_missing_file_is_named_in_the_log_that_clients_can_read(
    server: Server, labelled_set: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone_t1.nii.gz"
    shutil.copy(labelled_set / SIBLINGS[0] / f"{SIBLINGS[0]}_t1.nii.gz", alone)
    server.upload("/datastore/?image=alone_t1", "file", alone, {})
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.infer("alone_t1")
    assert caught.value.code == 500
    server.ask("DELETE", "/datastore/?id=alone_t1")
    log = server.ask("GET", "/logs/?lines=200&text=true").decode()
    assert "the t1ce image of the case is missing" in log
    assert f"{server.folder / 'studies' / 'alone_t1ce.nii.gz'}" in log
    wait_until(lambda: server.json("GET", "/info/")["datastore"]["total"] == 4)  # it watches the folder


def test_all_cases_at_once(server: Server, expected: dict[str, nib.Nifti1Image]) -> None:
    # Without a GPU the server divides by their number, unless it is told to use one device.
    server.json("POST", f"/batch/infer/{MODEL}?images=all", {"multi_gpu": False})
    server.wait_for("/batch/infer")
    for name, image in expected.items():
        check_same(nib.load(server.folder / "studies" / "labels" / "original" / f"{name}.nii.gz"), image)


CLIENT = """
import json, sys
from monailabel.client import MONAILabelClient
client = MONAILabelClient(sys.argv[1])
samples = [client.next_sample(strategy, {}) for strategy in ("first", "random")]
file, params = client.infer("MODEL", samples[0]["id"], {})
print("\\n" + json.dumps({"samples": samples, "file": file, "params": params}))
""".replace("MODEL", MODEL)


def test_the_client_of_monai_label(server: Server, expected: dict[str, nib.Nifti1Image]) -> None:
    said = json.loads(server.python(CLIENT, server.url).splitlines()[-1])
    first, chosen = said["samples"]
    assert first["id"] == SIBLINGS[0]
    assert chosen["id"] in expected
    check_same(nib.load(said["file"]), expected[SIBLINGS[0]])
    assert said["params"]["label_names"] == NAMES


def test_uncertainty_is_scored_with_dropout(server: Server) -> None:
    done = server.json("POST", f"/scoring/{MODEL}?run_sync=true", {"simulation_size": 3})
    assert (done["total"], done["executed"]) == (4, 4)
    objects = server.json("GET", "/datastore/?output=all")["objects"]
    entropies = [image["image"]["info"]["epistemic_entropy"] for image in objects.values()]
    # Of each region -p ln p, which is at most 1/e.
    assert all(0 < entropy < 3 / np.e for entropy in entropies)
    assert len(set(entropies)) == 4


def test_corrected_labels_train_the_network_that_then_answers(
    server: Server, labelled_set: Path, expected: dict[str, nib.Nifti1Image], tmp_path: Path
) -> None:
    for name in SIBLINGS[:2]:
        label = labelled_set / name / f"{name}_seg.nii.gz"
        server.upload(f"/datastore/label?image={name}&tag=final", "label", label, {})
    # As 3D Slicer saves: segments by number, and beside them which number is which.
    image = nib.load(labelled_set / SIBLINGS[2] / f"{SIBLINGS[2]}_seg.nii.gz")
    values = np.asarray(image.dataobj)
    numbered = np.select([values == 4, values == 1, values == 2], [1, 2, 3]).astype(np.uint8)
    nib.save(nib.Nifti1Image(numbered, image.affine), tmp_path / "saved.nii.gz")
    order = ("et", "ncr", "ed", "unused_3")
    names = [{"name": name, "idx": index + 1} for index, name in enumerate(order)]
    address = f"/datastore/label?image={SIBLINGS[2]}&tag=final"
    server.upload(address, "label", tmp_path / "saved.nii.gz", {"label_info": names})

    before = torch.load(server.model / "models" / "model.pt", weights_only=True)["model"]
    server.json("POST", f"/train/{MODEL}", {"max_epochs": 3, "val_split": 0.34})
    server.wait_for("/train/")
    after = torch.load(server.model / "models" / "model.pt", weights_only=True)["model"]
    assert set(after) == set(before)
    assert any(not torch.equal(after[name], before[name]) for name in after)

    for path in (server.model / "prepared").glob(f"{SIBLINGS[2]}-*/classes.npy"):
        assert set(np.unique(np.load(path))) == {0, 1, 2, 3}
        break
    else:
        raise AssertionError("the case was not prepared")
    bundle, output = Path(shutil.copytree(server.model, tmp_path / "bundle")), tmp_path / "out"
    run_bundle(bundle, [job(bundle, server.folder / "cases" / STACKED, output, ["inference.json"])])
    answer = server.infer(STACKED)
    check_same(answer, nib.load(output / f"{STACKED}.nii.gz"))
    assert not np.array_equal(answer.dataobj, expected[STACKED].dataobj)
