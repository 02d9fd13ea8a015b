"""What is no image is refused, and the server lives on."""

from __future__ import annotations

import functools
import gzip
import io
import logging
import stat
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from brats3d.viewer.http.schemas import ErrorAnswer
from brats3d.viewer.uploads import Limits


def zipped(entries: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            change(entry)
            archive.writestr(entry, content)
    return packed.getvalue()


def as_link(entry: zipfile.ZipInfo) -> None:
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16


def header_with(volume: bytes, offset: int, value: bytes) -> bytes:
    plain = bytearray(gzip.decompress(volume))
    plain[offset : offset + len(value)] = value
    return gzip.compress(bytes(plain))


@functools.cache
def bad_files(volume: bytes) -> dict[str, tuple[str, bytes]]:
    huge = np.array([3, 30000, 30000, 30000], dtype=np.int16).tobytes()
    negative = np.array([3, -12, 14, 10], dtype=np.int16).tobytes()
    return {
        "text": ("t1.nii.gz", b"no image at all"),
        "empty": ("t1.nii.gz", b""),
        "torn gzip": ("t1.nii.gz", volume[: len(volume) // 2]),
        "gzip of text": ("t1.nii.gz", gzip.compress(b"text" * 1000)),
        "gzip bomb": ("t1.nii.gz", gzip.compress(bytes(40 << 20))),
        "huge header": ("t1.nii.gz", header_with(volume, 40, huge)),
        "negative header": ("t1.nii.gz", header_with(volume, 40, negative)),
        "no datatype": ("t1.nii.gz", header_with(volume, 70, b"\xff\x7f")),
        "offset beyond": ("t1.nii.gz", header_with(volume, 108, np.float32(1e9).tobytes())),
        "offset no number": ("t1.nii.gz", header_with(volume, 108, np.float32("nan").tobytes())),
        "zip slip": ("case.zip", zipped({"../../t1.nii.gz": volume})),
        "absolute zip": ("case.zip", zipped({"/etc/t1.nii.gz": volume})),
        "zip of links": ("case.zip", zipped({"t1.nii.gz": b"/etc/passwd"}, as_link)),
        "zip bomb": ("case.zip", zipped({"t1.nii": bytes(40 << 20)})),
        "torn zip": ("case.zip", zipped({"t1.nii.gz": volume})[:-30]),
        "many files": ("case.zip", zipped({f"{n}.nii.gz": volume for n in range(60)})),
        "name upwards": ("..%2F..%2Ft1.nii.gz", volume),
        "name absolute": ("%2Fetc%2Ft1.nii.gz", volume),
        "name NUL": ("t1%00.nii.gz", volume),
        "name long": ("a" * 5000 + ".nii.gz", volume),
        "page": ("t1.html", b"<script>alert(1)</script>"),
        "pickle": ("t1.npy", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n."),
    }


KINDS = (
    "text",
    "empty",
    "torn gzip",
    "gzip of text",
    "gzip bomb",
    "huge header",
    "negative header",
    "no datatype",
    "offset beyond",
    "offset no number",
    "zip slip",
    "absolute zip",
    "zip of links",
    "zip bomb",
    "torn zip",
    "many files",
    "name upwards",
    "name absolute",
    "name NUL",
    "name long",
    "page",
    "pickle",
)


@pytest.fixture(scope="module")
def small(run_server):
    """A server that takes little."""
    with run_server(limits=Limits(size=8 << 20, files=20, uploads=60)) as started:
        yield started


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_a_clear_error_and_the_server_lives_on(
    small, make_volume, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    bad = bad_files(make_volume("t1"))
    assert sorted(bad) == sorted(KINDS)
    name, content = bad[kind]
    upload = small.new_upload()
    with caplog.at_level(logging.ERROR, "brats3d"):
        answer = small.send(upload, name, content)
    assert answer.status_code in (413, 422), answer.text
    ErrorAnswer.model_validate(answer.json())
    assert "/etc/passwd" not in answer.text
    assert not caplog.records, "a defect, and no user's error"
    assert small.client.get(f"/api/uploads/{upload}").json()["files"] == []
    assert small.send(upload, "t1.nii.gz", make_volume("t1")).status_code == 200
    small.client.delete(f"/api/uploads/{upload}")


def test_more_than_an_upload_may_hold_is_too_much(small) -> None:
    upload = small.new_upload()

    def endless():
        for _ in range(200):
            yield bytes(100_000)

    answer = small.client.put(f"/api/uploads/{upload}/files/t1.nii", content=endless())
    assert answer.status_code == 413
    assert "upload_mib" in answer.json()["error"]["remedy"]


def test_more_uploads_than_there_may_be_are_too_many(run_server) -> None:
    with run_server(limits=Limits(uploads=2)) as started:
        first = started.new_upload()
        started.new_upload()
        answer = started.client.post("/api/uploads")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        started.client.delete(f"/api/uploads/{first}")
        assert started.client.post("/api/uploads").status_code == 201


def test_a_full_queue_says_when_to_try_again(run_server) -> None:
    with run_server(queue_limit=1) as started:
        started.model.may_go_on.clear()
        upload = started.case()
        answers = [
            started.client.post("/api/segment", json={"upload": upload, "model": "spots"}) for _ in range(4)
        ]
        refused = [answer for answer in answers if answer.status_code != 202]
        assert refused
        assert {answer.status_code for answer in refused} == {503}
        assert int(refused[0].headers["retry-after"]) > 0


def test_names_and_queries_stay_out_of_the_log(server, make_volume, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        upload = server.new_upload()
        server.send(upload, "DOE_JANE_t1.nii.gz", make_volume("t1"))
        server.send(upload, "DOE_JANE_t2.nii.gz", b"no image of DOE_JANE")
        server.client.get(f"/api/uploads/{upload}?patient=DOE_JANE")
        server.client.get("/DOE_JANE")
    own = [record.getMessage() for record in caplog.records if record.name.startswith("brats3d")]
    assert any("/api/uploads/{upload_id}/files/" in line for line in own)
    assert not any("DOE" in line or upload in line for line in own)


def test_a_defect_is_logged_without_what_it_says(server, caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(upload_id: str) -> None:
        raise RuntimeError("DOE JANE")

    monkeypatch.setattr(server.uploads, "get", broken)
    answer = server.client.get("/api/uploads/any")
    assert answer.status_code == 500
    ErrorAnswer.model_validate(answer.json())
    assert answer.headers["content-security-policy"]
    assert "RuntimeError at test_bad_files.py" in caplog.text
    assert "DOE" not in caplog.text + answer.text
