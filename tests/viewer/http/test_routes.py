"""From files to label map over HTTP, and every answer as it is described."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import nibabel
import numpy as np
import pytest

from brats3d.viewer.http import schemas
from brats3d.viewer.http.headers import SECURITY_HEADERS


def image_of(content: bytes) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(content))


@pytest.fixture(scope="module")
def done(server) -> str:
    """A segmentation that is done."""
    return server.segmented(server.case())


def test_from_four_files_to_a_label_map(server) -> None:
    upload = server.case()
    job = server.segmented(upload)
    numbers = server.client.get(f"/api/jobs/{job}/result").json()
    wanted = 4 * 5 * 3
    assert {row["name"]: row["voxels"] for row in numbers["regions"]} == {
        "ET": wanted,
        "TC": wanted,
        "WT": wanted,
    }
    assert numbers["regions"][0]["volume_ml"] == pytest.approx(wanted * 2 / 1000)
    labels = image_of(server.client.get(f"/api/jobs/{job}/labels.nii.gz").content)
    found = np.asarray(labels.dataobj)
    assert (found[4:8, 4:9, 3:6] == 3).all()
    assert np.count_nonzero(found) == wanted
    assert labels.header.get_zooms() == (1.0, 1.0, 2.0)


def test_answers_are_as_they_are_described(server, done) -> None:
    client = server.client
    for model in client.get("/api/models").json():
        schemas.ModelInfo.model_validate(model, strict=True)
    schemas.Health.model_validate(client.get("/api/health").json())
    upload = server.case()
    seen = client.get(f"/api/uploads/{upload}").json()
    schemas.Contents.model_validate(seen)
    assert sorted(seen["assignment"]) == ["flair", "t1", "t1ce", "t2"]
    schemas.Progress.model_validate(client.get(f"/api/jobs/{done}").json())
    schemas.Numbers.model_validate(client.get(f"/api/jobs/{done}/result").json())
    schemas.ErrorAnswer.model_validate(client.get("/api/jobs/none").json())


def test_a_threshold_changes_the_region_and_nothing_else_is_kept(server, done) -> None:
    def voxels(query: str) -> dict[str, int]:
        numbers = server.client.get(f"/api/jobs/{done}/result{query}").json()
        return {row["name"]: row["voxels"] for row in numbers["regions"]}

    before = voxels("")
    assert voxels("?ET=0.7")["ET"] == 0
    assert voxels("?ET=0.7")["WT"] == before["WT"]
    assert voxels("?WT=0.2")["WT"] > before["WT"]
    assert voxels("") == before
    overlay = server.client.get(f"/api/jobs/{done}/overlay.nii.gz?ET=0.7&TC=0.8").content
    assert set(np.unique(np.asarray(image_of(overlay).dataobj))) == {0, 2}


@pytest.mark.parametrize("query", ["ET=2", "ET=nan", "ET=a%20lot", "WHOLE=0.5", "ET="])
def test_a_threshold_that_cannot_be_is_refused(server, done, query: str) -> None:
    answer = server.client.get(f"/api/jobs/{done}/result?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"]["where"] in ("ET", "WHOLE")


def test_files_of_a_result(server, done) -> None:
    def get(name: str):
        return server.client.get(f"/api/jobs/{done}/{name}")

    probabilities = image_of(get("probabilities.nii.gz").content)
    assert probabilities.shape == (12, 14, 10, 3)
    assert "attachment" in get("labels.nii.gz").headers["content-disposition"]
    report = get("report.html")
    assert report.status_code == 200
    assert "not for clinical use" in report.text.lower()
    assert "attachment" in report.headers["content-disposition"]
    assert get("mask.png").status_code == 422


def test_a_reference_gives_scores(server, make_nifti) -> None:
    reference = np.zeros((12, 14, 10), dtype=np.uint8)
    reference[4:8, 4:9, 3:6] = 3
    reference[0, 0, 0], reference[1, 0, 0] = 1, 2
    upload = server.case(seg=make_nifti(reference))
    assert server.client.get(f"/api/uploads/{upload}").json()["reference"] == "seg.nii.gz"
    job = server.segmented(upload)
    scores = server.client.get(f"/api/jobs/{job}/result").json()["scores"]
    assert [score["region"] for score in scores] == ["ET", "TC", "WT"]
    assert scores[0]["dice"] == 1
    shown = image_of(server.client.get(f"/api/uploads/{upload}/reference.nii.gz?model=spots").content)
    assert set(np.unique(np.asarray(shown.dataobj))) == {0, 1, 2, 3}


def test_files_are_assigned_by_whoever_knows(server, make_volume) -> None:
    upload = server.new_upload()
    for name, modality in (("a", "t1"), ("b", "t1ce"), ("c", "t2"), ("d", "flair")):
        assert server.send(upload, f"{name}.nii.gz", make_volume(modality)).status_code == 200
    refused = server.client.post("/api/segment", json={"upload": upload, "model": "spots"})
    assert refused.status_code == 422
    places = dict(zip(("t1", "t1ce", "t2", "flair"), "abcd", strict=True))
    modalities = {modality: {"file": f"{name}.nii.gz"} for modality, name in places.items()}
    seen = server.client.post(f"/api/uploads/{upload}/assignment", json={"modalities": modalities})
    assert seen.json()["assignment"]["t1ce"] == {"file": "b.nii.gz", "channel": None}
    server.segmented(upload)


def test_images_to_look_at_say_nothing_of_the_patient(server) -> None:
    upload = server.case()
    answer = server.client.get(f"/api/uploads/{upload}/images/t1ce.nii.gz")
    assert b"DOE^JANE" not in gzip.decompress(answer.content)
    image = image_of(answer.content)
    assert np.asarray(image.dataobj).max() == 180
    assert server.client.get(f"/api/uploads/{upload}/images/xray.nii.gz").status_code == 422


def test_outputs_say_nothing_of_the_patient(server, done) -> None:
    for name in ("labels.nii.gz", "overlay.nii.gz", "probabilities.nii.gz"):
        content = server.client.get(f"/api/jobs/{done}/{name}").content
        assert b"DOE^JANE" not in gzip.decompress(content)
    assert "DOE^JANE" not in server.client.get(f"/api/jobs/{done}/report.html").text


def test_a_deleted_upload_is_gone_and_so_are_its_results(server) -> None:
    upload = server.case()
    job = server.segmented(upload)
    assert server.client.delete(f"/api/uploads/{upload}").status_code == 204
    assert server.client.get(f"/api/uploads/{upload}").status_code == 404
    assert server.client.get(f"/api/jobs/{job}/result").status_code == 404
    assert server.client.post("/api/segment", json={"upload": upload, "model": "spots"}).status_code == 404


def test_a_forgotten_job_is_gone_and_its_upload_is_not(server) -> None:
    upload = server.case()
    job = server.segmented(upload)
    assert server.client.delete(f"/api/jobs/{job}").status_code == 204
    assert server.client.get(f"/api/jobs/{job}").status_code == 404
    assert server.client.get(f"/api/uploads/{upload}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/uploads/none", 404),
        ("GET", "/api/uploads/%2e%2e%2f%2e%2e/images/t1.nii.gz", 404),
        ("GET", "/static/../serving.py", 404),
        ("GET", "/static/%2e%2e/serving.py", 404),
        ("GET", "/static/..%2f..%2fserving.py", 404),
        ("GET", "/static//etc/passwd", 404),
        ("GET", "/api/jobs/none/events", 404),
        ("GET", "/api/jobs/none/result", 404),
        ("DELETE", "/api/jobs/none", 404),
        ("POST", "/api/models", 405),
        ("PUT", "/", 405),
        ("OPTIONS", "/api/uploads", 405),
    ],
)
def test_what_is_not_there_is_said_in_json(server, method: str, path: str, status: int) -> None:
    answer = server.client.request(method, path)
    assert answer.status_code == status
    schemas.ErrorAnswer.model_validate(answer.json())


def test_another_model_than_those_offered_is_refused(server) -> None:
    answer = server.client.post("/api/segment", json={"upload": server.case(), "model": "spot"})
    assert answer.status_code == 422
    assert "spots" in answer.json()["error"]["remedy"]


def test_a_result_that_is_not_there_yet_is_a_conflict(server) -> None:
    server.model.may_go_on.clear()
    try:
        job = server.segment(server.case())
        assert server.client.get(f"/api/jobs/{job}/result").status_code == 409
    finally:
        server.model.may_go_on.set()
    server.service.job(job).wait(20)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"upload": 1}', b'{"upload": "a", "model": null}', b"\xff"]
)
def test_json_that_does_not_fit_is_refused(server, body: bytes) -> None:
    answer = server.client.post("/api/segment", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    schemas.ErrorAnswer.model_validate(answer.json())


def test_long_json_is_refused(server) -> None:
    body = json.dumps({"upload": "a" * 200_000, "model": "spots"})
    for content in (body, (part.encode() for part in (body[:100_000], body[100_000:]))):
        answer = server.client.post("/api/segment", content=content)
        assert answer.status_code == 413
        schemas.ErrorAnswer.model_validate(answer.json())


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/health", "/api/openapi.json", "/nothing", "/api/uploads/none"]
)
def test_every_answer_has_the_headers(server, path: str) -> None:
    headers = server.client.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers
    assert headers["cache-control"] == ("no-cache" if path == "/" else "no-store")


def test_the_interface_is_described(server) -> None:
    described = server.client.get("/api/openapi.json").json()
    for path, methods in described["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["description"], path
    page = server.client.get("/api").text
    assert all(path in page for path in described["paths"])
    assert "<script" not in page
    assert "style=" not in page


def test_a_whole_case_as_a_zip(server, make_volume) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for modality in ("t1", "t1ce", "t2", "flair"):
            archive.writestr(f"case/{modality}.nii.gz", make_volume(modality))
    upload = server.new_upload()
    answer = server.send(upload, "case.zip", packed.getvalue())
    assert sorted(answer.json()["assignment"]) == ["flair", "t1", "t1ce", "t2"]
