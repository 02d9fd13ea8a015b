"""From bright tissue to a tumour: pieces, contours, and regions of made-up heads."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy import ndimage

from brats3d.baselines import METHODS, BrightTissue, TumourRule, TumourSegmenter, build_method
from brats3d.baselines.active_contour import ActiveContour
from brats3d.baselines.components import ball, bounding_box, filled, thickest_component
from brats3d.errors import ConfigError, MissingExtraError
from brats3d.inference.segmenter import Segmenter

pytest.importorskip("sklearn")
pytest.importorskip("skimage")
every_method = pytest.mark.parametrize("method", METHODS)
SHAPE = (40, 36, 32)


def distance_to(centre: tuple[float, ...], shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    offsets = np.indices(shape) - np.reshape(centre, (-1, *(1,) * len(shape)))
    return np.sqrt((offsets**2).sum(axis=0))


def head(shape: tuple[int, ...] = SHAPE) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """T1ce and FLAIR ``(2, *S)`` of a head with a tumour, and its regions.

    In FLAIR the tumour is a bright shell around a dark core, and half the brain has a thin bright rim.
    """
    generator = np.random.default_rng(0)
    brain = distance_to(tuple(size / 2 for size in shape), shape) < min(shape) / 2 - 1
    rim = brain & ~ndimage.binary_erosion(brain)
    rim &= np.indices(shape)[0] < shape[0] / 2
    far = distance_to(tuple(0.55 * size for size in shape), shape)
    whole, core, necrosis = far < 7, far < 4.5, far < 3
    flair = np.where(far < 20, 0.3, -0.6) + 2.5 * whole + 2.5 * rim - 2.2 * core
    t1ce = np.where(far < 15, 0.1, -0.2) + 3.0 * core - 4.0 * necrosis
    noise = generator.normal(0, 0.12, (2, *shape))
    image = (np.stack([t1ce, flair]) + noise) * brain
    regions = {"ET": core & ~necrosis, "TC": core, "WT": whole}
    return image.astype(np.float32), regions


def segmenter(method: str = "fuzzy_kmeans", *, t1ce: int | None = 0) -> TumourSegmenter:
    partition, contour = build_method(method, {})
    return TumourSegmenter(BrightTissue(partition), flair=1, t1ce=t1ce, refine=contour)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.sum(one & other) / (one.sum() + other.sum())


@every_method
class TestEveryMethod:
    """The contract, and the tumour of a made-up head."""

    def test_the_regions_are_found(self, method: str) -> None:
        image, regions = head()
        found = segmenter(method).segment(torch.from_numpy(image))
        assert found.shape == (3, *SHAPE)
        assert found.dtype == torch.float32
        assert found.min() >= 0
        assert found.max() <= 1
        for mask, (name, truth) in zip(found.numpy() > 0.5, regions.items(), strict=True):
            assert dice(mask, truth) > 0.9, name
        assert not found[:, torch.from_numpy(image == 0).all(dim=0)].any()

    def test_without_t1ce_there_is_the_whole_tumour_alone(self, method: str) -> None:
        image, regions = head()
        found = segmenter(method, t1ce=None).segment(torch.from_numpy(image)).numpy()
        assert not found[:2].any()
        assert dice(found[2] > 0.5, regions["WT"]) > 0.9

    def test_the_same_image_gives_the_same_result(self, method: str) -> None:
        image = torch.from_numpy(head()[0])
        first, second = (segmenter(method).segment(image) for _ in range(2))
        assert torch.equal(first, second)

    @pytest.mark.parametrize("singleton", [False, True])
    def test_pictures_are_segmented_too(self, method: str, singleton: bool) -> None:
        image, regions = head((48, 44))
        given = torch.from_numpy(image[..., None] if singleton else image)
        found = segmenter(method).segment(given)
        assert found.shape == (3, *given.shape[1:])
        assert dice(found[2].numpy().reshape(48, 44) > 0.5, regions["WT"]) > 0.9

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_an_image_without_contrast_has_no_tumour(self, method: str, value: float) -> None:
        assert not segmenter(method).segment(torch.full((2, 8, 8, 8), value)).any()

    def test_it_is_a_segmenter_and_leaves_the_image_as_it_is(self, method: str) -> None:
        made = segmenter(method)
        assert isinstance(made, Segmenter)
        image = torch.from_numpy(head()[0])
        before = image.clone()
        made.segment(image)
        assert torch.equal(image, before)


def test_memberships_are_graded_at_the_border_of_the_tumour() -> None:
    image, regions = head()
    smooth = np.stack([ndimage.gaussian_filter(channel, 1.0) for channel in image]) * (image != 0)
    found = segmenter().segment(torch.from_numpy(smooth)).numpy()[2]
    border = ndimage.binary_dilation(regions["WT"], iterations=2) & ~ndimage.binary_erosion(regions["WT"])
    assert np.unique(found[border]).size > 100
    assert ((found > 0.05) & (found < 0.5)).any()
    far = ndimage.binary_dilation(found > 0.5, ball(2, 3))
    assert not found[~far].any()


def test_without_enhancement_there_is_no_core() -> None:
    image, regions = head()
    image[0] = np.where(regions["WT"], 0.0, image[0]).astype(np.float32)
    found = segmenter().segment(torch.from_numpy(image)).numpy()
    assert not (found[:2] > 0.5).any()
    assert (found[2] > 0.5).any()


class TestPieces:
    """Pieces of masks."""

    def test_the_thickest_piece_stays_though_it_is_not_the_largest(self) -> None:
        mask = np.zeros((30, 30), dtype=bool)
        mask[2:28, 2:4] = True
        mask[10:16, 12:18] = True
        expected = np.zeros_like(mask)
        expected[10:16, 12:18] = True
        assert mask[2:28, 2:4].sum() > expected.sum()
        np.testing.assert_array_equal(thickest_component(mask, 0), expected)

    def test_bridges_are_cut_and_what_is_left_gets_its_shape_back(self) -> None:
        mask = distance_to((10, 10), (24, 40)) < 6
        mask |= distance_to((10, 28), (24, 40)) < 5
        mask[10, 10:28] = True
        found = thickest_component(mask, 1)
        assert not found[10, 20]
        assert dice(found, distance_to((10, 10), (24, 40)) < 6) > 0.97
        np.testing.assert_array_equal(thickest_component(mask, 0), mask)

    def test_thin_masks_are_not_lost(self) -> None:
        mask = np.zeros((9, 9), dtype=bool)
        mask[4, 2:7] = True
        np.testing.assert_array_equal(thickest_component(mask, 1), mask)
        assert not thickest_component(np.zeros((9, 9), dtype=bool), 1).any()

    def test_holes_and_bays_are_filled(self) -> None:
        full = distance_to((12, 12), (25, 25)) < 9
        ring = full & ~(distance_to((12, 12), (25, 25)) < 5)
        np.testing.assert_array_equal(filled(ring, 0), full)
        ring[12, 12:] = False
        assert not filled(ring, 0)[12, 12]
        assert filled(ring, 2)[12, 12]
        assert not filled(np.zeros((5, 5), dtype=bool), 2).any()

    def test_the_box_stays_within_the_image(self) -> None:
        mask = np.zeros((10, 12), dtype=bool)
        mask[1:3, 5:12] = True
        assert bounding_box(mask, 2) == (slice(0, 5), slice(3, 12))
        assert bounding_box(np.zeros((3, 3), dtype=bool), 1) is None

    @pytest.mark.parametrize("dimensions", [2, 3])
    def test_balls(self, dimensions: int) -> None:
        assert ball(0, dimensions).sum() == 1
        assert ball(1, dimensions).sum() == 1 + 2 * dimensions


class TestActiveContour:
    """The surface that moves."""

    @pytest.mark.parametrize("radius", [4, 10])
    def test_it_moves_to_the_edge_from_both_sides(self, radius: int) -> None:
        far = distance_to((20, 18, 16))
        image = (far < 7) + np.random.default_rng(0).normal(0, 0.1, SHAPE)
        inside = np.ones(SHAPE, dtype=bool)
        found = ActiveContour()(image, inside, far < radius)
        assert dice(found, far < 7) > 0.95

    def test_it_agrees_with_the_scheme_on_the_whole_image(self) -> None:
        from skimage.segmentation import morphological_chan_vese

        far = distance_to((20, 18), (40, 36))
        image = (far < 8) + np.random.default_rng(1).normal(0, 0.3, far.shape)
        found = ActiveContour(iterations=10, margin=40)(image, np.ones(far.shape, dtype=bool), far < 4)
        expected = morphological_chan_vese(image, 10, init_level_set=far < 4)
        np.testing.assert_array_equal(found, expected.astype(bool))

    def test_the_background_draws_the_surface_nowhere(self) -> None:
        far = distance_to((20, 18, 16))
        inside = far < 14
        image = np.where(inside, 5 + (far < 6), 0).astype(np.float32)
        found = ActiveContour(margin=30)(image, inside, far < 8)
        assert dice(found, far < 6) > 0.95

    def test_masks_that_leave_nothing_to_part_stay(self) -> None:
        everywhere = np.ones((6, 6), dtype=bool)
        image = np.random.default_rng(0).random((6, 6))
        assert ActiveContour()(image, everywhere, everywhere).all()
        assert not ActiveContour()(image, everywhere, ~everywhere).any()

    def test_message_without_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
        with pytest.raises(MissingExtraError, match=r"pip install .brats3d\[classical\]"):
            ActiveContour()(np.eye(4), np.ones((4, 4), dtype=bool), np.eye(4) > 0)


@pytest.mark.parametrize("key", ["opening", "closing", "border", "enhancement"])
def test_rules_that_cannot_work(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TumourRule(**{key: -1})
    assert caught.value.where == f"rule.{key}"
