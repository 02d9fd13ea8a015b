"""Preparation, training and prediction on data sets at URLs, as on folders; a local server plays S3."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from brats3d.__main__ import main
from brats3d.config import FitConfig, PredictConfig, PrepareConfig, from_dict
from brats3d.data.discovery import discover
from brats3d.data.remote import storage
from brats3d.errors import DataError
from brats3d.imaging import read_volume
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.predict import predict
from brats3d.workflows.prepare import PrepareResult, prepare

MakeConfig = Callable[..., FitConfig]
URL = "memory://bucket/brats2021"
FILES = 6 * 5


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are fetched from now on."""
    original, names = storage.Storage.download, []

    def note(own: storage.Storage, file: storage.RemoteFile, target: Path) -> None:
        names.append(file.name)
        original(own, file, target)

    monkeypatch.setattr(storage.Storage, "download", note)
    return names


@pytest.fixture
def memory(phantom_set: Path) -> Iterator[MemoryFileSystem]:
    """The phantoms at ``URL``."""
    storage._opened.cache_clear()
    driver = fsspec.filesystem("memory")
    driver.store.clear()
    upload(driver, phantom_set, "/bucket/brats2021")
    yield driver
    driver.store.clear()


def upload(driver: Any, folder: Path, place: str) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        driver.pipe_file(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def prepared(tmp_path: Path, root: str | Path, store: str, **data: Any) -> PrepareResult:
    chosen = {"root": str(root), "cache": str(tmp_path / "cache"), **data}
    return prepare(from_dict(PrepareConfig, {"data": chosen, "store": str(tmp_path / store), "jobs": 2}))


class TestAsOnFolders:
    def test_prepared_cases_are_the_same_and_fetched_once(
        self, memory: MemoryFileSystem, phantom_set: Path, tmp_path: Path, fetched: list[str]
    ) -> None:
        there = prepared(tmp_path, URL, "there")
        assert len(fetched) == len(set(fetched)) == FILES
        here = prepared(tmp_path, phantom_set, "here")
        for own, other in zip(there.cases, here.cases, strict=True):
            assert own.folder.name == other.folder.name
            np.testing.assert_array_equal(own.image(), other.image())
            np.testing.assert_array_equal(own.classes(), other.classes())

    def test_what_is_prepared_needs_its_files_no_more(
        self, memory: MemoryFileSystem, tmp_path: Path, fetched: list[str]
    ) -> None:
        before = prepared(tmp_path, URL, "store")
        shutil.rmtree(tmp_path / "cache")
        fetched.clear()
        assert prepared(tmp_path, URL, "store").cases == before.cases
        assert fetched == []

    def test_a_changed_file_is_prepared_anew(
        self, memory: MemoryFileSystem, tmp_path: Path, fetched: list[str]
    ) -> None:
        before = prepared(tmp_path, URL, "store")
        names = (case.case_id for case in before.cases[:2])
        one, other = (f"/bucket/brats2021/{name}/{name}_t1.nii.gz" for name in names)
        memory.pipe_file(one, memory.cat_file(other))
        fetched.clear()
        after = prepared(tmp_path, URL, "store")
        assert len(fetched) == 4
        assert [own.folder == other.folder for own, other in zip(before.cases, after.cases, strict=True)] == [
            False,
            *[True] * 5,
        ]

    def test_with_little_room(self, memory: MemoryFileSystem, tmp_path: Path, fetched: list[str]) -> None:
        assert len(prepared(tmp_path, URL, "store", cache_gib=1e-6).cases) == 6
        assert len(fetched) == FILES
        assert len(list((tmp_path / "cache").iterdir())) <= 4

    def test_a_training(
        self, memory: MemoryFileSystem, fit_config: MakeConfig, trained: FitResult, tmp_path: Path
    ) -> None:
        config = fit_config(tmp_path / "runs", data__root=URL, data__cache=str(tmp_path / "cache"))
        result = fit(config)
        assert f"root: {URL}" in (result.run / "config.yaml").read_text()
        assert result.rows == trained.rows

    def test_a_prediction(
        self, memory: MemoryFileSystem, trained: FitResult, phantom_set: Path, tmp_path: Path
    ) -> None:
        def predicted(place: str | Path, output: str) -> list[Path]:
            config = PredictConfig(
                run=(str(trained.run),),
                input=str(place),
                output=str(tmp_path / output),
                cache=str(tmp_path / "cache"),
                accelerator="cpu",
            )
            return predict(config)

        case_id = discover(phantom_set).cases[0].case_id
        (own,), (other,) = predicted(f"{URL}/{case_id}", "there"), predicted(phantom_set / case_id, "here")
        np.testing.assert_array_equal(read_volume(own)[0], read_volume(other)[0])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of an object server of this process."""
    pytest.importorskip("s3fs", reason="no driver for S3 here (pip install s3fs)")
    moto = pytest.importorskip("moto.server", reason="no object server here (pip install 'moto[server]')")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, phantom_set: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of two phantoms on the server; the environment leads there."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    storage._opened.cache_clear()
    s3fs.S3FileSystem.clear_instance_cache()
    driver = s3fs.S3FileSystem()
    driver.mkdir("brats")
    for folder in sorted(phantom_set.iterdir())[:2]:
        upload(driver, folder, f"brats/sets/brats2021/{folder.name}")
    yield "s3://brats/sets/brats2021"
    driver.rm("brats", recursive=True)
    storage._opened.cache_clear()
    s3fs.S3FileSystem.clear_instance_cache()


class TestObjectServer:
    def test_fit_at_the_command_line(
        self, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], fetched: list[str]
    ) -> None:
        words = ["--data.root", bucket, "--data.cache", str(tmp_path / "cache")]
        words += ["--folder", str(tmp_path / "runs"), "--name", "run", "--data.workers", "0"]
        words += ["--split.val", "0", "--split.test", "1"]
        words += ["--patch.size", "16,16,16", "--patch.per_epoch", "4"]
        words += ["--model.params", "{filters: [4, 8]}"]
        words += ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--report", "false"]
        assert main(["fit", *words]) == 0, capsys.readouterr().err
        assert f"root: {bucket}" in (tmp_path / "runs" / "run" / "config.yaml").read_text()
        assert len(fetched) == len(set(fetched)) == 2 * 5
        assert "not-a-secret" not in capsys.readouterr().err

    def test_the_rest_of_an_interrupted_preparation_is_fetched(
        self, bucket: str, tmp_path: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = storage.Storage._transferred

        def fail(own: storage.Storage, path: str, target: Path, size: int) -> int:
            if len(fetched) > 5:
                raise KeyboardInterrupt
            return original(own, path, target, size)

        with monkeypatch.context() as patched:
            patched.setattr(storage.Storage, "_transferred", fail)
            with pytest.raises(KeyboardInterrupt):
                prepare(
                    from_dict(
                        PrepareConfig,
                        {
                            "data": {"root": bucket, "cache": str(tmp_path / "cache")},
                            "store": str(tmp_path / "store"),
                            "jobs": 1,
                        },
                    )
                )
        fetched.clear()
        assert len(prepared(tmp_path, bucket, "store").cases) == 2
        assert len(fetched) == 5
        assert not list((tmp_path / "cache").glob(".*"))

    def test_two_processes_share_out_the_files(self, bucket: str, tmp_path: Path) -> None:
        statements = (
            "import sys; from brats3d.data.remote import storage\n"
            "original = storage.Storage.download\n"
            "def note(own, file, target):\n"
            "    with open(sys.argv[1], 'a') as log: log.write(file.name + '\\n')\n"
            "    original(own, file, target)\n"
            "storage.Storage.download = note\n"
            "from brats3d.__main__ import main\n"
            "sys.exit(main(['prepare', *sys.argv[2:]]))"
        )
        words = ["--data.root", bucket, "--data.cache", str(tmp_path / "cache")]
        words += ["--store", str(tmp_path / "store")]
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", statements, str(tmp_path / "log"), *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for process in processes:
            shown, said = process.communicate(timeout=300)
            assert process.returncode == 0, said
            assert shown.startswith("2 prepared cases")
        names = (tmp_path / "log").read_text().split()
        assert len(names) == len(set(names)) == 2 * 5

    def test_a_bucket_that_does_not_exist(
        self, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["prepare", "--data.root", "s3://another/folder"]) == 2
        shown = capsys.readouterr().err
        assert "s3://another/folder" in shown
        assert "AWS_ENDPOINT_URL" in shown

    def test_a_server_that_does_not_answer(
        self, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import s3fs

        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
            storage._opened.cache_clear()
            s3fs.S3FileSystem.clear_instance_cache()
            with pytest.raises(DataError, match="cannot be read") as caught:
                discover("s3://brats/sets/brats2021")
        assert "AWS_ENDPOINT_URL" in str(caught.value.remedy)
