"""Choosing rules on made-up probabilities with a planted optimum; the gain is that of other folds' choice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from brats3d.cases import Case
from brats3d.imaging import Geometry, write_label_map
from brats3d.labels import CONVENTIONS
from brats3d.metrics import DEFAULT_PROFILE
from brats3d.postprocessing import Postprocessing
from brats3d.workflows.out_of_fold import OutOfFoldCase, keep_case, read_case
from brats3d.workflows.selection import CandidateScores, choose, select_rules

BRATS2017 = CONVENTIONS["brats2017"]
SIZE = 32
# Half the width of each region's cube, in voxels.
HALVES = {"ET": 4, "TC": 7, "WT": 9}


def cube(half: int, centre: int = 12) -> NDArray[np.bool_]:
    mask = np.zeros((SIZE,) * 3, dtype=bool)
    mask[(slice(centre - half, centre + half),) * 3] = True
    return mask


def made_up(case_id: str, inside: float = 0.9, around: float = 0.0, *, with_et: bool = True) -> OutOfFoldCase:
    """Nested cubes, likely inside and less so in a shell around; voxels of 1 mm."""
    reference = np.stack([cube(half) for half in HALVES.values()])
    shells = np.stack([cube(half + 2) for half in HALVES.values()])
    probabilities = np.where(reference, inside, np.where(shells, around, 0)).astype(np.float32)
    reference[0] &= with_et
    return OutOfFoldCase(case_id, probabilities, reference, (1.0, 1.0, 1.0), 1e-3, 0)


def scores_of(cases: Mapping[str, OutOfFoldCase], metric: str = "dice") -> CandidateScores:
    return CandidateScores(cases.__getitem__, BRATS2017, metric, DEFAULT_PROFILE)


@pytest.mark.parametrize("metric", ["dice", "lesion_dice"])
@pytest.mark.parametrize(("inside", "around", "best"), [(0.38, 0.25, 0.3), (0.9, 0.75, 0.8)])
def test_a_planted_threshold_is_found(metric: str, inside: float, around: float, best: float) -> None:
    cases = {name: made_up(name, inside, around) for name in "abc"}
    rules = choose("abc", scores_of(cases, metric), Postprocessing())
    assert dict(rules.thresholds) == dict.fromkeys(("ET", "TC", "WT"), best)
    assert not rules.min_component_ml
    assert rules.et_to_ncr_below_ml == 0
    for case in cases.values():
        assert [row["dice"] for row in case.scores(rules, BRATS2017, DEFAULT_PROFILE).rows] == [1, 1, 1]


def test_a_planted_smallest_component_is_found() -> None:
    cases = {name: made_up(name) for name in "ab"}
    for case in cases.values():
        case.probabilities[2, 27:30, 27:30, 27:30] = 0.95  # 0.027 ml of WT where there is none
    rules = choose("ab", scores_of(cases, "lesion_dice"), Postprocessing())
    assert dict(rules.min_component_ml) == {"WT": 0.05}
    assert not rules.thresholds


def test_a_planted_rule_for_little_et_is_found() -> None:
    cases = {name: made_up(name, with_et=name != "b") for name in "abc"}
    cases["b"].probabilities[0] = np.where(cube(2), 0.9, 0)  # 0.064 ml of ET where there is none
    for name in "ac":
        island = cube(1, centre=18)
        cases[name].probabilities[0][island] = 0.9
        cases[name].reference[0] |= island
    rules = choose("abc", scores_of(cases), Postprocessing())
    assert rules == Postprocessing(et_to_ncr_below_ml=0.1)


def test_what_is_configured_stays_where_nothing_is_better() -> None:
    configured = Postprocessing(
        thresholds={"ET": 0.45}, min_component_ml={"TC": 0.07}, et_to_ncr_below_ml=0.3
    )
    cases = {name: made_up(name) for name in "ab"}
    assert choose("ab", scores_of(cases), configured) == configured


def test_the_gain_on_a_fold_is_that_of_rules_it_had_no_part_in() -> None:
    # Each fold alone would like a threshold that is useless for the other.
    cases = {
        **{name: made_up(name, 0.38, 0.15) for name in "abc"},
        **{name: made_up(name, 0.95, 0.75) for name in "def"},
    }
    scores = scores_of(cases)
    selection = select_rules(["abc", "def"], scores, Postprocessing())
    low, high = 0.2, 0.8
    assert [dict(rules.thresholds)["WT"] for rules in selection.by_fold] == [high, low]
    gains = selection.held_out - selection.configured
    assert gains.shape == (6, 3)
    assert (gains <= 1e-12).all()
    # Had a fold had a part in its own rules, they would have been perfect for it.
    own = choose("abc", scores, Postprocessing())
    assert scores.of("abc", "WT", [own]).mean() == 1
    told = selection.as_dict()
    assert told["gain"]["mean"] <= 0
    assert told["gain"]["n"] == 6
    assert told["chosen_without_fold"][0]["thresholds"]["WT"] == high


def test_folds_that_agree_gain_what_they_should() -> None:
    cases = {name: made_up(name, 0.38, 0.25) for name in "abcd"}
    told = select_rules(["ab", "cd"], scores_of(cases), Postprocessing()).as_dict()
    assert told["configured"]["mean"] == 0
    assert told["held_out"]["mean"] == told["gain"]["mean"] == told["gain"]["ci95_low"] == 1
    assert [entry["mean"] for entry in told["gain_by_region"].values()] == [1, 1, 1]


def test_a_score_is_computed_once() -> None:
    reads: list[str] = []

    def read(case_id: str) -> OutOfFoldCase:
        reads.append(case_id)
        return made_up(case_id)

    scores = CandidateScores(read, BRATS2017, "dice", DEFAULT_PROFILE)
    inner = Postprocessing(thresholds={"ET": 0.2})
    first = scores.of("ab", "WT", [Postprocessing()])
    assert reads == ["a", "b"]
    assert (scores.of("ab", "WT", [Postprocessing(), inner]) == first).all()  # ET has no say in WT
    assert reads == ["a", "b"]
    scores.of("a", "ET", [inner])
    assert reads == ["a", "b", "a"]


def test_what_is_kept_gives_the_labels_of_what_was_predicted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((3, 12, 10, 8), dtype=np.float32) ** 4
    probabilities[:, :3] = 0
    probabilities[:, 5, 5, :4] = np.nextafter(np.float32(0.5), np.float32([[0], [1], [1]]))
    labels = np.zeros((12, 10, 8), dtype=np.uint8)
    labels[1, 2, 3] = 4
    geometry = Geometry((12, 10, 8), np.diag([1.0, 1.0, 2.0, 1.0]))
    write_label_map(tmp_path / "label.nii.gz", labels, geometry, overwrite=True)
    case = Case("a", "a", {}, BRATS2017, label=tmp_path / "label.nii.gz")
    keep_case(tmp_path, case, probabilities, geometry, origin="here")
    kept = read_case(tmp_path, "a")
    assert kept.reference.shape[1:] == kept.probabilities.shape[1:] == (11, 10, 8)
    assert kept.outside == 80
    assert (kept.spacing_mm, kept.voxel_volume_ml) == ((1, 1, 2), pytest.approx(0.002))
    assert kept.reference[:, 0, 2, 3].all()
    assert kept.reference.sum() == 3
    for rules in (Postprocessing(), Postprocessing(min_component_ml={"WT": 0.004}, thresholds={"TC": 0.25})):
        before = rules(probabilities, BRATS2017, geometry.voxel_volume_ml)
        after = rules(kept.probabilities, BRATS2017, kept.voxel_volume_ml)
        assert (before[1:] == after).all()
        assert before.any()


def test_a_case_without_anything(tmp_path: Path) -> None:
    geometry = Geometry((4, 4, 4), np.eye(4))
    write_label_map(tmp_path / "label.nii.gz", np.zeros((4, 4, 4), np.uint8), geometry, overwrite=True)
    case = Case("a", "a", {}, BRATS2017, label=tmp_path / "label.nii.gz")
    keep_case(tmp_path, case, np.zeros((3, 4, 4, 4), np.float32), geometry, origin="here")
    rows = read_case(tmp_path, "a").scores(Postprocessing(), BRATS2017, DEFAULT_PROFILE).rows
    assert [row["dice"] for row in rows] == [1, 1, 1]
    assert [row.counts.tn for row in rows] == [64, 64, 64]
