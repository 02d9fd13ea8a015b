"""Encoders: names, shapes and counts of torchvision's weights; feature maps; what other code computes."""

from __future__ import annotations

import math

import pytest
import torch
from monai.networks.nets import efficientnet as monai_efficientnet
from monai.networks.nets import resnet as monai_resnet
from torch import Tensor, nn
from torch.nn import functional

from brats3d.errors import ConfigError
from brats3d.models.encoders import ENCODERS, build_efficientnet, build_encoder, build_resnet50, build_vgg19
from brats3d.models.encoders.efficientnet import StochasticDepth

Classifier = tuple[str, dict[str, tuple[int, ...]], int]
CLASSIFIER_PARTS = ("classifier.", "fc.")
SMALL = {"width": 0.25, "depth": 0.1}
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def random_statistics(network: nn.Module) -> None:
    """Give batch norms statistics and factors that are not those of a fresh network."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.5)
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)


class TestNames:
    def test_the_rules_of_these_tests_give_the_published_counts(self, classifier: Classifier) -> None:
        _, shapes, published = classifier
        assert (
            sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(BUFFERS)) == published
        )

    def test_names_and_shapes_are_torchvisions(self, classifier: Classifier) -> None:
        name, shapes, _ = classifier
        with torch.device("meta"):
            state = build_encoder(name).state_dict()
        expected = {key: shape for key, shape in shapes.items() if not key.startswith(CLASSIFIER_PARTS)}
        assert {key: tuple(value.shape) for key, value in state.items()} == expected
        assert list(state) == list(expected)

    def test_the_registry_is_covered(self) -> None:
        others = {"vgg19", "vgg19_bn", "resnet50"}
        assert set(ENCODERS) == others | {f"efficientnet_b{number}" for number in range(8)}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    ("name", "settings", "channels", "strides"),
    [
        ("vgg19", {"filters": [4, 5, 6, 7, 8]}, (4, 5, 6, 7, 8), (1, 2, 4, 8, 16)),
        ("vgg19_bn", {"filters": [4, 5, 6, 7, 8]}, (4, 5, 6, 7, 8), (1, 2, 4, 8, 16)),
        ("resnet50", {"width": 4}, (4, 16, 32, 64, 128), (2, 4, 8, 16, 32)),
        ("efficientnet_b0", {"width": 0.25, "depth": 0.1}, (8, 8, 16, 32, 320), (2, 4, 8, 16, 32)),
        (
            "efficientnet_b0",
            {"width": 0.25, "depth": 0.1, "top": False},
            (8, 8, 16, 32, 80),
            (2, 4, 8, 16, 32),
        ),
    ],
)
def test_levels(
    name: str, settings: dict[str, object], channels: tuple[int, ...], strides: tuple[int, ...], dims: int
) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(name, spatial_dims=dims, in_channels=2, **settings).eval()
    assert (encoder.channels, encoder.strides) == (channels, strides)
    image = torch.randn(1, 2, 64, *(32,) * (dims - 1))
    with torch.inference_mode():
        levels = encoder.levels(image)
        assert torch.equal(encoder(image), levels[-1])
    for level, count, stride in zip(levels, channels, strides, strict=True):
        assert level.shape == (1, count, *(side // stride for side in image.shape[2:]))


def test_resnet50_computes_what_monais_computes() -> None:
    torch.manual_seed(0)
    own = build_resnet50().eval()
    random_statistics(own)
    other = monai_resnet.resnet50(
        spatial_dims=2, n_input_channels=3, conv1_t_stride=2, feed_forward=False, bias_downsample=False
    ).eval()
    other.load_state_dict(own.state_dict())
    seen: list[Tensor] = []
    other.layer4.register_forward_hook(lambda module, given, gave: seen.append(gave))
    image = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        other(image)
        torch.testing.assert_close(own(image), seen[0], rtol=1e-4, atol=1e-4)


def test_efficientnet_computes_what_monais_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    # MONAI pads as TensorFlow does; for sides of 32 k + 1 that is the padding on both sides alike.
    side = 65
    width, depth, _, *rest = monai_efficientnet.efficientnet_params["efficientnet-b0"]
    monkeypatch.setitem(
        monai_efficientnet.efficientnet_params, "efficientnet-b0", (width, depth, side, *rest)
    )
    torch.manual_seed(0)
    own = build_efficientnet("efficientnet_b0").eval()
    random_statistics(own)
    other = monai_efficientnet.EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=2).eval()
    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
    theirs = [name for name in other.state_dict() if not name.startswith("_fc")]
    copied = dict(zip(theirs, own.state_dict().values(), strict=True))
    other.load_state_dict(copied, strict=False)
    seen: list[Tensor] = []
    other._avg_pooling.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    image = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        other(image)
        torch.testing.assert_close(own(image), seen[0], rtol=1e-3, atol=1e-3)


def test_vgg19_is_a_chain_of_convolutions_and_poolings() -> None:
    torch.manual_seed(0)
    encoder = build_vgg19(filters=[3, 4, 5, 6, 7]).eval()
    state = list(encoder.state_dict().values())
    x = image = torch.randn(1, 3, 32, 32)
    for stage, count in enumerate((2, 2, 4, 4, 4)):
        x = functional.max_pool2d(x, 2) if stage else x
        for _ in range(count):
            x = functional.relu(functional.conv2d(x, state.pop(0), state.pop(0), padding=1))
    with torch.inference_mode():
        torch.testing.assert_close(encoder(image), x)


class TestStochasticDepth:
    def test_samples_are_dropped_whole_and_the_mean_is_kept(self) -> None:
        torch.manual_seed(0)
        found = StochasticDepth(0.25).train()(torch.ones(4000, 2, 3, 3))
        per_sample = found.flatten(1)
        assert torch.equal(per_sample.amin(1), per_sample.amax(1))
        assert per_sample.unique().tolist() == pytest.approx([0, 4 / 3])
        assert found.mean().item() == pytest.approx(1, abs=0.05)

    def test_nothing_is_dropped_in_inference_or_at_probability_0(self) -> None:
        x = torch.randn(8, 2, 3, 3)
        assert torch.equal(StochasticDepth(0.9).eval()(x), x)
        assert torch.equal(StochasticDepth(0.0).train()(x), x)

    def test_the_probability_rises_from_the_first_to_the_last_block(self) -> None:
        encoder = build_efficientnet("efficientnet_b0", path_dropout=0.2)
        kept = [module.kept for module in encoder.modules() if isinstance(module, StochasticDepth)]
        assert kept == pytest.approx([1 - 0.2 * block / 16 for block in range(16)])


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("resnet18", {}, "did you mean 'resnet50'"),
        ("vgg19", {"filters": [4, 8]}, r"model\.params\.filters"),
        ("vgg19", {"filters": [4, 4, 4, 4, 4, 4]}, r"model\.params\.filters"),
        ("resnet50", {"width": 0}, r"model\.params\.width"),
        ("efficientnet_b0", {"width": 0.0}, r"model\.params\.width"),
        ("efficientnet_b0", {"depth": float("inf")}, r"model\.params\.depth"),
        ("efficientnet_b0", {"path_dropout": 1.0}, r"model\.params\.path_dropout"),
        ("resnet50", {"spatial_dims": 1}, "2 or 3"),
        ("resnet50", {"in_channels": 0}, "1 or more"),
    ],
)
def test_what_cannot_work_is_an_error(name: str, settings: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        build_encoder(name, **settings)
