"""Classifiers of slices and volumes, and segmentation behind them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.inference.classifying import ImageClassifier
from brats3d.inference.gated import GatedSegmenter
from brats3d.inference.segmenter import Segmenter


class Brightness(nn.Module):
    """Logits that give an image the confidence sigmoid(mean - 1)."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.flatten(1).mean(1)
        return torch.stack([torch.ones_like(mean), mean], dim=1)


class Slicewise:
    """A segmenter whose answer for each slice depends on that slice alone; it counts the slices."""

    def __init__(self, axis: int) -> None:
        self.axis = axis
        self.seen = 0

    def segment(self, image: Tensor) -> Tensor:
        self.seen += image.shape[self.axis + 1]
        return torch.stack([image[0].sigmoid(), image[0].sigmoid() / 2])


def volume() -> Tensor:
    """Image (1, 6, 5, 4): along each axis some slices are bright, and the first is zero."""
    image = torch.rand((1, 6, 5, 4), generator=torch.Generator().manual_seed(0))
    for axis in (1, 2, 3):
        image.movedim(axis, 0)[-1] += 9
    for axis in (1, 2, 3):
        image.movedim(axis, 0)[0] = 0
    return image


@pytest.mark.parametrize(("name", "axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_each_slice_is_judged_by_itself(name: str, axis: int) -> None:
    image = volume()
    classifier = ImageClassifier(Brightness(), size=(8, 8), axis=name, batch=2)
    assert classifier.axis == axis
    found = classifier.confidences(image)
    slices = nn.functional.interpolate(
        image[0].movedim(axis, 0)[:, None], (8, 8), mode="bilinear", antialias=True
    )
    expected = torch.sigmoid(slices.flatten(1).mean(1) - 1)
    assert found[0] == 0  # a slice of zeros
    torch.testing.assert_close(found[1:], expected[1:])


def test_volumes_are_judged_as_a_whole() -> None:
    classifier = ImageClassifier(Brightness(), size=(3, 5, 2))
    assert classifier.axis is None
    found = classifier.confidences(volume())
    torch.testing.assert_close(found, torch.sigmoid(volume().mean() - 1)[None], atol=1e-3, rtol=0)
    assert classifier.confidences(torch.zeros(1, 6, 5, 4)).tolist() == [0]


def test_an_unknown_axis_is_said() -> None:
    with pytest.raises(ConfigError, match="axial"):
        ImageClassifier(Brightness(), size=(8, 8), axis="axia")


@pytest.mark.parametrize(("name", "axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_slices_below_the_threshold_are_skipped_and_the_others_unchanged(name: str, axis: int) -> None:
    image = volume()
    classifier, behind = ImageClassifier(Brightness(), size=(8, 8), axis=name), Slicewise(axis)
    confidences = classifier.confidences(image)
    threshold = float(confidences.sort().values[2:4].mean())
    gated = GatedSegmenter(classifier, behind, threshold, regions=2)
    assert isinstance(gated, Segmenter)
    found = gated.segment(image).movedim(axis + 1, 0)
    expected = Slicewise(axis).segment(image).movedim(axis + 1, 0)
    kept = confidences >= threshold
    assert 0 < behind.seen == int(kept.sum()) < len(kept)
    assert torch.equal(found[kept], expected[kept])
    assert not found[~kept].any()
    assert gated.decision is not None
    assert torch.equal(gated.decision.segmented, kept)
    assert gated.decision.filled.tolist() == [False] + [True] * (len(kept) - 1)


@pytest.mark.parametrize("size", [(8, 8), (4, 4, 4)])
def test_nothing_is_segmented_where_nothing_is_found(size: tuple[int, ...]) -> None:
    behind = Slicewise(2)
    gated = GatedSegmenter(ImageClassifier(Brightness(), size=size), behind, 1.1, regions=2)
    found = gated.segment(volume())
    assert behind.seen == 0
    assert found.shape == (2, 6, 5, 4)
    assert found.dtype == torch.float32
    assert not found.any()


@pytest.mark.parametrize("size", [(8, 8), (4, 4, 4)])
def test_an_open_gate_changes_nothing(size: tuple[int, ...]) -> None:
    gated = GatedSegmenter(ImageClassifier(Brightness(), size=size), Slicewise(2), 0.0, regions=2)
    assert torch.equal(gated.segment(volume()), Slicewise(2).segment(volume()))


def test_a_confidence_that_is_no_number_skips_nothing() -> None:
    image = torch.full((1, 4, 4, 4), torch.nan)
    behind = Slicewise(2)
    GatedSegmenter(ImageClassifier(Brightness(), size=(8, 8)), behind, 0.5, regions=2).segment(image)
    assert behind.seen == 4
