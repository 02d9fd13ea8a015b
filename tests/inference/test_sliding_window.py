"""Sliding-window prediction, checked with networks whose answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.inference import Segmenter, SlidingWindowSegmenter
from brats3d.inference.windows import gaussian_profile


class SigmoidHead:
    def probabilities(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits.float())


class Pointwise(nn.Module):
    """Two channels out of one or more, each voxel by itself."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.stack([image.sum(1), image[:, 0] ** 2 - 1], dim=1)


class Recorder(Pointwise):
    """Counts calls and batch sizes, and runs out of memory above a number of windows."""

    def __init__(self, most: int = 10**6, error: type[Exception] = torch.OutOfMemoryError, text: str = ""):
        super().__init__()
        self.most, self.error, self.text = most, error, text
        self.batches: list[int] = []
        self.modes: set[bool] = set()
        self.dropout = nn.Dropout(0.5)

    def forward(self, image: Tensor) -> Tensor:
        self.batches.append(len(image))
        self.modes.add(self.training)
        if len(image) > self.most:
            raise self.error(self.text)
        return self.dropout(super().forward(image))


def image_of(*shape: int, channels: int = 2, seed: int = 0) -> Tensor:
    return torch.randn((channels, *shape), generator=torch.Generator().manual_seed(seed))


def direct(image: Tensor, network: nn.Module | None = None) -> Tensor:
    return torch.sigmoid((network or Pointwise())(image[None].float())[0])


def segmenter(network: nn.Module | None = None, **options: object) -> SlidingWindowSegmenter:
    options.setdefault("patch_size", (8, 8, 8))
    return SlidingWindowSegmenter(network or Pointwise(), SigmoidHead(), **options)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    patch=st.tuples(*[st.integers(1, 9)] * 3),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
)
def test_stitching_a_pointwise_network_changes_nothing(
    shape: tuple[int, ...], patch: tuple[int, ...], overlap: float
):
    image = image_of(*shape)
    result = segmenter(patch_size=patch, overlap=overlap, window_batch=16).segment(image)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, direct(image), rtol=1e-5, atol=1e-6)


def test_two_dimensional_images():
    image = image_of(11, 7)
    result = segmenter(patch_size=(6, 6), flips=True).segment(image)
    torch.testing.assert_close(result, direct(image), rtol=1e-5, atol=1e-6)


def test_image_within_one_window_is_the_direct_output():
    torch.manual_seed(0)
    network = nn.Conv3d(2, 2, 3, padding=1)
    image = image_of(8, 8, 8)
    with torch.no_grad():
        expected = direct(image, network)
    torch.testing.assert_close(segmenter(network).segment(image), expected)


def test_local_network_equals_direct_output_away_from_borders():
    """Windows agree with the whole image where they see all that the network looks at."""
    torch.manual_seed(0)
    network = nn.Conv3d(2, 2, 3, padding=1)
    image = image_of(12, 8, 8)
    with torch.no_grad():
        expected = direct(image, network)
    result = segmenter(network, overlap=0.5).segment(image)
    assert (result - expected)[:, 3].abs().max() < 1e-6  # only the first window reaches here
    assert (result - expected)[:, 4:8].abs().max() > 1e-6  # windows end within: blended


def test_patch_larger_than_the_image_pads_with_zeros_around_it():
    torch.manual_seed(0)
    network = nn.Conv3d(2, 2, 3, padding=1)
    image = image_of(5, 3, 8)
    padded = torch.zeros(2, 8, 8, 8)
    padded[:, 1:6, 2:5] = image
    with torch.no_grad():
        expected = direct(padded, network)[:, 1:6, 2:5]
    result = segmenter(network).segment(image)
    assert result.shape == (2, 5, 3, 8)
    assert result.is_contiguous()
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(("flips", "passes"), [(False, 1), ((), 1), ((1,), 2), ((0, 2), 4), (True, 8)])
def test_number_of_mirror_images(flips: object, passes: int):
    network = Recorder()
    segmenter(network, flips=flips).segment(image_of(8, 8, 8))
    assert len(network.batches) == passes


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_image_gives_the_mirrored_result(axis: int):
    torch.manual_seed(0)
    network = nn.Conv3d(2, 2, 3, padding=1)
    predictor = segmenter(network, flips=True, overlap=0.5)
    image = image_of(12, 12, 12)
    result = predictor.segment(image)
    mirrored = predictor.segment(image.flip(axis + 1)).flip(axis + 1)
    torch.testing.assert_close(mirrored, result, rtol=1e-4, atol=1e-5)
    plain = segmenter(network, overlap=0.5)
    assert not torch.allclose(plain.segment(image.flip(axis + 1)).flip(axis + 1), plain.segment(image))


def test_flips_average_probabilities_not_logits():
    class Ramp(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return torch.linspace(-6, 6, image.shape[-1]).expand(len(image), 1, *image.shape[2:])

    result = segmenter(Ramp(), flips=(2,)).segment(image_of(8, 8, 8))
    torch.testing.assert_close(result, torch.full((1, 8, 8, 8), 0.5))
    image = image_of(8, 8, 8)
    ramp = torch.sigmoid(torch.linspace(-6, 6, 8))
    shifted = SlidingWindowSegmenter(Ramp(), _OffsetHead(), patch_size=(8, 8, 8), flips=(2,)).segment(image)
    offset = torch.sigmoid(torch.linspace(-6, 6, 8) + 2)
    torch.testing.assert_close(shifted[0, 0, 0], (offset + offset.flip(0)) / 2)
    assert not torch.allclose(shifted[0, 0, 0], ramp)


class _OffsetHead:
    def probabilities(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits.float() + 2)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (torch.OutOfMemoryError, "CUDA out of memory. Tried to allocate 2 GiB"),
        (RuntimeError, "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        (MemoryError, ""),
    ],
)
def test_batch_halves_when_memory_runs_out_and_stays_halved(error: type[Exception], text: str):
    network = Recorder(most=3, error=error, text=text)
    predictor = segmenter(network, overlap=0.0, window_batch=8)
    image = image_of(16, 16, 24)
    torch.testing.assert_close(predictor.segment(image), direct(image), rtol=1e-5, atol=1e-6)
    assert network.batches == [8, 4, 2, 2, 2, 2, 2, 2]
    network.batches.clear()
    predictor.segment(image)
    assert network.batches == [2] * 6


def test_memory_that_runs_out_late_repeats_no_window():
    network = Recorder()
    predictor = segmenter(network, overlap=0.0, window_batch=4)
    original = Recorder.forward

    def forward(image: Tensor) -> Tensor:
        network.most = 2 if sum(network.batches) >= 4 else 4
        return original(network, image)

    network.forward = forward  # type: ignore[method-assign]
    image = image_of(16, 16, 24)
    torch.testing.assert_close(predictor.segment(image), direct(image), rtol=1e-5, atol=1e-6)
    assert network.batches == [4, 4, 2, 2, 2, 2]


def test_window_that_does_not_fit_alone_is_an_error_with_a_remedy():
    network = Recorder(most=0).train()
    with pytest.raises(ConfigError, match=r"single window(.|\n)*inference.window(.|\n)*smaller"):
        segmenter(network, window_batch=2).segment(image_of(8, 8, 8))
    assert network.training


def test_other_errors_pass_through():
    network = Recorder(most=0, error=RuntimeError, text="mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        segmenter(network).segment(image_of(8, 8, 8))
    assert len(network.batches) == 1


def test_auto_batch_bundles_small_windows_only():
    small, large = Recorder(), Recorder()
    segmenter(small, patch_size=(8, 8, 8), overlap=0.0).segment(image_of(32, 8, 8))
    segmenter(large, patch_size=(64, 64, 65), overlap=0.0).segment(image_of(65, 64, 65, channels=1))
    assert small.batches == [4]
    assert large.batches == [1, 1]


@pytest.mark.parametrize("training", [True, False])
def test_mode_of_every_module_is_restored(training: bool):
    network = Recorder().train(training)
    network.dropout.train(not training)
    segmenter(network).segment(image_of(8, 8, 8))
    assert network.modes == {False}
    assert network.training is training
    assert network.dropout.training is not training


def test_result_can_be_changed_and_differentiated_afterwards():
    result = segmenter().segment(image_of(8, 8, 8))
    result += 1
    assert not result.is_inference()
    assert not result.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_image_of_either_precision_is_left_as_it_is(dtype: torch.dtype):
    image = image_of(9, 8, 8).to(dtype)
    before = image.clone()
    result = segmenter().segment(image)
    assert result.dtype == torch.float32
    assert torch.equal(image, before)
    torch.testing.assert_close(result, direct(image), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_runs_the_network_in_it(precision: str):
    class Probe(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv3d(2, 2, 1)

        def forward(self, image: Tensor) -> Tensor:
            logits = self.convolution(image)
            self.dtype = logits.dtype
            return logits

    torch.manual_seed(0)
    network, image = Probe(), image_of(8, 8, 8)
    expected = segmenter(network).segment(image)
    assert network.dtype == torch.float32
    result = segmenter(network, precision=precision).segment(image)
    assert network.dtype == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, rtol=0, atol=0.02)


def test_windows_without_brain_are_skipped_and_hold_no_region():
    network, image = Recorder(), image_of(24, 8, 8)
    image[:, 8:16] = 0
    predictor = segmenter(network, overlap=0.0, window_batch=1)
    result = predictor.segment(image)
    assert len(network.batches) == 2
    assert (result[:, 8:16] == 0).all()
    torch.testing.assert_close(result[:, :8], direct(image)[:, :8])
    everything = segmenter(network, overlap=0.0, skip_empty=False).segment(image)
    torch.testing.assert_close(everything, direct(image))


def test_image_that_is_zero_everywhere_is_predicted():
    result = segmenter().segment(torch.zeros(2, 9, 9, 9))
    torch.testing.assert_close(result, direct(torch.zeros(2, 9, 9, 9)))


def test_progress_counts_windows():
    seen: list[tuple[int, int]] = []
    predictor = segmenter(
        overlap=0.0, window_batch=2, progress=lambda done, total: seen.append((done, total))
    )
    predictor.segment(image_of(24, 8, 8))
    assert seen == [(2, 3), (3, 3)]


def test_satisfies_the_protocol():
    assert isinstance(segmenter(), Segmenter)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 1.0}, "inference.overlap"),
        ({"overlap": -0.1}, "inference.overlap"),
        ({"patch_size": ()}, "inference.window"),
        ({"patch_size": (8, 0, 8)}, "inference.window"),
        ({"flips": (3,)}, "inference.flips"),
        ({"window_batch": 0}, "inference.window_batch"),
        ({"window_batch": "many"}, "inference.window_batch"),
        ({"precision": "fp61"}, "did you mean 'fp16'"),
    ],
)
def test_parameters_that_cannot_work(options: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        segmenter(**options)


def test_window_of_other_dimensions_than_the_image():
    with pytest.raises(ConfigError, match=r"window \(8, 8, 8\) for an image of 2 dimensions"):
        segmenter().segment(image_of(8, 8))


def test_agrees_with_monai():
    """An independent implementation, whose grid is the same here and whose own weights are clamped."""
    from monai.inferers import sliding_window_inference

    torch.manual_seed(0)
    network = nn.Conv3d(2, 2, 5, padding=2)
    image = image_of(16, 24, 12)
    with torch.no_grad():
        expected = sliding_window_inference(
            image[None],
            (8, 8, 8),
            4,
            lambda batch: torch.sigmoid(network(batch)),
            overlap=0.5,
            roi_weight_map=torch.from_numpy(
                np.einsum("i,j,k", *[gaussian_profile(8)] * 3).astype(np.float32)[None, None]
            ),
        )
    torch.testing.assert_close(segmenter(network).segment(image), expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("flips", list(itertools.combinations(range(3), 2)))
def test_constant_network_gives_a_constant(flips: tuple[int, ...]):
    class Constant(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return torch.zeros(len(image), 3, *image.shape[2:]) + 0.3

    result = segmenter(Constant(), overlap=0.6, flips=flips).segment(image_of(21, 9, 10))
    torch.testing.assert_close(result, torch.full((3, 21, 9, 10), torch.sigmoid(torch.tensor(0.3)).item()))
