"""Every network of the registry, in two and three dimensions, passes the same tests."""

from __future__ import annotations

import copy
import importlib.util
import io
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.models import MODELS, build_network, check_patch_size, valid_patch_multiple

TINY: Mapping[str, Mapping[str, Any]] = {
    "unet": {"filters": [4, 6, 8]},
    "attention_unet": {"filters": [4, 6, 8]},
    "residual_unet": {"filters": [4, 6, 8]},
    "dynunet": {"filters": [4, 6, 8, 8]},
    "segresnet": {"filters": [4, 8], "blocks_down": [1, 2], "blocks_up": [1]},
    "swin_unetr": {"feature_size": 12, "num_heads": [2, 2, 2, 2], "window_size": 4, "depths": [2, 1, 1, 1]},
    "unet_plus_plus": {"filters": [4, 6, 8]},
    "transunet": {"filters": [4, 6, 8], "hidden_size": 8, "layers": 1, "heads": 2, "positions": 3},
    "segnet": {"filters": [4, 6], "convolutions": [1, 2]},
    "fcn": {"filters": [4, 6, 8]},
    "two_path": {"filters": [4, 6], "merging": [8], "factor": 3},
    "vgg19_unet": {"filters": [4, 6, 8, 8, 8]},
    "resnet50_unet": {"width": 2, "filters": [2, 4, 4, 6, 6]},
    "multiscale_attention_unet": {
        "encoder": "efficientnet_b0",
        "filters": [2, 4, 4, 6, 6],
        "kernel_sizes": [1, 3],
        "width": 0.1,
        "depth": 0.1,
        "path_dropout": 0.0,
    },
}
UNETS = ("unet", "attention_unet", "residual_unet", "dynunet")
CONVOLUTIONAL = (*UNETS, "segresnet", "unet_plus_plus", "segnet", "fcn")
TRACED_ONLY = ("swin_unetr",)  # MONAI's transformer cannot be scripted
CHANNELS_IN, CHANNELS_OUT = 4, 3


def build(name: str, dims: int, *, seed: int = 0, **params: Any) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(
        name,
        spatial_dims=dims,
        in_channels=CHANNELS_IN,
        out_channels=CHANNELS_OUT,
        params={**TINY[name], **params},
    )


def smallest_image(name: str, dims: int, batch: int = 1, seed: int = 0) -> Tensor:
    multiple = valid_patch_multiple(name, TINY[name], dims)
    sides = (2 * multiple[0], *multiple[1:])
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((batch, CHANNELS_IN, *sides), generator=generator)


def levels(output: Tensor | list[Tensor]) -> list[Tensor]:
    return [output] if isinstance(output, Tensor) else output


def test_the_tiny_parameters_cover_the_registry() -> None:
    assert list(TINY) == list(MODELS)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", MODELS)
class TestEveryModel:
    def test_output_has_the_size_of_the_input(self, name: str, dims: int) -> None:
        image = smallest_image(name, dims)
        check_patch_size(name, TINY[name], image.shape[2:])
        output = build(name, dims).eval()(image)
        assert output.shape == (1, CHANNELS_OUT, *image.shape[2:])

    def test_output_is_a_list_only_with_deep_supervision_in_training(self, name: str, dims: int) -> None:
        network = build(name, dims)
        image = smallest_image(name, dims)
        supervised = (
            "deep_supervision" in MODELS[name].complete({}) and MODELS[name].complete({})["deep_supervision"]
        )
        assert isinstance(network.train()(image), list) == supervised
        assert isinstance(network.eval()(image), Tensor)

    def test_gradient_reaches_every_parameter(self, name: str, dims: int) -> None:
        network = build(name, dims).train()
        generator = torch.Generator().manual_seed(1)
        outputs = levels(network(smallest_image(name, dims)))
        sum((y * torch.randn(y.shape, generator=generator)).sum() for y in outputs).backward()
        unreached = [
            key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
        ]
        assert unreached == []

    def test_samples_of_an_odd_batch_do_not_mix(self, name: str, dims: int) -> None:
        network = build(name, dims).eval()
        batch = smallest_image(name, dims, batch=3)
        with torch.inference_mode():
            together = network(batch)
            alone = torch.cat([network(sample) for sample in batch.split(1)])
        torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)

    def test_a_seed_fixes_weights_and_output(self, name: str, dims: int) -> None:
        image = smallest_image(name, dims)
        first, second, other = (build(name, dims, seed=seed).eval() for seed in (3, 3, 4))
        with torch.inference_mode():
            assert torch.equal(first(image), second(image))
            assert not torch.equal(first(image), other(image))

    @pytest.mark.filterwarnings("ignore")
    def test_torchscript_export_gives_the_same_output(self, name: str, dims: int) -> None:
        network = build(name, dims).eval()
        image, other = smallest_image(name, dims), smallest_image(name, dims, seed=1)
        with torch.inference_mode(False), torch.no_grad():
            traced = name in TRACED_ONLY
            script = (
                torch.jit.trace(network, image, check_trace=False) if traced else torch.jit.script(network)
            )
            file = io.BytesIO()
            torch.jit.save(script, file)
            file.seek(0)
            torch.testing.assert_close(torch.jit.load(file)(other), network(other), rtol=1e-3, atol=1e-4)

    @pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="onnx is not installed")
    @pytest.mark.filterwarnings("ignore")
    def test_onnx_export_is_valid(self, name: str, dims: int) -> None:
        import onnx

        file = io.BytesIO()
        torch.onnx.export(build(name, dims).eval(), (smallest_image(name, dims),), file, dynamo=False)
        onnx.checker.check_model(onnx.load_from_string(file.getvalue()))

    def test_checkpoint_round_trip_without_pickled_code(self, name: str, dims: int) -> None:
        image = smallest_image(name, dims)
        network, other = build(name, dims).eval(), build(name, dims, seed=1).eval()
        file = io.BytesIO()
        torch.save(network.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        with torch.inference_mode():
            assert torch.equal(network(image), other(image))

    def test_a_deep_copy_is_independent(self, name: str, dims: int) -> None:
        image = smallest_image(name, dims)
        network = build(name, dims).eval()
        twin = copy.deepcopy(network)
        with torch.inference_mode():
            expected = network(image)
            assert torch.equal(twin(image), expected)
            for parameter in twin.parameters():
                parameter.zero_()
            assert torch.equal(network(image), expected)

    def test_bfloat16_autocast_trains(self, name: str, dims: int) -> None:
        network = build(name, dims).train()
        image = smallest_image(name, dims)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = levels(network(image))
        assert outputs[0].dtype == torch.bfloat16
        sum(output.float().square().mean() for output in outputs).backward()
        assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)

    def test_memory_layout_does_not_change_the_output(self, name: str, dims: int) -> None:
        image = smallest_image(name, dims)
        network = build(name, dims).eval()
        plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
        with torch.inference_mode():
            torch.testing.assert_close(network(image), plain(image), rtol=1e-3, atol=1e-4)

    def test_a_few_steps_lower_the_loss(self, name: str, dims: int) -> None:
        network = build(name, dims).train()
        image = smallest_image(name, dims)
        target = image[:, :CHANNELS_OUT].gt(0).float()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        losses = []
        for _ in range(4):
            logits = levels(network(image))[0]
            loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]

    def test_patch_of_another_size_is_an_error_that_names_the_next(self, name: str, dims: int) -> None:
        multiple = valid_patch_multiple(name, TINY[name], dims)
        patch = [2 * side + 1 for side in multiple]
        with pytest.raises(ConfigError, match="the next valid size is") as caught:
            check_patch_size(name, TINY[name], patch)
        assert str([3 * side for side in multiple]) in str(caught.value)

    def test_unknown_parameter_names_the_closest(self, name: str, dims: int) -> None:
        with pytest.raises(ConfigError, match="did you mean 'dropout'"):
            build(name, dims, dropuot=0.1)

    def test_a_caller_owned_parameter_is_unknown(self, name: str, dims: int) -> None:
        with pytest.raises(ConfigError, match=r"model\.params\.spatial_dims"):
            build(name, dims, spatial_dims=3)

    @pytest.mark.parametrize("params", [{"dropout": 1.5}, {"normalisation": "layer"}])
    def test_impossible_value_is_an_error(self, name: str, dims: int, params: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=r"model\.params"):
            build(name, dims, **params)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
class TestEveryConvolutionalModel:
    @pytest.mark.parametrize("activation", ["relu", "prelu", "leakyrelu"])
    @pytest.mark.parametrize("normalisation", ["instance", "batch", "none"])
    def test_activation_and_normalisation_are_what_was_asked(
        self, name: str, activation: str, normalisation: str
    ) -> None:
        network = build(name, 3, activation=activation, normalisation=normalisation, dropout=0.2)
        kinds = {type(module).__name__.lower() for module in network.modules()}
        assert kinds & {"relu", "prelu", "leakyrelu"} == {activation}
        norms = {kind for kind in kinds if "norm" in kind}
        assert (
            norms == {"instance": {"instancenorm3d"}, "batch": {"batchnorm3d"}, "none": set()}[normalisation]
        )
        assert kinds & {"dropout", "dropout3d"}
        levels(network(smallest_image(name, 3, batch=2)))[0].sum().backward()

    def test_filters_set_the_channels_of_the_levels(self, name: str) -> None:
        doubled = [2 * count for count in TINY[name]["filters"]]
        first, second = (
            sum(p.numel() for p in network.parameters())
            for network in (build(name, 3), build(name, 3, filters=doubled))
        )
        assert 3 < second / first < 4.1

    @pytest.mark.parametrize("filters", [[], [8], [8, 0], [8, "16"], 8, [8.0, 16.0]])
    def test_filters_that_cannot_work(self, name: str, filters: object) -> None:
        with pytest.raises(ConfigError, match=r"model\.params\.filters"):
            build(name, 3, filters=filters)


@pytest.mark.parametrize("name", UNETS)
class TestEveryUNet:
    def test_deep_supervision_heads_are_at_their_own_resolution(self, name: str) -> None:
        network = build(name, 3, filters=[4, 4, 6, 6], deep_supervision=True)
        outputs = network.train()(torch.randn(2, CHANNELS_IN, 16, 16, 32))
        assert [tuple(y.shape) for y in outputs] == [
            (2, CHANNELS_OUT, 16, 16, 32),
            (2, CHANNELS_OUT, 8, 8, 16),
        ]

    def test_image_that_does_not_fit_is_an_error(self, name: str) -> None:
        network = build(name, 3, filters=[4, 4, 6])
        with pytest.raises(ConfigError, match=r"sides divisible by \(4, 4, 4\)"):
            network(torch.randn(1, CHANNELS_IN, 8, 8, 10))

    def test_normalised_output_ignores_scale_and_shift_of_the_features(self, name: str) -> None:
        network = build(
            name, 3, filters=[5, 6]
        ).eval()  # 5: a residual block of 4 would pass the raw image on
        image = torch.randn(1, CHANNELS_IN, 8, 8, 8)
        with torch.inference_mode():
            torch.testing.assert_close(network(image), network(10 * image), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["unet", "attention_unet", "residual_unet"])
def test_downsampling_by_pooling_or_stride(name: str) -> None:
    pooled, strided = (build(name, 3, downsampling=how) for how in ("maxpool", "stride"))
    assert any(isinstance(module, nn.MaxPool3d) for module in pooled.modules())
    assert not any(isinstance(module, nn.MaxPool3d) for module in strided.modules())
    with pytest.raises(ConfigError, match="did you mean 'maxpool'"):
        build(name, 3, downsampling="max")


class TestDynUNet:
    def test_anisotropic_strides_and_kernels(self) -> None:
        params = {"filters": [4, 6, 8], "strides": [[2, 2, 1], 2], "kernel_sizes": [[3, 3, 1], 3, 3]}
        assert valid_patch_multiple("dynunet", params, 3) == (4, 4, 2)
        network = build("dynunet", 3, **params, deep_supervision=False)
        assert network(torch.randn(1, CHANNELS_IN, 8, 8, 6)).shape == (1, CHANNELS_OUT, 8, 8, 6)
        assert network.encoder[0][0][0].weight.shape[2:] == (3, 3, 1)

    @pytest.mark.parametrize(
        "params",
        [{"strides": [2]}, {"strides": [2, [2, 2]]}, {"strides": [2, 0]}, {"kernel_sizes": [3, 3, 2]}],
    )
    def test_strides_or_kernels_that_cannot_work(self, params: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=r"model\.params\.(strides|kernel_sizes)"):
            build("dynunet", 3, filters=[4, 6, 8], **params)


@pytest.mark.parametrize(
    ("name", "params", "key"),
    [
        ("segresnet", {"filters": [4, 6]}, "filters"),
        ("segresnet", {"blocks_down": [1]}, "blocks_down"),
        ("segresnet", {"blocks_up": []}, "blocks_up"),
        ("swin_unetr", {"feature_size": 20}, "feature_size"),
        ("swin_unetr", {"num_heads": [2, 2, 2, 5]}, "num_heads"),
        ("swin_unetr", {"depths": [2, 2]}, "depths"),
    ],
)
def test_sizes_that_do_not_fit_each_other(name: str, params: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.params\.{key}"):
        build(name, 3, **params)


class TestPatchSize:
    @given(
        depth=st.integers(2, 6),
        patch=st.lists(st.integers(1, 200), min_size=2, max_size=3),
        name=st.sampled_from(["unet", "dynunet", "swin_unetr"]),
    )
    @settings(deadline=None, max_examples=50)
    def test_the_next_valid_size_is_valid_and_no_smaller(
        self, depth: int, patch: list[int], name: str
    ) -> None:
        params = {} if name == "swin_unetr" else {"filters": [8] * depth}
        try:
            check_patch_size(name, params, patch)
        except ConfigError as error:
            valid = [int(side) for side in error.remedy.split("[")[1].rstrip("]").split(",")]
            assert all(new >= old for new, old in zip(valid, patch, strict=True))
            check_patch_size(name, params, valid)
        else:
            multiple = valid_patch_multiple(name, params, len(patch))
            assert all(side % step == 0 for side, step in zip(patch, multiple, strict=True))

    def test_one_cell_at_the_coarsest_level_is_too_small(self) -> None:
        with pytest.raises(ConfigError, match=r"\[32, 32, 32\]"):
            check_patch_size("unet", {}, [16, 16, 16])
        check_patch_size("unet", {}, [32, 16, 16])

    def test_default_multiples(self) -> None:
        found = {name: valid_patch_multiple(name, {}, 3)[0] for name in MODELS}
        assert found == {
            "unet": 16,
            "attention_unet": 16,
            "residual_unet": 16,
            "dynunet": 32,
            "segresnet": 8,
            "swin_unetr": 32,
            "unet_plus_plus": 16,
            "transunet": 16,
            "segnet": 16,
            "fcn": 8,
            "two_path": 3,
            "vgg19_unet": 16,
            "resnet50_unet": 32,
            "multiscale_attention_unet": 32,
        }


def test_unknown_name_lists_the_closest_first() -> None:
    with pytest.raises(ConfigError, match="did you mean 'attention_unet'"):
        build_network("attn_unet", spatial_dims=3, in_channels=1, out_channels=1, params={})


@pytest.mark.parametrize("dims", [1, 4])
def test_other_numbers_of_axes(dims: int) -> None:
    with pytest.raises(ConfigError, match="2 or 3"):
        build_network("unet", spatial_dims=dims, in_channels=1, out_channels=1, params={})
