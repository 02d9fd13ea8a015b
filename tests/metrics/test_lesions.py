"""Lesion-wise scores against the challenges' own rules and numbers."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import surface_distance
from lesion_cases import lesion_cases
from scipy import ndimage

from brats3d.labels import CONVENTIONS
from brats3d.metrics import PROFILES, CaseScores, LesionRules, Profile, evaluate_case, write_lesions_csv
from brats3d.metrics.components import dilate, label_components
from brats3d.metrics.lesion_matching import match_best_pairs, match_touching

CONVENTION = CONVENTIONS["brats2023"]
CASES = {name: (prediction, reference) for name, prediction, reference in lesion_cases()}
VECTORS = json.loads(Path(__file__).with_name("brats_evaluation_vectors.json").read_text(encoding="utf-8"))


def scored(name: str, profile: str | Profile, spacing_mm: tuple[float, ...] = (1.0, 1.0, 1.0)) -> CaseScores:
    prediction, reference = CASES[name]
    return evaluate_case(
        CONVENTION.to_regions(prediction),
        CONVENTION.to_regions(reference),
        spacing_mm=spacing_mm,
        regions=CONVENTION.region_names,
        case_id=name,
        profile=PROFILES[profile] if isinstance(profile, str) else profile,
    )


MEANS = {
    "lesionwise_dsc_mean": "lesion_dice",
    "lesionwise_hd95_mean": "lesion_hd95_mm",
    "lesionwise_nsd_mean": "lesion_nsd_1mm",
}
LESIONS = {"tp": "lesion_tp", "fp": "lesion_fp", "fn": "lesion_fn"}


def check_against_vectors(name: str, profile: str, columns: dict[str, str]) -> None:
    vector = VECTORS[profile][name]
    for row in scored(name, profile).rows:
        for column, metric in columns.items():
            wanted = float(vector[f"{column}_{row.region.lower()}"])
            if math.isnan(wanted) and column.startswith("large_instance"):
                continue  # the package does not count where nothing is large; we count zero
            wanted = 373 if math.isinf(wanted) else wanted
            assert row[metric] == pytest.approx(wanted, abs=1e-9, nan_ok=True), (row.region, column)


@pytest.mark.parametrize("name", CASES)
def test_brats2025_agrees_with_the_challenge_package(name: str):
    whole = {"global_dsc": "dice", "global_hd95": "hd95_mm", "global_nsd": "nsd_0.5mm"}
    counts = {f"all_instance_{kind}": metric for kind, metric in LESIONS.items()}
    check_against_vectors(name, "brats2025", {**whole, **MEANS, **counts})


@pytest.mark.parametrize("name", CASES)
def test_brats2025_met_agrees_with_the_challenge_package(name: str):
    counts = {f"large_instance_{kind}": metric for kind, metric in LESIONS.items()}
    check_against_vectors(name, "brats2025-met", {**MEANS, **counts})


def by_the_rules_of_2023(prediction, reference, spacing_mm, dilation, threshold_mm3):
    """The challenge's rules step by step on whole volumes, with the surface-distance package."""
    structure = ndimage.generate_binary_structure(3, 2)
    touching = np.ones((3, 3, 3))
    reach, lesions = ndimage.label(
        ndimage.binary_dilation(reference, structure, iterations=dilation), touching
    )
    components, count = ndimage.label(prediction, touching)
    dices, distances, matched, tp, fn = [], [], set(), 0, 0
    for lesion in range(1, lesions + 1):
        own = reference & (reach == lesion)
        grown = ndimage.binary_dilation(own, structure, iterations=dilation)
        partners = set(np.unique(components[grown])) - {0}
        matched |= partners
        if own.sum() * math.prod(spacing_mm) <= threshold_mm3:
            continue
        theirs = np.isin(components, list(partners)) & prediction
        dices.append(2 * (own & theirs).sum() / (own.sum() + theirs.sum()))
        if partners:
            measured = surface_distance.compute_surface_distances(own, theirs, spacing_mm)
            distances.append(surface_distance.compute_robust_hausdorff(measured, 95))
        else:
            distances.append(374.0)
        tp, fn = tp + bool(partners), fn + (not partners)
    fp = count - len(matched)
    total = len(dices) + fp
    if not total:
        return 1.0, 0.0, tp, fp, fn
    return sum(dices) / total, (sum(distances) + 374 * fp) / total, tp, fp, fn


@pytest.mark.parametrize(
    ("profile", "spacing_mm"),
    [
        ("brats2023-gli", (1.0, 1.0, 1.0)),
        ("brats2023-men", (0.9, 1.0, 2.5)),
        ("brats2023-met", (1.0, 1.0, 1.0)),
    ],
)
def test_brats2023_agrees_with_the_rules(profile: str, spacing_mm: tuple[float, ...]):
    rules = PROFILES[profile].lesions
    for name, (prediction, reference) in CASES.items():
        masks = zip(CONVENTION.to_regions(prediction), CONVENTION.to_regions(reference), strict=True)
        for row, (p, r) in zip(scored(name, profile, spacing_mm).rows, masks, strict=True):
            wanted = by_the_rules_of_2023(p, r, spacing_mm, rules.dilation_voxels, rules.threshold_mm3)
            found = [row[f"lesion_{part}"] for part in ("dice", "hd95_mm", "tp", "fp", "fn")]
            assert found == pytest.approx(wanted, abs=1e-6), (name, row.region)


def test_tables_of_the_profiles():
    """The published constants: task, dilation, threshold, penalty."""
    found = {
        name: (
            profile.lesions.dilation_voxels,
            profile.lesions.threshold_mm3,
            profile.lesions.penalty_mm,
            profile.definition,
        )
        for name, profile in PROFILES.items()
    }
    assert found == {
        "brats2023-gli": (3, 50, 374, "area"),
        "brats2023-ssa": (3, 50, 374, "area"),
        "brats2023-ped": (3, 50, 374, "area"),
        "brats2023-men": (1, 50, 374, "area"),
        "brats2023-met": (1, 2, 374, "area"),
        "brats2024-gli": (3, 20, 374, "area"),
        "brats2025": (0, 0, 373, "pooled"),
        "brats2025-met": (0, 27, 373, "pooled"),
    }
    assert dict(PROFILES["brats2024-gli"].lesions.region_thresholds_mm3) == {"ET": 10, "RC": 10}


def one_region(prediction: np.ndarray, reference: np.ndarray, profile: Profile, **settings) -> CaseScores:
    spacing_mm = (1.0,) * prediction.ndim
    return evaluate_case(
        prediction[None], reference[None], spacing_mm=spacing_mm, regions=["WT"], case_id="a", profile=profile
    )


def cube(*corners: tuple[int, int], shape=(40, 40, 40)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    for start, size in corners:
        mask[(slice(start, start + size),) * mask.ndim] = True
    return mask


def test_a_missed_lesion_an_invented_one_and_one_too_small():
    reference = cube((2, 5), (20, 5), (34, 3))  # 125, 125 and 27 mm³
    prediction = cube((2, 5), (12, 3))
    (row,), lesions = (
        (result := one_region(prediction, reference, PROFILES["brats2023-gli"])).rows,
        result.lesions,
    )
    assert [lesion.kind for lesion in lesions] == ["tp", "fn", "dropped", "fp"]
    assert [lesion.dice for lesion in lesions] == [1, 0, 0, 0]
    assert (row["lesion_tp"], row["lesion_fp"], row["lesion_fn"]) == (1, 1, 1)
    assert row["lesion_dice"] == pytest.approx(1 / 3)
    assert row["lesion_hd95_mm"] == pytest.approx((0 + 374 + 374) / 3)
    assert [lesion.volume_ref_ml for lesion in lesions] == pytest.approx([0.125, 0.125, 0.027, 0])


def test_a_prediction_that_touches_only_the_dilation_is_found_but_scores_zero():
    result = one_region(cube((8, 5)), cube((2, 5)), PROFILES["brats2023-gli"])
    assert [(lesion.kind, lesion.dice) for lesion in result.lesions] == [("tp", 0.0)]
    assert result.rows[0]["lesion_hd95_mm"] < 20


def test_one_prediction_may_serve_several_lesions_but_pairs_are_one_to_one():
    reference, prediction = cube((2, 5), (20, 5)), cube((2, 23))
    touching = match_touching(prediction, reference, 3)
    assert touching.partners == ((1,), (1,))
    pairs = match_best_pairs(prediction, reference, 0)
    assert sorted(pairs.partners) == [(), (1,)]


def test_the_penalty_is_a_parameter():
    profile = PROFILES["brats2023-gli"]
    changed = replace(profile, lesions=replace(profile.lesions, penalty_mm=100.0))
    (row,) = one_region(cube((2, 5)), cube((30, 5)), changed).rows
    assert row["lesion_hd95_mm"] == 100


def test_a_missing_prediction_is_the_worst_even_where_nothing_was_to_be_found():
    empty = np.zeros((1, 9, 9, 9), dtype=bool)
    (row,) = evaluate_case(empty, empty, spacing_mm=(1, 1, 1), regions=["ET"], case_id="a", missing=True).rows
    assert (row["lesion_dice"], row["lesion_hd95_mm"], row["lesion_nsd_1mm"]) == (0, 374, 0)


@pytest.mark.parametrize("profile", ["brats2023-gli", "brats2025-met"])
def test_flips_and_permutations_change_nothing(profile: str):
    prediction, reference = CASES["balls-3"]
    before = scored("balls-3", profile, (1.0, 1.2, 2.0)).rows
    after = evaluate_case(
        CONVENTION.to_regions(prediction.transpose(2, 0, 1)[::-1]),
        CONVENTION.to_regions(reference.transpose(2, 0, 1)[::-1]),
        spacing_mm=(2.0, 1.0, 1.2),
        regions=CONVENTION.region_names,
        case_id="balls-3",
        profile=PROFILES[profile],
    ).rows
    for first, second in zip(before, after, strict=True):
        assert dict(second.scores) == pytest.approx(dict(first.scores), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("profile", ["brats2023-gli", "brats2023-met", "brats2024-gli", "brats2025-met"])
@pytest.mark.parametrize("name", ["balls-0", "balls-5"])
def test_a_far_false_positive_can_only_hurt(profile: str, name: str):
    """Not so under brats2025, whose means are over matched pairs only."""
    prediction, reference = (np.pad(labels, ((0, 12), (0, 0), (0, 0))) for labels in CASES[name])
    worse = prediction.copy()
    worse[-3:, -3:, -3:] = 3
    rows = [
        evaluate_case(
            CONVENTION.to_regions(labels),
            CONVENTION.to_regions(reference),
            spacing_mm=(1, 1, 1),
            regions=CONVENTION.region_names,
            case_id=name,
            profile=PROFILES[profile],
        ).rows
        for labels in (prediction, worse)
    ]
    for before, after in zip(*rows, strict=True):
        assert after["lesion_fp"] == before["lesion_fp"] + 1
        if not math.isnan(before["lesion_dice"]):
            assert after["lesion_dice"] <= before["lesion_dice"]
            assert after["lesion_hd95_mm"] >= before["lesion_hd95_mm"]
        assert after["dice"] <= before["dice"]
        assert after["precision"] <= before["precision"]


def test_lesions_of_a_slice():
    reference, prediction = cube((2, 9), (20, 9), shape=(32, 32)), cube((2, 9), shape=(32, 32))
    result = one_region(prediction, reference, PROFILES["brats2023-gli"])
    assert [lesion.kind for lesion in result.lesions] == ["tp", "fn"]
    assert result.rows[0]["lesion_dice"] == 0.5
    assert math.isnan(result.lesions[0].volume_ref_ml)


@pytest.mark.parametrize("shape", [(15, 16, 17), (15, 16)])
@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_dilation_is_that_of_the_structuring_element(shape: tuple[int, ...], iterations: int):
    mask = np.random.default_rng(0).random(shape) > 0.99
    structure = ndimage.generate_binary_structure(len(shape), 2)
    wanted = ndimage.binary_dilation(mask, structure, iterations=iterations) if iterations else mask
    assert (dilate(mask, iterations) == wanted).all()


def test_components_that_share_a_corner_are_one():
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[3, 3, 3] = True
    labels, count = label_components(mask)
    assert count == 2
    assert labels[0, 0, 0] == labels[1, 1, 1] != labels[3, 3, 3]


def test_lesions_as_a_table(tmp_path: Path):
    lesions = scored("balls-0", "brats2024-gli").lesions
    write_lesions_csv(tmp_path / "lesions.csv", lesions)
    lines = (tmp_path / "lesions.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == (
        "case_id,region,lesion,kind,volume_ref_ml,volume_pred_ml,dice,hd95_mm,nsd_0.5mm,nsd_1mm"
    )
    assert len(lines) == 1 + len(lesions)


def test_rules_survive_pickling():
    rules = PROFILES["brats2024-gli"].lesions
    assert pickle.loads(pickle.dumps(rules)) == rules
    assert LesionRules(**rules.as_dict()) == rules
