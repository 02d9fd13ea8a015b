"""Weights of published classifiers: what is taken over, what is reported, and what is refused."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from brats3d.errors import ConfigError, MissingExtraError
from brats3d.models import build_network
from brats3d.models.encoders import build_encoder, load_pretrained
from brats3d.models.encoders.pretrained import adapt_colours

Shapes = Callable[[str], dict[str, tuple[int, ...]]]
TOP_LESS = {"top": False}
NAME, FIRST = "efficientnet_b0", "features.0.0.weight"


def state_dict(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights, alike for all inputs of a layer but the first: quick to draw, and small as files."""
    generator = torch.Generator().manual_seed(0)

    def drawn(name: str, shape: tuple[int, ...]) -> Tensor:
        if name.endswith("num_batches_tracked"):
            return torch.zeros((), dtype=torch.int64)
        sides = shape if len(shape) == 4 and shape[1] == 3 else (shape[0], *(1 for _ in shape[1:]))
        return torch.rand(sides, generator=generator).expand(shape)

    return {name: drawn(name, shape) for name, shape in shapes.items()}


@pytest.fixture
def weights(torchvision_shapes: Shapes, tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """A file with the complete state dict of EfficientNet B0, and its content."""
    state = state_dict(torchvision_shapes(NAME))
    torch.save(state, tmp_path / "weights.pth")
    return tmp_path / "weights.pth", state


class TestWholeClassifiers:
    @pytest.mark.parametrize(
        ("name", "settings", "first", "left_out", "channels"),
        [
            ("vgg19", {}, "features.0.weight", 6, 3),
            ("vgg19_bn", {}, "features.0.weight", 6, 1),
            ("resnet50", {}, "conv1.weight", 2, 4),
            ("efficientnet_b0", {}, "features.0.0.weight", 2, 2),
            ("efficientnet_b4", TOP_LESS, "features.0.0.weight", 2 + 6, 3),
        ],
    )
    def test_all_weights_but_the_classifiers_are_used(
        self,
        name: str,
        settings: dict[str, bool],
        first: str,
        left_out: int,
        channels: int,
        torchvision_shapes: Shapes,
        tmp_path: Path,
    ) -> None:
        state = state_dict(torchvision_shapes(name))
        torch.save(state, tmp_path / "weights.pth")
        encoder = build_encoder(name, in_channels=channels, **settings)
        report = load_pretrained(encoder, tmp_path / "weights.pth")
        assert (report.missing, report.unexpected, report.reshaped) == ((), (), {})
        assert len(report.left_out) == left_out
        assert report.channels == (None if channels == 3 else channels)
        own = encoder.state_dict()
        assert len(report.used) == len([key for key in own if not key.endswith("num_batches_tracked")])
        for key, value in own.items():
            if key != first:
                assert torch.equal(value, state[key]), key
        assert torch.equal(own[first], adapt_colours(state[first], channels))


class TestColours:
    @pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
    def test_the_same_image_in_all_channels_gives_what_a_grey_one_gave(
        self, channels: int, weights: tuple[Path, dict[str, Tensor]]
    ) -> None:
        path, _ = weights
        colour = build_encoder(NAME, pretrained=str(path)).eval()
        own = build_encoder(NAME, in_channels=channels, pretrained=str(path)).eval()
        grey = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            expected = colour.features[0][0](grey.expand(-1, 3, -1, -1))
            found = own.features[0][0](grey.expand(-1, channels, -1, -1))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        assert own.features[0][0].weight.shape == (32, channels, 3, 3)

    def test_three_channels_keep_their_colours(self, weights: tuple[Path, dict[str, Tensor]]) -> None:
        path, state = weights
        encoder = build_encoder(NAME, in_channels=3, pretrained=str(path))
        assert torch.equal(encoder.features[0][0].weight, state[FIRST])

    def test_weights_of_other_images_than_colour_ones_must_have_the_channels(
        self, weights: tuple[Path, dict[str, Tensor]]
    ) -> None:
        path, state = weights
        torch.save(state | {FIRST: torch.rand(32, 4, 3, 3)}, path)
        four = build_encoder(NAME, in_channels=4)
        assert load_pretrained(four, path).reshaped == {}
        two = build_encoder(NAME, in_channels=2)
        assert load_pretrained(two, path).reshaped == {FIRST: ((32, 4, 3, 3), (32, 2, 3, 3))}


class TestReport:
    def test_what_is_missing_unexpected_or_differently_shaped_is_named_and_logged(
        self, weights: tuple[Path, dict[str, Tensor]], caplog: pytest.LogCaptureFixture
    ) -> None:
        path, state = weights
        del state["features.7.0.block.3.0.weight"]
        state["features.9.0.weight"] = torch.rand(3)
        state["features.1.0.block.2.0.weight"] = torch.rand(16, 32, 3, 3)
        torch.save(state, path)
        encoder = build_encoder(NAME)
        before = {key: value.clone() for key, value in encoder.state_dict().items()}
        with caplog.at_level(logging.INFO):
            report = load_pretrained(encoder, path)
        assert report.missing == ("features.7.0.block.3.0.weight",)
        assert report.unexpected == ("features.9.0.weight",)
        assert report.reshaped == {"features.1.0.block.2.0.weight": ((16, 32, 3, 3), (16, 32, 1, 1))}
        assert sorted(report.left_out) == ["classifier.1.bias", "classifier.1.weight"]
        after = encoder.state_dict()
        for kept in ("features.7.0.block.3.0.weight", "features.1.0.block.2.0.weight"):
            assert torch.equal(after[kept], before[kept])
        said = caplog.text
        for part in (
            "307 weights used, 2 of the classifier left out",
            "1 missing: features.7.0.block.3.0.weight",
            "1 unexpected: features.9.0.weight",
            "1 differently shaped: features.1.0.block.2.0.weight (16, 32, 3, 3) instead of (16, 32, 1, 1)",
        ):
            assert part in said

    def test_long_lists_are_cut(self, weights: tuple[Path, dict[str, Tensor]]) -> None:
        path, state = weights
        torch.save({key: value for key, value in state.items() if not key.startswith("features.6")}, path)
        report = load_pretrained(build_encoder(NAME), path)
        assert len(report.missing) == 76
        assert "76 missing: features.6.0.block.0.0.weight, " in str(report)
        assert str(report).endswith(", ...")

    def test_counters_that_old_files_lack_are_not_missed(
        self, weights: tuple[Path, dict[str, Tensor]]
    ) -> None:
        path, state = weights
        torch.save({key: value for key, value in state.items() if "num_batches" not in key}, path)
        assert load_pretrained(build_encoder(NAME), path).missing == ()


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: {"state_dict": state, "epoch": 90},
        lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {"state_dict": {f"network.encoder.{key}": value for key, value in state.items()}},
    ],
)
def test_state_dicts_inside_checkpoints(
    wrapped: Callable[[dict[str, Tensor]], object], weights: tuple[Path, dict[str, Tensor]]
) -> None:
    path, state = weights
    torch.save(wrapped(state), path)
    encoder = build_encoder(NAME)
    assert load_pretrained(encoder, path).missing == ()
    assert torch.equal(encoder.features[8][0].weight, state["features.8.0.weight"])


class TestRefusals:
    @pytest.mark.parametrize(
        "content", [[1, 2], {}, {"a": 1}, {"state_dict": {"features.0.0.weight": "text"}}, torch.rand(3)]
    )
    def test_files_without_a_state_dict(self, content: object, tmp_path: Path) -> None:
        torch.save(content, tmp_path / "other.pt")
        with pytest.raises(ConfigError, match="holds no state dict"):
            build_encoder(NAME, pretrained=str(tmp_path / "other.pt"))

    @pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 torn"])
    def test_files_that_torch_cannot_read(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "torn.pth").write_bytes(content)
        with pytest.raises(ConfigError, match="cannot read the pretrained weights"):
            build_encoder(NAME, pretrained=str(tmp_path / "torn.pth"))

    def test_pickled_programs_do_not_run(self, tmp_path: Path) -> None:
        class Program:
            def __reduce__(self) -> tuple[object, ...]:
                return (Path.touch, (tmp_path / "ran",))

        torch.save({"features.0.0.weight": Program()}, tmp_path / "program.pth")
        with pytest.raises(ConfigError, match="cannot read the pretrained weights"):
            build_encoder(NAME, pretrained=str(tmp_path / "program.pth"))
        assert not (tmp_path / "ran").exists()

    def test_no_path(self) -> None:
        with pytest.raises(ConfigError, match="the path of a file"):
            build_encoder(NAME, pretrained=True)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"model\.params\.pretrained: .*gone\.pth"):
            build_encoder(NAME, pretrained=str(tmp_path / "gone.pth"))

    @pytest.mark.parametrize("other", ["vgg19", "resnet50", "efficientnet_b4"])
    def test_weights_of_another_network_change_nothing(
        self, other: str, torchvision_shapes: Shapes, tmp_path: Path
    ) -> None:
        torch.save(state_dict(torchvision_shapes(other)), tmp_path / "other.pth")
        encoder = build_encoder(NAME)
        before = {key: value.clone() for key, value in encoder.state_dict().items()}
        with pytest.raises(ConfigError, match="belong to another network") as caught:
            load_pretrained(encoder, tmp_path / "other.pth")
        assert "features.0.0.weight (32, 3, 3, 3)" in str(caught.value)
        assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())

    def test_weights_of_another_width(self, weights: tuple[Path, dict[str, Tensor]]) -> None:
        with pytest.raises(ConfigError, match="belong to another network"):
            build_encoder(NAME, width=0.5, pretrained=str(weights[0]))

    def test_three_dimensions(self, weights: tuple[Path, dict[str, Tensor]]) -> None:
        with pytest.raises(ConfigError, match="an encoder of three dimensions"):
            build_encoder(NAME, spatial_dims=3, pretrained=str(weights[0]))

    def test_safetensors_without_the_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "safetensors.torch", None)
        (tmp_path / "weights.safetensors").write_bytes(b"{}")
        with pytest.raises(MissingExtraError, match="pip install safetensors"):
            build_encoder(NAME, pretrained=str(tmp_path / "weights.safetensors"))


@pytest.mark.parametrize(
    ("name", "encoder", "params"),
    [
        ("vgg19_unet", "vgg19_bn", {"encoder": "vgg19_bn"}),
        ("resnet50_unet", "resnet50", {}),
        ("multiscale_attention_unet", "efficientnet_b0", {"encoder": "efficientnet_b0"}),
    ],
)
def test_networks_start_from_the_weights(
    name: str, encoder: str, params: dict[str, str], torchvision_shapes: Shapes, tmp_path: Path
) -> None:
    state = state_dict(torchvision_shapes(encoder))
    torch.save(state, tmp_path / "weights.pth")
    network = build_network(
        name,
        spatial_dims=2,
        in_channels=4,
        out_channels=3,
        params={**params, "pretrained": str(tmp_path / "weights.pth")},
    )
    own = {key: value for key, value in network.encoder.state_dict().items() if "num_batches" not in key}
    same = [key for key, value in own.items() if torch.equal(value, state[key])]
    assert len(same) == len(own) - 1
