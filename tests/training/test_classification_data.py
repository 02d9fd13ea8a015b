"""Labels of prepared cases, and balanced images of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brats3d.data.store import PreparedStore, StoredCase
from brats3d.errors import ConfigError
from brats3d.training.classification_data import BalancedImages
from brats3d.training.classification_labels import Labelling, original_slices
from brats3d.transforms.restoration import Restoration

SHAPE = (6, 5, 4)


def case(folder: Path, *, empty: bool = False, scale: int = 1) -> StoredCase:
    """Case of 2 mm voxels whose box begins at (3, 2, 1); 1, 2 and 3 tumour voxels in axial slices 1, 2, 3.

    Axial slice 0 is zero throughout. ``scale`` is the number of slices of the files per prepared slice.
    """
    image = np.ones((1, *SHAPE), dtype=np.float32)
    image[..., 0] = 0
    classes = np.zeros(SHAPE, dtype=np.uint8)
    for place in (1, 2, 3):
        classes[:place, 0, place] = 0 if empty else 1
    way_back = Restoration(
        original_shape=(20, 20, 20),
        affine=tuple(map(tuple, (np.diag([2.0, 2.0, 2.0 / scale, 1.0])).tolist())),
        axes=(0, 1, 2),
        flipped=(False, False, False),
        box_start=(3, 2, 1),
        box_stop=(9, 7, 1 + 4 * scale),
        prepared_shape=SHAPE,
    )
    record = {"restoration": way_back.to_dict()}
    return PreparedStore(folder).write("case", "k", image=image, classes=classes, record=record)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"axis": 2}, [-1, 1, 1, 1]),
        ({"axis": 2, "min_area_mm2": 8.0}, [-1, 0, 1, 1]),
        ({"axis": 1}, [1, 0, 0, 0, 0]),
        ({"axis": None}, [1]),
        ({"axis": None, "min_volume_ml": 6 * 8 / 1000}, [1]),
        ({"axis": None, "min_volume_ml": 6 * 8 / 1000 + 1e-6}, [0]),
        ({"axis": 2, "table": {"case": {2: True, 3: False}}}, [-1, 1, 0, -1]),
        ({"axis": 2, "table": {"case": {None: True}}}, [-1, 1, 1, 1]),
        ({"axis": None, "table": {"case": {None: False}}}, [0]),
        ({"axis": 2, "table": {"other": {None: True}}}, [-1, -1, -1, -1]),
    ],
)
def test_labels(tmp_path: Path, settings: dict[str, Any], expected: list[int]) -> None:
    assert Labelling(**settings)(case(tmp_path)).tolist() == expected


def test_a_case_without_tumour(tmp_path: Path) -> None:
    assert Labelling(2)(case(tmp_path, empty=True)).tolist() == [-1, 0, 0, 0]


def test_slices_are_named_as_in_the_files(tmp_path: Path) -> None:
    assert original_slices(case(tmp_path / "one"), 2) == [1, 2, 3, 4]
    assert original_slices(case(tmp_path / "two", scale=3), 2) == [2, 5, 8, 11]


def images(stored: StoredCase, labels: list[int], axis: int | None = 2, **settings: Any) -> BalancedImages:
    size = (6, 5) if axis is not None else SHAPE
    chosen = {"axis": axis, "size": size, "augmentation": lambda sample, seed: sample, "seed": 0, **settings}
    return BalancedImages([stored], [np.array(labels, dtype=np.int8)], **chosen)


def test_both_classes_come_equally_often_from_any_share_of_the_numbers(tmp_path: Path) -> None:
    made = images(case(tmp_path), [0, 0, 1, 1])
    drawn = torch.stack([made[number]["label"] for number in range(200)])
    assert drawn.sum() == 100
    assert 35 < drawn[::2].sum() < 65  # those of one of two processes


def test_a_sample_shows_its_label_and_is_always_the_same(tmp_path: Path) -> None:
    made = images(case(tmp_path), [0, 0, 1, 1])
    for number in range(20):
        sample, again = made[number], made[number]
        assert sample["image"].shape == (1, 6, 5)
        assert torch.equal(sample["image"], again["image"])
        if not sample["image"].any():  # slice 0
            assert sample["label"] == 0


def test_volumes_are_seen_whole(tmp_path: Path) -> None:
    stored = case(tmp_path)
    made = BalancedImages(
        [stored] * 4,
        [np.array([label], dtype=np.int8) for label in (0, 1, 0, 1)],
        axis=None,
        size=(3, 5, 2),
        augmentation=lambda sample, seed: sample,
        seed=0,
    )
    assert made[0]["image"].shape == (1, 3, 5, 2)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1], [-1, -1, -1, -1]])
def test_a_class_needs_two_images(tmp_path: Path, labels: list[int]) -> None:
    with pytest.raises(ConfigError, match="one class: training images"):
        images(case(tmp_path), labels)
