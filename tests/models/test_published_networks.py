"""Networks whose layers a publication fixes: numbers of parameters derived layer by layer, and behaviour."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from brats3d.config import load_config
from brats3d.errors import ConfigError
from brats3d.models import build_network
from brats3d.models.unpooling import max_pool_with_indices, max_unpool


def build(recipe: str, inputs: int, outputs: int, **changes: Any) -> nn.Module:
    """Build the network of a recipe for so many channels."""
    model = load_config(recipe).model
    torch.manual_seed(0)
    return build_network(
        model.name,
        spatial_dims=model.spatial_dims,
        in_channels=inputs,
        out_channels=outputs,
        params={**model.params, **changes},
    )


def parameters(recipe: str, inputs: int, outputs: int, **changes: Any) -> int:
    """Count the parameters of a recipe's network."""
    return sum(weight.numel() for weight in build(recipe, inputs, outputs, **changes).parameters())


def convolution(inputs: int, outputs: int, taps: int, *, bias: bool = True) -> int:
    return taps * inputs * outputs + bias * outputs


def normalised(inputs: int, outputs: int, taps: int) -> int:
    """A convolution without bias, and scale and shift of its normalisation."""
    return convolution(inputs, outputs, taps, bias=False) + 2 * outputs


def chain(channels: Sequence[int]) -> int:
    return sum(normalised(before, after, 9) for before, after in itertools.pairwise(channels))


class TestUNetOf32To512Filters:
    def test_parameters(self) -> None:
        filters = (32, 64, 128, 256, 512)
        encoder = sum(
            convolution(before, own, 9) + convolution(own, own, 9)
            for before, own in zip((2, *filters), filters, strict=False)
        )
        decoder = sum(
            convolution(coarse, fine, 4) + convolution(2 * fine, fine, 9) + convolution(fine, fine, 9)
            for fine, coarse in itertools.pairwise(filters)
        )
        head = convolution(32, 4, 1)
        assert parameters("unet2d_32_512.yaml", 2, 4) == encoder + decoder + head == 7_759_908

    def test_sizes_and_classes(self) -> None:
        network = build("unet2d_32_512.yaml", 2, 4, filters=[4, 4, 6, 6, 8]).eval()
        coarsest: list[Tensor] = []
        network.bridge.register_forward_hook(lambda module, given, made: coarsest.append(made))
        assert network(torch.randn(1, 2, 128, 128)).shape == (1, 4, 128, 128)
        assert coarsest[0].shape == (1, 8, 8, 8)

    def test_dropout_is_before_the_decoder_alone(self) -> None:
        network = build("unet2d_32_512.yaml", 2, 4, filters=[4, 4, 6, 6, 8])
        drops = [module for module in network.modules() if isinstance(module, nn.Dropout)]
        assert [drop.p for drop in drops] == [0.2]
        assert network.dropouts[-1] is drops[0]
        image = torch.randn(1, 2, 32, 32)
        network.train()
        assert not torch.equal(network(image), network(image))
        network.eval()
        assert torch.equal(network(image), network(image))

    def test_it_learns_one_slice(self) -> None:
        changes = {"filters": [8, 16, 16], "level_dropout": [0, 0, 0.2]}
        network = build("unet2d_32_512.yaml", 2, 4, **changes).train()
        image = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
        target = torch.zeros(1, 16, 16, dtype=torch.long)
        target[:, 2:7, 2:7], target[:, 8:14, 4:12] = 1, 2
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(80):
            loss = nn.functional.cross_entropy(network(image), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found = network.eval()(image).argmax(1)
        assert (found == target).float().mean() > 0.97

    @pytest.mark.parametrize("dims", [2, 3])
    def test_up_sampling_repeats_and_convolves_with_zeros_at_the_far_end(self, dims: int) -> None:
        torch.manual_seed(0)
        params = {"filters": [3, 5], "upsampling": "nearest", "normalisation": "none", "activation": "relu"}
        network = build_network("unet", spatial_dims=dims, in_channels=1, out_channels=1, params=params)
        up = network.decoder[0].up
        weight, bias = (
            next(p for p in up.parameters() if p.dim() > 1),
            next(p for p in up.parameters() if p.dim() == 1),
        )
        nn.init.normal_(bias)
        x = torch.randn(2, 5, *[4] * dims)
        repeated = x
        for axis in range(2, 2 + dims):
            repeated = repeated.repeat_interleave(2, axis)
        padded = torch.zeros(2, 5, *[9] * dims)
        padded[(slice(None), slice(None), *[slice(0, 8)] * dims)] = repeated
        expected = bias.view(-1, *[1] * dims).expand(2, 3, *[8] * dims).clone()
        for offset in itertools.product((0, 1), repeat=dims):
            window = padded[(slice(None), slice(None), *[slice(step, step + 8) for step in offset])]
            expected = expected + torch.einsum(
                "oi,bi...->bo...", weight[(slice(None), slice(None), *offset)], window
            )
        torch.testing.assert_close(up(x), expected.relu(), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("rates", [[0.2], [0, 0, 1.5]])
    def test_dropout_that_does_not_fit(self, rates: list[float]) -> None:
        with pytest.raises(ConfigError, match=r"model\.params\.level_dropout"):
            build("unet2d_32_512.yaml", 2, 4, filters=[4, 4, 6], level_dropout=rates)

    def test_unknown_up_sampling(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'nearest'"):
            build("unet2d_32_512.yaml", 2, 4, upsampling="neares")


def test_parameters_of_the_unet_of_64_to_1024_filters() -> None:
    filters = (64, 128, 256, 512, 1024)
    encoder = sum(chain([before, own, own]) for before, own in zip((3, *filters), filters, strict=False))
    decoder = sum(
        convolution(coarse, fine, 4) + chain([2 * fine, fine, fine])
        for fine, coarse in itertools.pairwise(filters)
    )
    assert (
        parameters("unet2d_64_1024_batchnorm.yaml", 3, 1)
        == encoder + decoder + convolution(64, 1, 1)
        == 31_037_633
    )


def test_parameters_of_the_residual_unet_of_16_to_256_filters() -> None:
    def block(before: int, own: int) -> int:
        return chain([before, own, own]) + normalised(before, own, 1)

    filters = (16, 32, 64, 128, 256)
    encoder = sum(block(before, own) for before, own in zip((3, *filters), filters, strict=False))
    decoder = sum(
        convolution(coarse, fine, 4) + block(2 * fine, fine) for fine, coarse in itertools.pairwise(filters)
    )
    assert parameters("resunet2d_16_256.yaml", 3, 1) == encoder + decoder + convolution(16, 1, 1)


class TestSegNet:
    def test_parameters(self) -> None:
        encoder = [[3, 64, 64], [64, 128, 128], [128, *[256] * 3], [256, *[512] * 3], [512, *[512] * 3]]
        decoder = [[512] * 4, [512, 512, 512, 256], [256, 256, 256, 128], [128, 128, 64], [64, 64, 64]]
        assert sum(len(channels) - 1 for channels in encoder + decoder) == 13 + 13
        expected = sum(map(chain, encoder + decoder)) + convolution(64, 1, 1)
        assert parameters("segnet2d.yaml", 3, 1) == expected

    @pytest.mark.parametrize("dims", [2, 3])
    def test_unpooling_is_that_of_pytorch(self, dims: int) -> None:
        pool = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[dims](2, return_indices=True)
        unpool = {2: nn.MaxUnpool2d, 3: nn.MaxUnpool3d}[dims](2)
        x = torch.randn(2, 3, *[4, 6, 8][:dims])
        largest, places = max_pool_with_indices(x)
        expected, expected_places = pool(x)
        assert torch.equal(largest, expected)
        assert torch.equal(places, expected_places)
        layout = {2: torch.channels_last, 3: torch.channels_last_3d}[dims]
        values = torch.randn_like(largest)
        assert torch.equal(max_unpool(values, places), unpool(values, places))
        assert torch.equal(max_unpool(values.to(memory_format=layout), places), unpool(values, places))

    def test_convolutions_that_do_not_fit_the_levels(self) -> None:
        with pytest.raises(ConfigError, match=r"model\.params\.convolutions"):
            build("segnet2d.yaml", 3, 1, convolutions=[2, 2])


class TestUNetPlusPlus:
    def test_parameters(self) -> None:
        filters, levels = (32, 64, 128, 256, 512), 5
        encoder = sum(chain([before, own, own]) for before, own in zip((3, *filters), filters, strict=False))
        nodes = sum(
            convolution(filters[level + 1], filters[level], 4)
            + chain([(column + 1) * filters[level], filters[level], filters[level]])
            for column in range(1, levels)
            for level in range(levels - column)
        )
        assert parameters("unetpp2d.yaml", 3, 1) == encoder + nodes + 4 * convolution(32, 1, 1)

    def test_all_nodes_at_full_resolution_are_supervised_in_training(self) -> None:
        params = {"filters": [4, 4, 6, 6], "deep_supervision": True}
        network = build_network(
            "unet_plus_plus", spatial_dims=3, in_channels=2, out_channels=3, params=params
        )
        image = torch.randn(1, 2, 8, 8, 16)
        outputs = network.train()(image)
        assert [tuple(y.shape) for y in outputs] == [(1, 3, 8, 8, 16)] * 3
        sum(output.square().mean() for output in outputs).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
        torch.testing.assert_close(network.eval()(image), outputs[0], rtol=1e-3, atol=1e-3)


class TestTransUNet:
    def test_parameters(self) -> None:
        width = 768
        attention = 4 * (width * width + width)
        perceptron = width * 4 * width + 4 * width + 4 * width * width + width
        layer = attention + perceptron + 2 * 2 * width
        around = convolution(512, width, 1) + 14 * 14 * width + 2 * width + convolution(width, 512, 9)

        def block(before: int, own: int) -> int:
            return chain([before, own, own]) + normalised(before, own, 1)

        filters = (32, 64, 128, 256, 512)
        encoder = sum(block(before, own) for before, own in zip((3, *filters), filters, strict=False))
        decoder = sum(
            convolution(coarse, fine, 4) + block(2 * fine, fine)
            for fine, coarse in itertools.pairwise(filters)
        )
        convolutional = encoder + decoder + convolution(32, 1, 1)
        assert parameters("transunet2d.yaml", 3, 1, layers=2) == convolutional + around + 2 * layer

    @pytest.mark.parametrize("dims", [2, 3])
    def test_every_cell_of_the_coarsest_level_reaches_every_other(self, dims: int) -> None:
        params = {"filters": [4, 6], "hidden_size": 8, "layers": 1, "heads": 2, "positions": 2}
        torch.manual_seed(0)
        network = build_network("transunet", spatial_dims=dims, in_channels=1, out_channels=1, params=params)
        x = torch.randn(1, 6, *[8] * dims, requires_grad=True)
        network.eval().bridge(x)[(0, 0, *[0] * dims)].backward()
        assert x.grad is not None
        assert (x.grad.abs().sum(1) > 0).all()

    def test_the_order_of_cells_matters(self) -> None:
        params = {"filters": [4, 6], "hidden_size": 8, "layers": 1, "heads": 2, "positions": 4}
        torch.manual_seed(0)
        bridge = build_network(
            "transunet", spatial_dims=2, in_channels=1, out_channels=1, params=params
        ).bridge
        with torch.no_grad():
            cells = bridge.embedding(torch.ones(1, 6, 4, 4)) + bridge.positions
        assert cells.flatten(2).unique(dim=2).shape[2] == 16

    @pytest.mark.parametrize("params", [{"heads": 5}, {"layers": 0}, {"positions": 2.5}])
    def test_sizes_that_cannot_work(self, params: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=r"model\.params\.(heads|layers|positions)"):
            build("transunet2d.yaml", 3, 1, **params)


class TestTwoPathNetwork:
    def test_parameters(self) -> None:
        filters = (4, 30, 30, 40, 40, 40, 40, 50, 50)
        path = sum(normalised(before, after, 27) + 1 for before, after in itertools.pairwise(filters))
        merging = normalised(100, 150, 1) + normalised(150, 150, 1) + 2  # 1: the slope of a PReLU
        assert parameters("two_path3d.yaml", 4, 3) == 2 * path + merging + convolution(150, 3, 1)

    def test_the_second_path_sees_farther(self) -> None:
        params = {"filters": [3, 3], "merging": [4], "factor": 3, "normalisation": "none"}
        torch.manual_seed(0)
        network = build_network("two_path", spatial_dims=2, in_channels=1, out_channels=1, params=params)

        def seen(module: nn.Module, x: Tensor, centre: int) -> int:
            x = x.clone().requires_grad_()
            module(x)[0, :, centre, centre].sum().backward()
            assert x.grad is not None
            return int((x.grad[0, 0].abs().sum(1) > 0).sum())

        image = torch.randn(1, 1, 45, 45)
        assert seen(network.detail, image, 22) == 5  # two 3x3 convolutions
        # Two convolutions see five cells of three voxels; interpolation adds a cell on either side.
        assert 5 * 3 <= seen(network, image, 22) <= 7 * 3

    @pytest.mark.parametrize("params", [{"factor": 1}, {"merging": []}, {"merging": [0]}])
    def test_sizes_that_cannot_work(self, params: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=r"model\.params\.(factor|merging)"):
            build("two_path3d.yaml", 4, 3, **params)


class TestFullyConvolutionalNetwork:
    def test_parameters(self) -> None:
        filters = (64, 128, 256, 512)
        encoder = sum(chain([before, own, own]) for before, own in zip((3, *filters), filters, strict=False))
        assert parameters("fcn2d.yaml", 3, 2) == encoder + convolution(512, 2, 1)

    def test_logits_are_those_of_the_coarsest_level_interpolated(self) -> None:
        params = {"filters": [3, 4, 5]}
        torch.manual_seed(0)
        network = build_network("fcn", spatial_dims=3, in_channels=1, out_channels=2, params=params).eval()
        image = torch.randn(1, 1, 8, 8, 16)
        coarse = network.head(network.encoder(image))
        assert coarse.shape == (1, 2, 2, 2, 4)
        expected = nn.functional.interpolate(coarse, size=(8, 8, 16), mode="trilinear")
        torch.testing.assert_close(network(image), expected)
