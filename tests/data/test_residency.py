"""Prepared cases in memory: as many as fit, the same voxels, and no copies in other processes."""

from __future__ import annotations

import logging
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from brats3d.data import residency
from brats3d.data.datasets import PatchDataset, SliceDataset
from brats3d.data.residency import DeviceCase, Memory, ResidentCase, free_memory_bytes, main_memory, reside
from brats3d.data.store import PreparedStore, StoredCase

SHAPE = (12, 11, 10)
CASE_BYTES = 9 * 12 * 11 * 10


@pytest.fixture
def cases(tmp_path: Path) -> list[StoredCase]:
    store, generator = PreparedStore(tmp_path / "store"), np.random.default_rng(0)
    return [
        store.write(
            f"case{number}",
            "k",
            image=generator.normal(size=(4, *SHAPE)),
            classes=generator.integers(0, 4, SHAPE, dtype=np.uint8),
            record={"number": number},
        )
        for number in range(4)
    ]


def ram(free: int, processes: int = 1) -> Memory:
    return replace(main_memory(processes), free_bytes=lambda: free)


def gpu(free: int) -> Memory:
    """A GPU that is the CPU."""
    return Memory("gpu", lambda: free, lambda case: residency._taken_onto(torch.device("cpu"), case))


def in_memory(cases: list[StoredCase]) -> list[bool]:
    return [isinstance(case, ResidentCase) for case in cases]


def kinds(cases: list[StoredCase]) -> str:
    letters = {StoredCase: "d", ResidentCase: "r", DeviceCase: "g"}
    return "".join(letters[type(case)] for case in cases)


@pytest.mark.parametrize(
    ("chosen", "room", "processes", "expected"),
    [
        ("disk", 1000, 1, 0),
        ("ram", 1000, 1, 4),
        ("ram", 4 / 0.8, 1, 4),
        ("ram", 3.9 / 0.8, 1, 3),
        ("ram", 8 / 0.8, 2, 4),
        ("ram", 4 / 0.8, 2, 2),
        ("ram", 0, 1, 0),
        ("auto", 4 / 0.5, 1, 4),
        ("auto", 3.9 / 0.5, 1, 0),
        ("auto", 4 / 0.5, 2, 0),
    ],
)
def test_as_many_as_fit(
    cases: list[StoredCase],
    caplog: pytest.LogCaptureFixture,
    chosen: residency.Residency,
    room: float,
    processes: int,
    expected: int,
) -> None:
    caplog.set_level(logging.INFO, "brats3d")
    made = reside(cases, chosen, [ram(int(room * CASE_BYTES) + 4, processes)])
    assert in_memory(made) == [True] * expected + [False] * (4 - expected)
    if chosen == "disk":
        assert caplog.messages == []
    elif chosen == "ram":
        assert caplog.messages[0].startswith(f"{expected} of 4 training cases are kept in memory")
    else:
        assert caplog.messages[0].startswith("4 of 4" if expected else "the training cases do not all fit")
    if chosen != "disk":
        assert ("read from the disk" in caplog.messages[0]) == (expected < 4)


@pytest.mark.parametrize(
    ("chosen", "gpu_room", "ram_room", "expected"),
    [
        ("gpu", 4 / 0.5, 0, "gggg"),
        ("gpu", 2.5 / 0.5, 100, "ggdd"),
        ("auto", 4 / 0.3, 100, "gggg"),
        ("auto", 3.9 / 0.3, 100, "rrrr"),
        ("auto", 3.9 / 0.3, 3.9 / 0.5, "dddd"),
        ("ram", 100, 100, "rrrr"),
    ],
)
def test_on_a_gpu(cases: list[StoredCase], chosen, gpu_room: float, ram_room: float, expected: str) -> None:
    free = [int(room * CASE_BYTES) + 4 for room in (gpu_room, ram_room)]
    assert kinds(reside(cases, chosen, [gpu(free[0]), ram(free[1])])) == expected


def test_without_a_gpu_it_is_main_memory(cases: list[StoredCase], caplog: pytest.LogCaptureFixture) -> None:
    assert kinds(reside(cases, "gpu", [ram(10**9)])) == "rrrr"
    assert "no GPU" in caplog.messages[0]


def test_patches_cut_out_on_the_device_are_those_from_the_disk(cases: list[StoredCase]) -> None:
    def patches(chosen: list[StoredCase]) -> PatchDataset:
        size = (8, 16, 10)  # partly larger than the cases
        keep = {"foreground": 0.5, "augmentation": lambda sample, seed: sample, "seed": 1}
        return PatchDataset(chosen, size=size, as_stored=True, **keep)

    made = reside(cases, "gpu", [gpu(10**9)])
    for number in range(12):
        ours, theirs = patches(made)[number], patches(cases)[number]
        for key in ("image", "classes"):
            assert ours[key].dtype == theirs[key].dtype
            assert torch.equal(ours[key], theirs[key])
    before = made[0].image().clone()
    patches(made)[0]["image"].zero_()
    assert torch.equal(made[0].image(), before)


def test_slices_cut_out_on_the_device_are_those_from_the_disk(cases: list[StoredCase]) -> None:
    keep = {"foreground": 0.5, "augmentation": lambda sample, seed: sample, "seed": 1, "size": (9, 13)}
    ranges = [(1, 9)] * 4
    ours = SliceDataset(reside(cases, "gpu", [gpu(10**9)]), axis=2, ranges=ranges, **keep)
    theirs = SliceDataset(cases, axis=2, ranges=ranges, **keep)
    for number in range(8):
        for key in ("image", "classes"):
            assert torch.equal(ours[number][key], theirs[number][key])


def test_they_are_the_same_cases(cases: list[StoredCase], tmp_path: Path) -> None:
    made = reside(cases, "ram", [ram(10**9)])
    expected = [(np.asarray(case.image()), np.asarray(case.classes())) for case in cases]
    for case in made:
        assert case.foreground
        assert case.record == {"number": int(case.case_id[-1])}
    shutil.rmtree(tmp_path / "store")
    for case, (image, classes) in zip(made, expected, strict=True):
        np.testing.assert_array_equal(case.image(), image)
        np.testing.assert_array_equal(case.classes(), classes)
        with pytest.raises(ValueError, match="read-only"):
            case.image()[...] = 0  # type: ignore[index]


def test_memory_that_runs_out_leaves_the_others_on_the_disk(
    cases: list[StoredCase], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = StoredCase.image

    def fail(case: StoredCase) -> object:
        array = image(case)
        if case.case_id == "case2":
            monkeypatch.setattr(type(array), "__array__", exhausted)
        return array

    def exhausted(*args: object, **kwargs: object) -> None:
        raise MemoryError

    sizes = residency._size
    monkeypatch.setattr(residency, "_size", lambda case: CASE_BYTES)
    monkeypatch.setattr(StoredCase, "image", fail)
    assert in_memory(reside(cases, "ram", [ram(10**9)])) == [True, True, False, False]
    assert sizes(cases[0]) == CASE_BYTES


@pytest.mark.parametrize("memory", [ram(10**9), gpu(10**9)], ids=["ram", "gpu"])
def test_another_process_gets_the_place_alone(cases: list[StoredCase], memory: Memory) -> None:
    made = reside(cases, memory.kind, [memory])
    sent = pickle.dumps(made)
    assert len(sent) < CASE_BYTES / 2
    assert in_memory(pickle.loads(sent)) == [False] * 4
    assert pickle.loads(sent) == cases


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_are_those_from_the_disk(cases: list[StoredCase], workers: int) -> None:
    def samples(chosen: list[StoredCase], workers: int) -> list[np.ndarray]:
        data = PatchDataset(
            chosen, size=(8, 8, 16), foreground=0.5, augmentation=lambda sample, seed: sample, seed=1
        )
        loader = DataLoader(data, sampler=range(12), num_workers=workers, multiprocessing_context=None)
        return [batch["image"].numpy() for batch in loader]

    for ours, theirs in zip(
        samples(reside(cases, "ram", [ram(10**9)]), workers), samples(cases, 0), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("limit", "expected"), [("max", 10_000), ("5000", 2500), ("100000", 10_000), ("100", 0)]
)
def test_free_memory_within_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, expected: int
) -> None:
    for name, text in {"max": limit, "current": "3000", "stat": "anon 1\ninactive_file 500\n"}.items():
        (tmp_path / f"memory.{name}").write_text(f"{text.strip()}\n")
    monkeypatch.setattr(residency, "_CGROUP", tmp_path)
    monkeypatch.setattr(residency.psutil, "virtual_memory", lambda: type("M", (), {"available": 10_000}))
    assert free_memory_bytes() == expected


def test_free_memory_of_this_machine() -> None:
    assert 0 < free_memory_bytes() <= residency.psutil.virtual_memory().total
