"""Slice-by-slice prediction of volumes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.inference import Segmenter, SliceSegmenter


class SigmoidHead:
    def probabilities(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits.float())


class Pointwise(nn.Module):
    def __init__(self, most: int = 10**6) -> None:
        super().__init__()
        self.most = most
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, image: Tensor) -> Tensor:
        self.shapes.append(tuple(image.shape))
        if len(image) > self.most:
            raise torch.OutOfMemoryError
        return torch.stack([image.sum(1), image[:, 0] ** 2 - 1, image[:, 1]], dim=1)


class AlongRows(nn.Module):
    """Where the first in-plane axis starts: tells the axes of a slice apart."""

    def forward(self, image: Tensor) -> Tensor:
        height = image.shape[2]
        return torch.linspace(0, 1, height)[:, None].expand(len(image), 1, height, image.shape[3])


def volume(*shape: int) -> Tensor:
    return torch.randn((2, *shape), generator=torch.Generator().manual_seed(0))


def segmenter(network: nn.Module | None = None, **options: object) -> SliceSegmenter:
    return SliceSegmenter(network or Pointwise(), SigmoidHead(), **options)  # type: ignore[arg-type]


def direct(image: Tensor) -> Tensor:
    return torch.sigmoid(Pointwise()(image[None])[0])


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("flips", [False, True, (1,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_pointwise_network_is_the_same_along_every_axis(axis: str, flips: object, dtype: torch.dtype):
    image = volume(7, 9, 5).to(dtype)
    result = segmenter(axis=axis, flips=flips, slice_batch=3).segment(image)
    assert result.dtype == torch.float32
    assert result.is_contiguous()
    torch.testing.assert_close(result, direct(image.float()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("axis", "seen", "first_axis"), [("axial", (7, 9), 0), ("coronal", (7, 5), 0), ("sagittal", (9, 5), 1)]
)
def test_slices_lie_in_the_stated_axes(axis: str, seen: tuple[int, int], first_axis: int):
    network = Pointwise()
    segmenter(network, axis=axis, slice_batch=2).segment(volume(7, 9, 5))
    assert {shape[2:] for shape in network.shapes} == {seen}
    result = segmenter(AlongRows(), axis=axis).segment(volume(7, 9, 5))[0]
    expected = torch.sigmoid(torch.linspace(0, 1, seen[0]))
    shape = [-1 if dim == first_axis else 1 for dim in range(3)]
    torch.testing.assert_close(result, expected.reshape(shape).expand(7, 9, 5))


@pytest.mark.parametrize("slice_size", [(16, 16), (4, 6), (7, 12)])
def test_resized_slices_come_back_at_their_size(slice_size: tuple[int, int]):
    network = Pointwise()
    image = torch.full((2, 7, 9, 5), 0.25)
    result = segmenter(network, slice_size=slice_size).segment(image)
    assert {shape[2:] for shape in network.shapes} == {slice_size}
    torch.testing.assert_close(result, direct(image))


def test_smooth_image_survives_the_resizing():
    x, y = torch.meshgrid(torch.linspace(-1, 1, 20), torch.linspace(-1, 1, 24), indexing="ij")
    image = torch.stack([x + y, x - y])[..., None].expand(2, 20, 24, 3)
    result = segmenter(slice_size=(40, 48)).segment(image)
    assert (result - direct(image))[:, 2:-2, 2:-2].abs().max() < 0.01


def test_padding_to_a_multiple_without_resizing():
    network, image = Pointwise(), volume(7, 9, 5)
    result = segmenter(network, multiple=8).segment(image)
    assert {shape[2:] for shape in network.shapes} == {(8, 16)}
    torch.testing.assert_close(result, direct(image))


def test_only_slices_in_the_range_are_predicted():
    image = volume(4, 4, 10)
    result = segmenter(slice_range=(3, 6)).segment(image)
    torch.testing.assert_close(result[..., 3:6], direct(image)[..., 3:6])
    assert (result[..., :3] == 0).all()
    assert (result[..., 6:] == 0).all()


def test_range_outside_the_volume():
    with pytest.raises(ConfigError, match="slices 20 to 29"):
        segmenter(slice_range=(20, 30)).segment(volume(4, 4, 10))


def test_empty_slices_are_skipped():
    network, image = Pointwise(), volume(4, 4, 10)
    image[..., 2:9] = 0
    result = segmenter(network, slice_batch=1).segment(image)
    assert len(network.shapes) == 3
    assert (result[..., 2:9] == 0).all()
    everything = segmenter(network, skip_empty=False).segment(image)
    torch.testing.assert_close(everything, direct(image))


def test_batch_halves_when_memory_runs_out():
    network, image = Pointwise(most=2), volume(4, 4, 6)
    seen: list[tuple[int, int]] = []
    predictor = segmenter(network, slice_batch=5, progress=lambda done, total: seen.append((done, total)))
    torch.testing.assert_close(predictor.segment(image), direct(image))
    assert [shape[0] for shape in network.shapes] == [5, 2, 2, 2]
    assert seen == [(2, 6), (4, 6), (6, 6)]


def test_mode_is_restored_and_the_result_is_an_ordinary_tensor():
    network = Pointwise().train()
    result = segmenter(network).segment(volume(4, 4, 3))
    assert network.training
    assert not result.is_inference()


def test_satisfies_the_protocol():
    assert isinstance(segmenter(), Segmenter)


def test_parameters_that_cannot_work():
    with pytest.raises(ConfigError, match="did you mean 'axial'"):
        segmenter(axis="axail")
    with pytest.raises(ConfigError, match="two positive numbers"):
        segmenter(slice_size=(64, 64, 64))
    with pytest.raises(ConfigError, match="not a volume"):
        segmenter().segment(volume(4, 4))
