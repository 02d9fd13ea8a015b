"""How the store finds entries: by the content of the source files and the settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stored_arrays import write

from brats3d.data.store import Origin, PreparedStore, codec
from brats3d.data.store import origin as origin_module
from brats3d.data.store.origin import content_hash
from brats3d.errors import DataError


def origin(files: dict[str, Path], settings: str = "settings", case_id: str = "case") -> Origin:
    return Origin(case_id, files, settings)


class TestOrigins:
    @pytest.fixture
    def files(self, tmp_path: Path) -> dict[str, Path]:
        made = {"t1": tmp_path / "a.nii.gz", "label": tmp_path / "b.nii.gz"}
        for role, path in made.items():
            path.write_bytes(role.encode())
        return made

    @pytest.mark.parametrize("change", ["content", "settings", "roles", "codec"])
    def test_the_key_follows_content_and_settings(self, files: dict[str, Path], change: str) -> None:
        before = origin(files).key("b2nd")
        assert origin(dict(reversed(files.items()))).key("b2nd") == before
        settings, codec = "settings", "b2nd"
        if change == "content":
            files["t1"].write_bytes(b"t2")
        elif change == "settings":
            settings = "others"
        elif change == "roles":
            files["mask"] = files.pop("label")
        else:
            codec = "npy"
        assert origin(files, settings).key(codec) != before

    @pytest.mark.parametrize("change", ["time", "path", "link"])
    def test_the_key_is_that_of_the_content_wherever_it_lies(
        self, files: dict[str, Path], tmp_path: Path, change: str
    ) -> None:
        before = origin(files).key("b2nd")
        if change == "time":
            os.utime(files["t1"], ns=(1, 1))
        elif change == "path":
            files["t1"] = files["t1"].rename(tmp_path / "moved")
        else:
            (tmp_path / "link").symlink_to(files["t1"])
            files["t1"] = tmp_path / "link"
        assert origin(files).key("b2nd") == before

    def test_a_forged_time_hides_no_change(self, files: dict[str, Path]) -> None:
        before, status = origin(files).key("b2nd"), files["t1"].stat()
        files["t1"].write_bytes(b"xx")
        os.utime(files["t1"], ns=(status.st_atime_ns, status.st_mtime_ns))
        assert files["t1"].stat().st_size == status.st_size
        assert origin(files).key("b2nd") != before

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "gone")
        with pytest.raises(DataError, match="not found") as caught:
            origin({"t1": link}).key("b2nd")
        assert caught.value.where == link

    def test_files_are_read_again_only_where_something_about_them_changed(
        self, files: dict[str, Path], store: PreparedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = origin(files)
        key = own.key(codec())
        write(store, key)
        store.remember(own, key, own.states())
        read: list[str] = []
        monkeypatch.setattr(
            origin_module, "content_hash", lambda state: read.append(state.path) or content_hash(state)
        )
        assert store.look_up(own) is not None
        assert read == []
        os.utime(files["t1"])
        assert store.look_up(own) is not None
        assert str(files["t1"]) in read
        read.clear()
        assert store.look_up(own) is not None
        assert read == []
        files["t1"].write_bytes(b"other")
        assert store.look_up(own) is None
