"""Mirror images that share the batches of the network, and what happens when memory runs out."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.inference import SliceSegmenter, SlidingWindowSegmenter
from brats3d.inference.forward import RegionForward
from brats3d.inference.windows import Canvas

CPU_TOLERANCE = {"rtol": 0, "atol": 1e-5}


class SigmoidHead:
    def probabilities(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits.float())


class Limited(nn.Module):
    """A convolution that is not symmetric, on a device whose memory holds a number of images."""

    def __init__(self, dims: int = 3, most: int = 10**6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = (nn.Conv3d if dims == 3 else nn.Conv2d)(2, 3, 3, padding=1)
        self.most = most
        self.calls: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.calls.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError
        return self.convolution(images)


def image_of(*shape: int) -> Tensor:
    return torch.randn((2, *shape), generator=torch.Generator().manual_seed(1))


def segmenter(network: nn.Module, **options: object) -> SlidingWindowSegmenter:
    chosen = {"patch_size": (8, 8, 8), "flips": True, "overlap": 0.0, **options}
    return SlidingWindowSegmenter(network, SigmoidHead(), **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("at_once", [2, 3, 8, 9])
def test_any_number_of_mirror_images_at_once_gives_the_same(at_once: int) -> None:
    network = Limited()
    forward = RegionForward(network, SigmoidHead(), spatial_dims=3, flips=True)
    batch = torch.stack([image_of(8, 7, 6), image_of(8, 7, 6) * 2])
    with forward.evaluating():
        expected = forward(batch)
        assert network.calls == [2] * 8
        network.calls.clear()
        result = forward(batch, mirrors_at_once=at_once)
    torch.testing.assert_close(result, expected, **CPU_TOLERANCE)
    assert network.calls == [2 * min(at_once, 8 - first) for first in range(0, 8, at_once)]


@pytest.mark.parametrize(
    ("window_batch", "calls"),
    [(16, [16, 16, 16]), (24, [24, 24]), (8, [8] * 6), (12, [8] * 6), (2, [2] * 24), (1, [1] * 48)],
)
def test_windows_and_mirror_images_fill_a_batch(window_batch: int, calls: list[int]) -> None:
    image, network = image_of(24, 16, 8), Limited()
    expected = segmenter(Limited(), window_batch=2).segment(image)
    result = segmenter(network, window_batch=window_batch, mirrors_together=True).segment(image)
    torch.testing.assert_close(result, expected, **CPU_TOLERANCE)
    assert network.calls == calls


def test_on_a_cpu_mirror_images_come_one_after_the_other() -> None:
    network = Limited()
    segmenter(network, window_batch=6).segment(image_of(24, 16, 8))
    assert network.calls == [6] * 8


def test_slices() -> None:
    volume = image_of(8, 9, 5)
    network = Limited(dims=2)
    expected = SliceSegmenter(Limited(dims=2), SigmoidHead(), flips=True).segment(volume)
    together = SliceSegmenter(network, SigmoidHead(), flips=True, slice_batch=8, mirrors_together=True)
    torch.testing.assert_close(together.segment(volume), expected, **CPU_TOLERANCE)
    assert network.calls == [8, 8, 4]


def test_out_of_memory_makes_batches_smaller_then_parts_the_mirror_images() -> None:
    image = image_of(24, 16, 8)
    expected = segmenter(Limited()).segment(image)
    network = Limited(most=2)
    predictor = segmenter(network, window_batch=32, mirrors_together=True)
    torch.testing.assert_close(predictor.segment(image), expected, **CPU_TOLERANCE)
    assert network.calls == [32, 16, 8, 4, *[2] * 4 * 6]
    network.calls.clear()
    predictor.segment(image)
    assert network.calls == [2] * 4 * 6


@pytest.mark.parametrize("half_sum", [False, True])
def test_the_sum_moves_to_the_host_when_a_single_image_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, half_sum: bool
) -> None:
    """Memory is lost after the first batch, and comes back as one image's when the sum gives way."""
    image, network = image_of(24, 8, 8), Limited()
    expected = segmenter(Limited()).segment(image)
    convolve = network.convolution.forward
    really_move = Canvas.move_to_host

    def forward(images: Tensor) -> Tensor:
        if len(images) == 16:
            network.most = 0
        return convolve(images)

    def move_to_host(canvas: Canvas) -> bool:
        assert canvas._sum is not None
        canvas._device = torch.device("meta")  # stands in for a GPU
        network.most = 1
        return really_move(canvas)

    monkeypatch.setattr(network.convolution, "forward", forward)
    monkeypatch.setattr(Canvas, "move_to_host", move_to_host)
    counted: list[tuple[int, int]] = []
    result = segmenter(
        network,
        window_batch=16,
        mirrors_together=True,
        half_sum=half_sum,
        progress=lambda done, total: counted.append((done, total)),
    ).segment(image)
    assert network.calls == [16, 8, 4, 2, 1, *[1] * 8]
    assert counted == [(2, 3), (3, 3)]
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-3 if half_sum else 1e-5)
    result += 1  # and the result is the caller's to change


def test_nothing_is_left_to_free() -> None:
    network = Limited(most=0)
    with pytest.raises(ConfigError, match="single window"):
        segmenter(network, window_batch=16, mirrors_together=True).segment(image_of(16, 8, 8))
    assert network.calls == [16, 8, 4, 2, 1]


@pytest.mark.parametrize("flips", list(itertools.combinations(range(3), 1)))
def test_fewer_mirror_images_than_fit(flips: tuple[int, ...]) -> None:
    network, image = Limited(), image_of(24, 8, 8)
    expected = segmenter(Limited(), flips=flips).segment(image)
    result = segmenter(network, flips=flips, window_batch=16, mirrors_together=True).segment(image)
    torch.testing.assert_close(result, expected, **CPU_TOLERANCE)
    assert network.calls == [6]
