"""Samples of prepared cases: reproducible from seed and number, of one size, centred on tumour."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from brats3d.data.datasets import (
    CaseDataset,
    PatchDataset,
    RunningSampler,
    SliceDataset,
    read_box,
)
from brats3d.data.store import PreparedStore, StoredCase

SHAPES = ((20, 24, 18), (16, 30, 22), (25, 19, 21))


def as_it_is(sample: dict, seed: int) -> dict:
    return sample


def shifted(sample: dict, seed: int) -> dict:
    """An augmentation that draws from its seed alone."""
    return {**sample, "image": sample["image"] + np.random.default_rng(seed).random()}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[StoredCase]:
    """Channel 0 tells the case, channel 1 the voxel; class 3 is one voxel, class 1 a box; case 2 has none."""
    store = PreparedStore(tmp_path_factory.mktemp("store"))
    made = []
    for number, shape in enumerate(SHAPES):
        image = np.stack([np.full(shape, number + 1), np.arange(math.prod(shape)).reshape(shape) % 2000])
        classes = np.zeros(shape, dtype=np.uint8)
        if number != 2:
            classes[2:6, 3:9, 4:7] = 1
            classes[12, 13, 14] = 3
        made.append(store.write(f"case{number}", "k", image=image, classes=classes, record={}))
    return made


def patches(cases: list[StoredCase], seed: int = 5, **changes: object) -> PatchDataset:
    chosen = {"size": (8, 8, 8), "foreground": 0.5, "augmentation": shifted, "seed": seed, **changes}
    return PatchDataset(cases, **chosen)


def slices(cases: list[StoredCase], **changes: object) -> SliceDataset:
    chosen = {
        "axis": 2,
        "ranges": [(0, shape[2]) for shape in SHAPES][: len(cases)],
        "size": (16, 20),
        "foreground": 0.5,
        "augmentation": shifted,
        "seed": 5,
        **changes,
    }
    return SliceDataset(cases, **chosen)


def equal(first: dict, second: dict) -> bool:
    return all(torch.equal(first[key], second[key]) for key in ("image", "classes"))


@pytest.mark.parametrize("make", [patches, slices])
def test_a_sample_depends_on_seed_and_number_alone(make, cases: list[StoredCase]) -> None:
    dataset, again = make(cases), make(cases)
    forwards = [dataset[number] for number in range(9)]
    backwards = [again[number] for number in reversed(range(9))][::-1]
    assert all(equal(*pair) for pair in zip(forwards, backwards, strict=True))
    others = [make(cases, seed=6)[number] for number in range(9)]
    assert not all(equal(*pair) for pair in zip(forwards, others, strict=True))
    assert not equal(forwards[0], dataset[9 * len(cases)])


@pytest.mark.parametrize("make", [patches, slices])
def test_workers_make_the_samples_that_the_process_itself_makes(make, cases: list[StoredCase]) -> None:
    def batches(workers: int) -> list[dict]:
        sampler = RunningSampler(8)
        sampler.set_epoch(2)
        return list(DataLoader(make(cases), batch_size=2, sampler=sampler, num_workers=workers))

    assert all(equal(*pair) for pair in zip(batches(0), batches(2), strict=True))


def test_every_case_comes_once_in_each_turn(cases: list[StoredCase]) -> None:
    dataset = patches(cases, augmentation=as_it_is)
    turns = [{int(dataset[3 * turn + k]["image"][0].max()) for k in range(3)} for turn in range(5)]
    assert turns == [{1, 2, 3}] * 5
    orders = [tuple(int(dataset[3 * turn + k]["image"][0].max()) for k in range(3)) for turn in range(12)]
    assert len(set(orders)) > 2


def test_mixing_gets_a_sample_of_every_other_case_before_augmentation(cases: list[StoredCase]) -> None:
    def both(sample: dict, donor: dict, seed: int) -> dict:
        return {**sample, "classes": torch.tensor([sample["image"][0].max(), donor["image"][0].max()])}

    dataset = patches(cases, augmentation=as_it_is, mixing=both)
    pairs = {tuple(int(value) for value in dataset[number]["classes"]) for number in range(60)}
    assert pairs == {(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)}
    alone = patches(cases[:1], augmentation=as_it_is, mixing=both)[0]
    assert alone["classes"].shape == (1, 8, 8, 8)


@given(length=st.integers(1, 40), ranks=st.integers(1, 5), epoch=st.integers(0, 7))
@settings(deadline=None, max_examples=50)
def test_ranks_share_an_epoch_out_equally(length: int, ranks: int, epoch: int) -> None:
    shares = []
    for rank in range(ranks):
        sampler = RunningSampler(length, rank=rank, ranks=ranks)
        sampler.set_epoch(epoch)
        shares.append(list(sampler))
        assert len(shares[-1]) == len(sampler) == length // ranks
    together = sorted(number for share in shares for number in share)
    assert together == list(range(epoch * length, epoch * length + ranks * (length // ranks)))


def test_patches_have_their_size_and_types(cases: list[StoredCase]) -> None:
    sample = patches(cases, augmentation=as_it_is)[0]
    assert sample["image"].shape == (2, 8, 8, 8)
    assert sample["image"].dtype == torch.float32
    assert sample["classes"].shape == (1, 8, 8, 8)
    assert sample["classes"].dtype == torch.uint8


def test_patches_lie_within_the_image_where_it_is_large_enough(cases: list[StoredCase]) -> None:
    dataset = patches(cases, size=(16, 16, 16), augmentation=as_it_is)
    assert all((dataset[number]["image"][0] > 0).all() for number in range(40))


def test_an_image_smaller_than_the_patch_is_centred_in_zeros(cases: list[StoredCase]) -> None:
    size = (32, 32, 32)
    dataset = patches(cases, size=size, augmentation=as_it_is)
    for number in range(6):
        sample = dataset[number]
        case = int(sample["image"][0].max()) - 1
        shape = SHAPES[case]
        inside = tuple(
            slice((side - extent) // 2, (side - extent) // 2 + extent)
            for side, extent in zip(size, shape, strict=True)
        )
        np.testing.assert_array_equal(sample["image"][1][inside], cases[case].image()[1])
        np.testing.assert_array_equal(sample["classes"][0][inside], cases[case].classes())
        assert (sample["image"][0] > 0).sum() == math.prod(shape)


def test_foreground_patches_are_centred_on_tumour(cases: list[StoredCase]) -> None:
    dataset = patches(cases[:2], size=(5, 5, 5), foreground=1.0, augmentation=as_it_is)
    drawn = [int(dataset[number]["classes"][0, 2, 2, 2]) for number in range(200)]
    assert set(drawn) == {1, 3}
    # Both classes alike, although one has 72 times the voxels; five standard deviations wide.
    assert abs(drawn.count(3) - 100) < 36


def test_foreground_patches_at_the_border_hold_their_voxel(cases: list[StoredCase]) -> None:
    dataset = patches(cases[:2], size=(14, 14, 14), foreground=1.0, augmentation=as_it_is)
    assert all(dataset[number]["classes"].any() for number in range(40))


def test_foreground_is_a_share_of_the_patches(cases: list[StoredCase]) -> None:
    centred = {}
    for share in (0.0, 0.5):
        dataset = patches(cases[:1], size=(1, 1, 1), foreground=share, augmentation=as_it_is)
        centred[share] = sum(bool(dataset[number]["classes"].any()) for number in range(400))
    assert centred[0.0] < 20  # by chance: 73 of 8,640 voxels
    assert abs(centred[0.5] - 200) < 55


@pytest.mark.parametrize("make", [patches, slices])
def test_a_case_without_tumour_gives_samples_all_the_same(make, cases: list[StoredCase]) -> None:
    changes = {"ranges": [(0, SHAPES[2][2])]} if make is slices else {}
    dataset = make(cases[2:], foreground=1.0, **changes)
    assert not dataset[0]["classes"].any()


SMALL = (5, 5, 5)  # about one patch in ten shows tumour


CHANGES = {patches: {"size": SMALL}, slices: {"ranges": [(0, SHAPES[0][2])], "size": SHAPES[0][:2]}}


def counted(dataset: PatchDataset | SliceDataset, samples: int = 250) -> float:
    """Share of samples that show tumour."""
    return sum(bool(dataset[number]["classes"].any()) for number in range(samples)) / samples


@pytest.mark.parametrize("make", [patches, slices])
@pytest.mark.parametrize("empty", [0.0, 0.1, 0.5])
def test_empty_samples_are_kept_as_often_as_they_shall(make, empty: float, cases: list[StoredCase]) -> None:
    changes = CHANGES[make]
    shown = counted(make(cases[:1], foreground=0.0, **changes))
    assert 0.05 < shown < 0.5
    found = counted(make(cases[:1], foreground=0.0, empty=empty, **changes))
    assert abs(found - shown / (shown + (1 - shown) * empty)) < 0.1 * (empty > 0) + 1e-9


@pytest.mark.parametrize("make", [patches, slices])
def test_both_shares_together(make, cases: list[StoredCase]) -> None:
    changes = CHANGES[make]
    alone = counted(make(cases[:1], foreground=0.0, empty=0.2, **changes))
    assert abs(counted(make(cases[:1], foreground=0.4, empty=0.2, **changes)) - (0.4 + 0.6 * alone)) < 0.12


@pytest.mark.parametrize("make", [patches, slices])
def test_samples_are_reproducible_also_where_empty_ones_are_left_out(make, cases: list[StoredCase]) -> None:
    changes = {"foreground": 0.3, "empty": 0.2, **({} if make is slices else {"size": SMALL})}
    first, again = make(cases, **changes), make(cases, **changes)
    assert all(equal(first[number], again[number]) for number in (40, 7, 23, 8, 3))
    loader = DataLoader(again, batch_size=2, sampler=RunningSampler(12), num_workers=2)
    found = torch.cat([batch["image"] for batch in loader])
    torch.testing.assert_close(found, torch.stack([first[number]["image"] for number in range(12)]))


@pytest.mark.parametrize("make", [patches, slices])
def test_a_case_without_tumour_has_empty_samples_whatever_is_left_out(make, cases: list[StoredCase]) -> None:
    changes = {"ranges": [(0, SHAPES[2][2])]} if make is slices else {}
    assert counted(make(cases[2:], empty=0.0, **changes), samples=10) == 0


def test_tumour_that_chance_does_not_find_is_drawn_all_the_same(tmp_path: Path) -> None:
    classes = np.zeros((40, 40, 40), dtype=np.uint8)
    classes[20, 20, 20] = 1
    image = np.zeros((1, 40, 40, 40))
    case = PreparedStore(tmp_path).write("c", "k", image=image, classes=classes, record={})
    dataset = patches([case], size=(1, 1, 1), foreground=0.0, empty=0.0, augmentation=as_it_is)
    assert counted(dataset, samples=5) == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_those_of_the_range(cases: list[StoredCase], axis: int) -> None:
    shape = SHAPES[0]
    in_plane = [extent for index, extent in enumerate(shape) if index != axis]
    dataset = slices(
        cases[:1], axis=axis, ranges=[(5, 9)], size=in_plane, foreground=0.0, augmentation=as_it_is
    )
    image, seen = cases[0].image(), set()
    for number in range(40):
        sample = dataset[number]["image"].numpy()
        found = [k for k in range(shape[axis]) if np.array_equal(np.take(image, k, axis=axis + 1), sample)]
        seen.update(found)
    assert seen == {5, 6, 7, 8}


def test_foreground_slices_show_tumour_of_the_range(cases: list[StoredCase]) -> None:
    shape = SHAPES[0]
    dataset = slices(
        cases[:2],
        ranges=[(0, 12), (14, 15)],
        size=shape[:2],
        foreground=1.0,
        augmentation=as_it_is,
    )
    for number in range(20):
        sample = dataset[number]
        expected = {1: {0, 1}, 2: {0, 3}}[int(sample["image"][0].max().round())]
        assert set(np.unique(sample["classes"])) == expected


def test_without_tumour_in_the_range_any_slice_of_it_is_drawn(cases: list[StoredCase]) -> None:
    dataset = slices(cases[:1], ranges=[(0, 3)], foreground=1.0)
    assert not any(dataset[number]["classes"].any() for number in range(10))


def test_slices_are_resized(cases: list[StoredCase]) -> None:
    sample = slices(cases, size=(40, 12), augmentation=as_it_is)[0]
    assert sample["image"].shape == (2, 40, 12)
    assert sample["image"].dtype == torch.float32
    assert sample["classes"].shape == (1, 40, 12)
    assert sample["classes"].dtype == torch.uint8
    # Interpolation keeps a constant.
    torch.testing.assert_close(sample["image"][0], sample["image"][0].round())


def test_resized_classes_are_not_blended(tmp_path: Path) -> None:
    classes = np.zeros((8, 8, 4), dtype=np.uint8)
    classes[4:] = 3
    case = PreparedStore(tmp_path).write("c", "k", image=np.zeros((1, 8, 8, 4)), classes=classes, record={})
    dataset = slices([case], ranges=[(0, 4)], size=(12, 20), augmentation=as_it_is)
    sample = dataset[0]["classes"][0]
    assert set(np.unique(sample)) == {0, 3}
    assert (sample[6:] == 3).all()


@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    corner=st.tuples(*[st.integers(-5, 8)] * 3),
    size=st.tuples(*[st.integers(1, 9)] * 3),
)
@settings(deadline=None, max_examples=50)
def test_a_box_equals_that_of_the_padded_array(shape, corner, size) -> None:
    array = np.arange(2 * math.prod(shape)).reshape(2, *shape) + 1
    padded = np.pad(array, [(0, 0), *[(20, 20)] * 3])
    expected = padded[
        (slice(None), *(slice(low + 20, low + 20 + side) for low, side in zip(corner, size, strict=True)))
    ]
    np.testing.assert_array_equal(read_box(array, corner, size, array.dtype), expected)
    np.testing.assert_array_equal(read_box(array[1], corner, size, np.float32), expected[1])


def test_a_box_is_a_copy() -> None:
    array = np.ones((1, 5, 5, 5), dtype=np.float32)
    read_box(array, (0, 0, 0), (5, 5, 5), np.float32)[...] = 0
    assert array.all()


def test_whole_cases_are_served_as_they_are(cases: list[StoredCase]) -> None:
    dataset = CaseDataset(cases)
    assert len(dataset) == 3
    assert [dataset[index] for index in range(3)] == cases
