"""Every number against independent packages that say what it is worth, on the same masks.

Each definition has its references: ``area`` is surface-distance 0.1, ``directed`` is MONAI, ``pooled``
is medpy (percentile and maximum; for the average and the surface Dice see the tests). All masks hold
something: surface-distance and medpy fail on empty ones.
"""

from __future__ import annotations

import functools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import surface_distance
import torch
from medpy.metric import binary as medpy
from monai.metrics import (
    compute_average_surface_distance,
    compute_confusion_matrix_metric,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
    get_confusion_matrix,
)
from scipy import ndimage

from brats3d.metrics import SurfaceDistances, count_voxels, surface_distances
from brats3d.metrics.boxes import bounding_box

pytestmark = [
    # surface-distance 0.1 uses SciPy's older name spaces; MONAI announces a change of its defaults.
    pytest.mark.filterwarnings("ignore:Please (use|import):DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*always_return_as_numpy.*"),
]

# Seed, shape and spacing in mm.
CASES = [
    (1, (24, 22, 26), (1.0, 1.0, 1.0)),
    (2, (20, 30, 18), (0.8, 0.8, 0.8)),
    (3, (24, 24, 24), (1.0, 1.0, 3.0)),
    (4, (18, 26, 22), (0.7, 1.3, 2.5)),
    (5, (26, 20, 16), (5.0, 0.9, 0.9)),
    (6, (24, 18, 28), (1.1, 2.0, 0.4)),
    (7, (40, 44), (1.0, 1.0)),
    (8, (48, 36), (0.6, 2.2)),
    (9, (30, 50), (3.0, 0.9)),
]
# None that only rounding puts beyond a distance: the references do not allow for it.
TOLERANCES_MM = (0.55, 1.0, 2.0, 3.4)

# Case, model and labels that both the reference and the prediction hold.
REAL = [
    ("BraTS2024_PED-00001-000", "SegResNet", (1,)),
    ("BraTS2024_PED-00266-000", "nnUnet", (2,)),
]

Pair = tuple[np.ndarray, np.ndarray, tuple[float, ...]]


@functools.cache
def blobs(seed: int, shape: tuple[int, ...], spacing: tuple[float, ...]) -> Pair:
    """Two masks that agree in part and reach the edges: smooth noise, with other noise added to each."""
    rng = np.random.default_rng(seed)
    sigma = (0, *[1.7] * len(shape))
    shared, one, other = ndimage.gaussian_filter(rng.standard_normal((3, *shape)), sigma)
    return shared + 0.3 * one > 0.05, shared + 0.6 * other > 0.05, spacing


@functools.cache
def real_pair(folder: Path, case: str, model: str, labels: tuple[int, ...]) -> Pair:
    """What a model predicted and its reference, cut to what they hold: medpy would take all of the head."""
    paths = [folder / "predictions" / case / f"{case}_{kind}.nii.gz" for kind in (f"pred-{model}", "seg")]
    images = [nib.load(path) for path in paths]
    masks = [np.isin(np.asarray(image.dataobj), labels) for image in images]
    box = bounding_box(*masks)
    return masks[0][box], masks[1][box], tuple(float(mm) for mm in images[1].header.get_zooms())


BLOBS = [pytest.param((blobs, *case), id=f"{case[1]} at {case[2]} mm") for case in CASES]
REAL_PAIRS = [
    pytest.param((real_pair, *case), id="{} {} {}".format(*case), marks=pytest.mark.real) for case in REAL
]


@pytest.fixture(params=[*BLOBS, *REAL_PAIRS])
def pair(request: pytest.FixtureRequest) -> Pair:
    make, *arguments = request.param
    if make is real_pair:
        arguments = [request.getfixturevalue("real_data"), *arguments]
    return make(*arguments)


def tensors(pair: Pair) -> list[torch.Tensor]:
    # Not bool: MONAI finds true positives by the sum of both, which for bool tensors is never two.
    return [torch.from_numpy(mask)[None, None].float() for mask in pair[:2]]


def measured(pair: Pair, definition: str) -> SurfaceDistances:
    return surface_distances(*pair[:2], spacing_mm=pair[2], definition=definition)


def test_counts_are_those_of_monai(pair):
    """Ratios that MONAI takes in float32 are the nearest float32 to ours; the others are equal."""
    counts = count_voxels(*pair[:2])
    matrix = get_confusion_matrix(*tensors(pair), include_background=True).double()
    assert matrix[0, 0].tolist() == [counts.tp, counts.fp, counts.tn, counts.fn]
    for name in ("sensitivity", "specificity", "precision", "accuracy"):
        assert getattr(counts, name) == compute_confusion_matrix_metric(name, matrix).item(), name
    for ours, theirs in ((counts.dice, compute_dice), (counts.iou, compute_iou)):
        assert np.float32(ours) == theirs(*tensors(pair), include_background=True).item()
    matthews = compute_confusion_matrix_metric("matthews correlation coefficient", matrix).item()
    assert counts.matthews_correlation == pytest.approx(matthews, rel=1e-12)
    assert counts.f1 == pytest.approx(compute_confusion_matrix_metric("f1 score", matrix).item(), rel=1e-12)


def test_counts_are_those_of_medpy_and_surface_distance(pair):
    prediction, reference, _ = pair
    counts = count_voxels(prediction, reference)
    assert counts.dice == medpy.dc(prediction, reference)
    assert counts.dice == surface_distance.compute_dice_coefficient(reference, prediction)
    assert counts.iou == medpy.jc(prediction, reference)
    for name in ("precision", "recall", "sensitivity", "specificity"):
        assert getattr(counts, name) == getattr(medpy, name)(prediction, reference), name
    assert counts.relative_volume_error == medpy.ravd(prediction, reference)


def test_area_is_surface_distance(pair):
    """It takes the reference first and gives both directed averages; its results are float64."""
    prediction, reference, spacing = pair
    ours = measured(pair, "area")
    theirs = surface_distance.compute_surface_distances(reference, prediction, spacing)
    for way, distances, sizes in (
        ("pred_to_gt", ours.to_reference_mm, ours.prediction_sizes),
        ("gt_to_pred", ours.to_prediction_mm, ours.reference_sizes),
    ):
        np.testing.assert_allclose(np.sort(distances), theirs[f"distances_{way}"], rtol=0, atol=1e-9)
        areas = theirs[f"surfel_areas_{way.partition('_')[0]}"]
        np.testing.assert_allclose(np.sort(sizes), np.sort(areas), rtol=1e-12)
    for percent in (50, 95, 99, 100):
        expected = surface_distance.compute_robust_hausdorff(theirs, percent)
        assert ours.hausdorff_mm(percent) == pytest.approx(expected, abs=1e-6)
    both_ways = surface_distance.compute_average_surface_distance(theirs)
    assert ours.average_mm() == pytest.approx(sum(both_ways) / 2, abs=1e-6)
    for tolerance in TOLERANCES_MM:
        expected = surface_distance.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert ours.nsd(tolerance) == pytest.approx(expected, abs=1e-9)


def test_directed_is_monai(pair):
    """MONAI measures in float32."""
    ours = measured(pair, "directed")
    options = {"include_background": True, "spacing": list(pair[2])}
    for percent in (50, 95, 100):
        expected = compute_hausdorff_distance(*tensors(pair), percentile=percent, **options)
        assert ours.hausdorff_mm(percent) == pytest.approx(expected.item(), abs=1e-4)
    expected = compute_average_surface_distance(*tensors(pair), symmetric=True, **options)
    assert ours.average_mm() == pytest.approx(expected.item(), abs=1e-4)
    for tolerance in TOLERANCES_MM:
        expected = compute_surface_dice(*tensors(pair), [tolerance], **options)
        assert ours.nsd(tolerance) == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("pair", BLOBS, indirect=True)
def test_surface_dice_by_area_is_that_of_monai_with_subvoxels(pair):
    ours = measured(pair, "area")
    for tolerance in TOLERANCES_MM:
        expected = compute_surface_dice(
            *tensors(pair), [tolerance], include_background=True, spacing=list(pair[2]), use_subvoxels=True
        )
        assert ours.nsd(tolerance) == pytest.approx(expected.item(), abs=1e-5)


def test_pooled_is_medpy(pair):
    """Its symmetric average is the mean of both directed ones up to 0.4, and "directed" from 0.5."""
    prediction, reference, spacing = pair
    ours = measured(pair, "pooled")
    assert ours.hausdorff_mm(95) == pytest.approx(medpy.hd95(prediction, reference, spacing), abs=1e-6)
    assert ours.hausdorff_mm(100) == pytest.approx(medpy.hd(prediction, reference, spacing), abs=1e-6)
    both_ways = [medpy.asd(*masks, spacing) for masks in ((prediction, reference), (reference, prediction))]
    assert ours.average_mm() == pytest.approx(sum(both_ways) / 2, abs=1e-6)
    assert measured(pair, "directed").average_mm() == pytest.approx(
        medpy.assd(prediction, reference, spacing), abs=1e-6
    )


def test_pooled_surface_dice_on_the_distances_of_medpy(pair):
    """medpy has no surface Dice; GaNDLF and panoptica take the mean of the shares of either border."""
    prediction, reference, spacing = pair
    distances_mm = vars(medpy)["__surface_distances"]
    both_ways = [
        distances_mm(*masks, spacing) for masks in ((prediction, reference), (reference, prediction))
    ]
    ours = measured(pair, "pooled")
    for tolerance in TOLERANCES_MM:
        expected = np.mean([np.mean(distances <= tolerance) for distances in both_ways])
        assert ours.nsd(tolerance) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("shape", "spacing"), [((20, 20, 20), (0.7, 1.3, 2.5)), ((20, 20), (0.6, 2.2))])
def test_every_surface_element_has_the_size_it_has_in_surface_distance(shape, spacing):
    """White noise holds every arrangement of neighbours."""
    prediction, reference = np.random.default_rng(0).random((2, *shape)) > 0.5
    ours = surface_distances(prediction, reference, spacing_mm=spacing)
    theirs = surface_distance.compute_surface_distances(reference, prediction, spacing)
    np.testing.assert_allclose(
        np.sort(ours.prediction_sizes), np.sort(theirs["surfel_areas_pred"]), rtol=1e-12
    )
    np.testing.assert_allclose(np.sort(ours.reference_sizes), np.sort(theirs["surfel_areas_gt"]), rtol=1e-12)
