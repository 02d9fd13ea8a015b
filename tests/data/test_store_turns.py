"""Turns of processes and threads at an entry, and what killed ones leave."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest
from stored_arrays import write

from brats3d.data.store import PreparedStore


class TestTurns:
    def test_one_at_a_time(self, store: PreparedStore) -> None:
        with store.turn("case", "k", wait=False) as first:
            with store.turn("case", "k", wait=False) as second, store.turn("other", "k", wait=False) as third:
                assert (first, second, third) == (True, False, True)
        with store.turn("case", "k", wait=False) as again:
            assert again
        assert list(store.folder.iterdir()) == []

    def test_waiting_ends_with_the_others_turn(self, store: PreparedStore) -> None:
        order = []

        def follow() -> None:
            with store.turn("case", "k", wait=True) as mine:
                order.append(("second", mine))

        thread = threading.Thread(target=follow)
        with store.turn("case", "k", wait=False):
            thread.start()
            thread.join(0.3)
            order.append(("first", True))
        thread.join()
        assert order == [("first", True), ("second", True)]
        assert list(store.folder.iterdir()) == []

    def test_many_threads_never_meet(self, store: PreparedStore) -> None:
        inside, most = 0, 0

        def enter() -> None:
            nonlocal inside, most
            for _ in range(5):
                with store.turn("case", "k", wait=True):
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0.001)
                    inside -= 1

        threads = [threading.Thread(target=enter) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == 1
        assert list(store.folder.iterdir()) == []

    def test_leftovers_of_a_killed_process_are_swept_and_those_of_a_living_one_kept(
        self, store: PreparedStore
    ) -> None:
        write(store)
        script = (
            "import sys, time; from pathlib import Path; from brats3d.data.store import PreparedStore\n"
            "store = PreparedStore(Path(sys.argv[1]))\n"
            "with store.turn(sys.argv[2], 'k', wait=False):\n"
            "    (store.folder / f'.{sys.argv[2]}-k.0123abcd.tmp').mkdir()\n"
            "    print('ready', flush=True); time.sleep(600)"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(store.folder), name], stdout=subprocess.PIPE, text=True
            )
            for name in ("killed", "living")
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            processes[0].kill()
            processes[0].wait()
            store.sweep()
            left = {path.name for path in store.folder.iterdir()}
            assert left == {"case-k", ".living-k.lock", ".living-k.0123abcd.tmp"}
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        store.sweep()
        assert [path.name for path in store.folder.iterdir()] == ["case-k"]

    def test_without_locks_everybody_has_a_turn(
        self, store: PreparedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unsupported(*args: object) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr("fcntl.flock", unsupported)
        with store.turn("case", "k", wait=True) as first, store.turn("case", "k", wait=True) as second:
            assert (first, second) == (True, True)
        assert list(store.folder.iterdir()) == []

    def test_without_locks_leftovers_of_the_last_hour_may_be_at_work(
        self, store: PreparedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unsupported(*args: object) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr("fcntl.flock", unsupported)
        write(store)
        for name, minutes in (("old", 61), ("new", 59)):
            folder = store.folder / f".{name}-k.0123abcd.tmp"
            folder.mkdir()
            (folder / "image.b2nd").touch()
            then = time.time() - 60 * minutes
            os.utime(folder, (then, then))
        store.sweep()
        assert {path.name for path in store.folder.iterdir()} == {"case-k", ".new-k.0123abcd.tmp"}
