"""Zips: what is in them is taken, and nothing in them decides where or how much is written."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brats3d.errors import DataError
from brats3d.viewer.uploads import TooLarge, archives


def zip_of(*members: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for member, data in members:
            archive.writestr(member, data)
    return file.getvalue()


def test_a_zip_of_a_case_folder(upload: Any, put: Any, files: Any) -> None:
    members = {f"case/case_{m}.nii.gz": files.nifti() for m in ("t1n", "t1c", "t2w", "t2f")}
    members |= {
        "case/": b"",
        "__MACOSX/case/._case_t1n.nii.gz": b"\0\5\x16\7",
        "case/.DS_Store": b"x",
        "case/notes.txt": b"x",
        "case/viewer.exe": b"MZ",
    }
    contents = put(upload, "case.zip", files.zipped(members))
    assert {m: place.file for m, place in contents.assignment.items()} == {
        "t1": "case/case_t1n.nii.gz",
        "t1ce": "case/case_t1c.nii.gz",
        "t2": "case/case_t2w.nii.gz",
        "flair": "case/case_t2f.nii.gz",
    }
    assert contents.problems == ("files that are no images were passed over: 1",)


def test_a_stored_zip_of_pictures(upload: Any, put: Any, files: Any) -> None:
    pixels = np.arange(120, dtype=np.uint8).reshape(10, 12)
    data = files.zipped({"t1.png": files.picture(pixels)}, zipfile.ZIP_STORED)
    assert put(upload, "x.zip", data).files[0].kind == "picture"


@pytest.mark.parametrize(
    "name",
    ["../t1.nii.gz", "a/../../t1.nii.gz", "/etc/t1.nii.gz", "..\\t1.nii.gz", "C:\\t1.nii.gz", "//h/t1.nii"],
)
def test_names_that_lead_elsewhere(
    name: str, upload: Any, put: Any, files: Any, kept: Any, tmp_path: Path
) -> None:
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(DataError, match="the zip is refused") as caught:
        put(upload, "case.zip", files.zipped({"t1.nii.gz": files.nifti(), name: files.nifti()}))
    assert caught.value.where == "case.zip"
    assert kept() == []
    assert sorted(tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices(kind: int, upload: Any, put: Any, kept: Any) -> None:
    link = zipfile.ZipInfo("t1.nii.gz")
    link.create_system = 3
    link.external_attr = (kind | 0o777) << 16
    with pytest.raises(DataError, match="the zip is refused") as caught:
        put(upload, "case.zip", zip_of((link, b"/etc/passwd")))
    assert caught.value.got == "links or devices"
    assert kept() == []


def test_encrypted_and_rarely_compressed(upload: Any, put: Any, files: Any, kept: Any) -> None:
    data = bytearray(zip_of(("t1.nii.gz", files.nifti())))
    for magic, flag_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + flag_at] |= 1
    with pytest.raises(DataError, match="refused") as caught:
        put(upload, "case.zip", bytes(data))
    assert caught.value.got == "encrypted files"
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(DataError, match="refused"):
            put(upload, "case.zip", zip_of(("t1.nii.gz", files.nifti()), method=method))
    assert kept() == []


def test_zips_in_zips(upload: Any, put: Any, files: Any, kept: Any) -> None:
    inner = files.zipped({"t1.nii.gz": files.nifti()})
    for name in ("inner.zip", "t1.nii.gz", "notes.bin"):
        with pytest.raises(DataError, match="a zip inside of a zip"):
            put(upload, "case.zip", files.zipped({"t2.nii.gz": files.nifti(), name: inner}))
    assert kept() == []


def test_bombs(upload: Any, store: Any, put: Any, files: Any, kept: Any) -> None:
    with pytest.raises(TooLarge, match="too large when it is unpacked"):
        put(upload, "case.zip", files.zipped({"t1.nii": bytes(store.limits.size + 1)}))
    with pytest.raises(TooLarge, match="too many files"):
        put(upload, "case.zip", files.zipped({f"{i}.nii": b"" for i in range(store.limits.files + 1)}))
    assert kept() == []


def test_a_bomb_that_is_all_emptiness(
    upload: Any, put: Any, files: Any, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_SUSPICIOUS_SIZE", 2 << 20)
    data = files.zipped({f"{index}.nii": bytes(1 << 20) for index in range(3)})
    with pytest.raises(TooLarge, match="next to nothing"):
        put(upload, "case.zip", data)
    assert kept() == []


def test_sizes_that_are_not_those_declared(upload: Any, put: Any, files: Any, kept: Any) -> None:
    for declared in (10, 1 << 20):
        data = bytearray(zip_of(("t1.nii", files.nifti(packed=False))))
        place = data.index(b"PK\x01\x02")
        struct.pack_into("<I", data, place + 24, declared)
        with pytest.raises(DataError):
            put(upload, "case.zip", bytes(data))
    assert kept() == []


def test_many_members_in_one_place_count_each(upload: Any, store: Any, put: Any, kept: Any) -> None:
    """Members that overlap: each entry of the list points to the same compressed zeros."""
    data = zip_of(("a.nii", bytes(1 << 20)))
    start = data.index(b"PK\x01\x02")
    entry, end = data[start : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    count = 30
    listed = b"".join(entry.replace(b"a.nii", b"%05d" % index) for index in range(count))
    end = bytearray(end)
    struct.pack_into("<HHI", end, 8, count, count, len(listed))
    with pytest.raises(TooLarge, match="too large when it is unpacked"):
        put(upload, "case.zip", data[:start] + listed + bytes(end))
    assert kept() == []


def test_a_list_that_is_too_long_is_not_read(
    upload: Any, put: Any, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_LONGEST_LIST", 70_000)
    data = zip_of(*((f"{index:0500d}", b"") for index in range(150)), method=zipfile.ZIP_STORED)
    with pytest.raises(TooLarge, match="too long a list"):
        put(upload, "case.zip", data)
    assert kept() == []


def test_a_member_without_a_name(upload: Any, put: Any, files: Any, kept: Any) -> None:
    data = files.zipped({"t1.nii.gz": files.nifti()}).replace(b"t1.nii.gz", b"\0" * 9)
    with pytest.raises(DataError, match="refused"):
        put(upload, "case.zip", data)
    assert kept() == []


def test_torn_zips(upload: Any, put: Any, files: Any, kept: Any) -> None:
    data = files.zipped({"t1.nii.gz": files.nifti()})
    for torn in (data[:-30], data[:100], data[:60] + bytes(20) + data[80:], data[:4] + bytes(100)):
        with pytest.raises(DataError):
            put(upload, "case.zip", torn)
    assert kept() == []


def test_a_zip_without_images(upload: Any, put: Any, files: Any, kept: Any) -> None:
    with pytest.raises(DataError, match="no image in the zip"):
        put(upload, "case.zip", files.zipped({"a.txt": b"x", "b.exe": b"MZ"}))
    with pytest.raises(DataError, match="no image in the zip"):
        put(upload, "case.zip", files.zipped({}))
    assert kept() == []


def test_one_bad_image_refuses_the_zip(upload: Any, put: Any, files: Any, kept: Any) -> None:
    with pytest.raises(DataError, match="torn") as caught:
        put(
            upload,
            "case.zip",
            files.zipped({"a/t1.nii.gz": files.nifti(), "a/t2.nii.gz": files.nifti()[:-9]}),
        )
    assert caught.value.where == "a/t2.nii.gz"
    assert kept() == []
    assert upload.contents().files == ()


def test_names_that_look_the_same(upload: Any, put: Any, files: Any, kept: Any) -> None:
    contents = put(upload, "a.zip", files.zipped({"T1.nii.gz": files.nifti(), "t1.nii.gz": files.nifti()}))
    assert len(contents.files) == 2
    with pytest.raises(DataError, match="refused") as caught:
        put(upload, "b.zip", files.zipped({"t2.nii.gz": files.nifti(), "t\u200b2.nii.gz": files.nifti()}))
    assert caught.value.got == "one name several times"
