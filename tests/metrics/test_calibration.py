"""Counts by probability: by hand, pooled in any order, written and read back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats3d.errors import DataError
from brats3d.metrics import (
    Calibration,
    count_calibration,
    pool_calibrations,
    read_calibration_csv,
    write_calibration_csv,
)
from brats3d.metrics.calibration import BINS, LEVELS


def counted(probabilities: list[float], truth: list[bool], brain: list[bool] | None = None) -> Calibration:
    inside = np.ones(len(truth), dtype=bool) if brain is None else np.array(brain)
    return count_calibration(np.array(probabilities, dtype=np.float32), np.array(truth, dtype=bool), inside)


def some_case(seed: int, voxels: int = 4000) -> Calibration:
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.3, 2, voxels).astype(np.float32)
    return count_calibration(probability, rng.random(voxels) < probability, np.ones(voxels, dtype=bool))


def test_by_hand() -> None:
    own = counted([0.0, 0.25, 0.25, 1.0], [False, True, False, True])
    assert [(place, count) for place, count in enumerate(own.voxels) if count] == [(0, 1), (5, 2), (19, 1)]
    assert own.frequency[[0, 5, 19]].tolist() == [0, 0.5, 1]
    assert own.mean_probability[[0, 5, 19]].tolist() == [0, 0.25, 1]
    assert math.isnan(own.frequency[1])
    assert own.ece == pytest.approx(2 * 0.25 / 4)
    assert own.ece_beyond_lowest == pytest.approx(2 * 0.25 / 3)
    assert own.brier == pytest.approx((0.75**2 + 0.25**2) / 4)


def test_a_bin_holds_its_lower_end() -> None:
    own = counted([place / BINS for place in range(BINS)], [False] * BINS)
    assert own.voxels == (1,) * BINS


def test_outside_the_brain_only_the_reference_counts() -> None:
    own = counted([0.0, 0.0, 0.9], [True, False, True], brain=[False, False, True])
    assert (sum(own.voxels), sum(own.positives)) == (2, 2)
    assert own.brier == pytest.approx((1 + 0.1**2) / 2, abs=1e-5)


def test_without_a_voxel_nothing_is_known() -> None:
    own = counted([0.5], [False], brain=[False])
    assert all(math.isnan(value) for value in (own.ece, own.ece_beyond_lowest, own.brier))


def test_a_network_that_has_diverged_has_its_counts() -> None:
    own = counted([math.nan, 0.5], [True, False])
    assert own.voxels[0] == own.positives[0] == 1


@given(st.lists(st.integers(0, 60), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_how_cases_are_pooled_makes_no_difference(seeds: list[int], random) -> None:
    cases = [{"WT": some_case(seed, 50)} for seed in seeds]
    shuffled = random.sample(cases, len(cases))
    half = len(cases) // 2
    in_parts = pool_calibrations([pool_calibrations(shuffled[:half]), pool_calibrations(shuffled[half:])])
    assert pool_calibrations(cases) == in_parts


def test_sums_agree_with_the_formulas() -> None:
    rng = np.random.default_rng(5)
    probability = rng.random(5000).astype(np.float32)
    truth = rng.random(5000) < 0.4
    own = count_calibration(probability, truth, np.ones(5000, dtype=bool))
    assert own.brier == pytest.approx(((probability - truth) ** 2).mean(), abs=1e-5)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    gaps = [abs((probability - truth)[bins == place].sum()) for place in range(BINS)]
    assert own.ece == pytest.approx(sum(gaps) / 5000, abs=1e-5)


def test_what_is_as_often_as_it_is_probable_is_calibrated() -> None:
    well, badly = some_case(1, 200_000), counted([0.9] * 100, [True] * 50 + [False] * 50)
    assert well.ece_beyond_lowest < 0.02
    assert badly.ece == pytest.approx(0.4, abs=1e-4)


class TestFile:
    def test_it_comes_back_as_it_was(self, tmp_path: Path) -> None:
        found = {"ET": some_case(2), "left lung": some_case(3)}
        write_calibration_csv(tmp_path / "c.csv", found)
        assert read_calibration_csv(tmp_path / "c.csv") == found

    def test_large_sums_come_back_whole(self, tmp_path: Path) -> None:
        # The voxels of a thousand volumes.
        level = 3 * LEVELS // 4
        one = Calibration(*((count,) * BINS for count in (10**10, 10**9, 10**10 * level, 10**8 * level**2)))
        write_calibration_csv(tmp_path / "c.csv", {"WT": one})
        back = read_calibration_csv(tmp_path / "c.csv")["WT"]
        assert (back.voxels, back.positives, back.probability) == (one.voxels, one.positives, one.probability)
        assert back.brier == pytest.approx(one.brier, rel=1e-12)

    def test_no_region_is_a_header(self, tmp_path: Path) -> None:
        write_calibration_csv(tmp_path / "c.csv", {})
        assert read_calibration_csv(tmp_path / "c.csv") == {}

    @pytest.mark.parametrize("damage", ["missing", "column", "bin", "number", "bytes"])
    def test_a_damaged_file_is_named(self, tmp_path: Path, damage: str) -> None:
        file = tmp_path / "c.csv"
        if damage != "missing":
            write_calibration_csv(file, {"ET": some_case(2)})
            text = file.read_text()
            changed = {
                "column": text.replace("reference_voxels", "positives"),
                "bin": "\n".join(text.splitlines()[:-1]),
                "number": text.replace("ET,0.0,0.05,", "ET,0.0,0.05,many"),
                "bytes": "",
            }[damage]
            file.write_bytes(b"region\n\xff\xfe" if damage == "bytes" else changed.encode())
        with pytest.raises(DataError, match="not a table of calibration counts") as caught:
            read_calibration_csv(file)
        assert caught.value.where == file
