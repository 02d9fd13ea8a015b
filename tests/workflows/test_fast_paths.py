"""Whatever makes training faster: its losses and its Dice are those of the plain way, within noise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from short_training import REFERENCE, Course, train

NOISE = 4.0  # standard deviations between seeds
# The same samples, computed otherwise: epochs' losses may differ by this share, once rounding has grown.
ROUNDING = {"bf16-mixed": 0.08, "default": 0.05, "ram": 0.0}


@pytest.fixture(scope="module")
def reference() -> dict[str, dict[str, list[float] | float]]:
    return json.loads(REFERENCE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return train(tmp_path_factory.mktemp("plain"), 0)


def check_within_noise(course: Course, reference: dict) -> None:
    means, deviations = reference["losses"]["mean"], reference["losses"]["sd"]
    assert len(course.losses) == len(means)
    for epoch, loss in enumerate(course.losses):
        # Late epochs of all seeds are so alike that a small absolute difference is many deviations.
        room = NOISE * deviations[epoch] + 0.03
        assert loss == pytest.approx(means[epoch], abs=room), f"epoch {epoch + 1}"
    assert course.dice == pytest.approx(reference["dice"]["mean"], abs=NOISE * reference["dice"]["sd"] + 0.01)


def test_the_plain_way_is_the_reference(plain: Course, reference: dict) -> None:
    check_within_noise(plain, reference)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trainer__precision", "bf16-mixed"),
        pytest.param(
            "trainer__compile",
            "default",
            marks=pytest.mark.skipif(shutil.which("g++") is None, reason="this machine has no C++ compiler"),
        ),
        ("data__residency", "ram"),
    ],
)
def test_the_same_samples_computed_otherwise(
    tmp_path: Path, plain: Course, reference: dict, key: str, value: str
) -> None:
    course = train(tmp_path, 0, **{key: value})
    check_within_noise(course, reference)
    assert list(course.losses) == pytest.approx(list(plain.losses), rel=ROUNDING[value])


def test_samples_changed_batch_by_batch(tmp_path: Path, plain: Course, reference: dict) -> None:
    course = train(tmp_path, 0, augment__where="batch")
    check_within_noise(course, reference)
    assert course != plain  # other changes are drawn: it was another way indeed


def test_a_worse_training_is_noticed(tmp_path: Path, reference: dict) -> None:
    hindered = train(tmp_path, 0, optim__lr=0.002)
    with pytest.raises(AssertionError):
        check_within_noise(hindered, reference)
