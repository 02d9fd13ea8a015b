"""The multi-scale attention U-Net: scales, masks, sizes, and all its encoders."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.models import build_network, check_patch_size, valid_patch_multiple
from brats3d.models.blocks import BlockDesign
from brats3d.models.multiscale_attention import MultiScale, MultiScaleAttentionStage

DIMS = pytest.mark.parametrize("dims", [2, 3])


def design(dims: int, normalisation: str = "none") -> BlockDesign:
    return BlockDesign(dims, "relu", normalisation, 0.0, 1, residual=False)


def positive(module: nn.Module) -> nn.Module:
    """Make all weights positive, so that no gradient is cut or cancelled."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(0.1, 1)
    return module


def support(module: nn.Module, inputs: int, dims: int, side: int = 15) -> tuple[int, ...]:
    """Sides of the box of input voxels that the central output voxel depends on."""
    image = torch.rand(1, inputs, *(side,) * dims, requires_grad=True)
    central = (slice(None), slice(None), *(side // 2,) * dims)
    module(image)[central].sum().backward()
    reached = image.grad[0].abs().sum(dim=0).nonzero()
    assert len(reached) == torch.prod(reached.amax(0) - reached.amin(0) + 1)  # the whole box
    return tuple((reached.amax(0) - reached.amin(0) + 1).tolist())


@DIMS
class TestScales:
    @pytest.mark.parametrize("kernels", [(1, 3, 5), (3, 7), (1,)])
    def test_each_branch_sees_its_own_neighbourhood(self, dims: int, kernels: tuple[int, ...]) -> None:
        torch.manual_seed(0)
        scales = positive(MultiScale(design(dims), 2, 3, kernels))
        found = [support(branch, 2, dims) for branch in scales.branches]
        assert found == [(side,) * dims for side in kernels]
        assert support(scales, 2, dims) == (max(kernels),) * dims

    def test_every_scale_takes_part_in_the_merged_map(self, dims: int) -> None:
        torch.manual_seed(0)
        scales = positive(MultiScale(design(dims), 2, 3, (1, 3, 5)))
        image = torch.rand(1, 2, *(9,) * dims)
        whole = scales(image)
        for branch in scales.branches:
            kept = branch[0][0].weight.detach().clone()
            nn.init.zeros_(branch[0][0].weight)
            assert not torch.allclose(scales(image), whole)
            branch[0][0].weight.data.copy_(kept)
        assert torch.equal(scales(image), whole)


@DIMS
class TestMasks:
    def stage(self, dims: int) -> MultiScaleAttentionStage:
        torch.manual_seed(0)
        return MultiScaleAttentionStage(design(dims, "batch"), (1, 3, 5), inputs=6, skip=2, outputs=5).eval()

    def seen(self, dims: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(2, 5, *(8,) * dims, generator=torch.Generator().manual_seed(1))

    def test_shapes(self, dims: int) -> None:
        stage, seen = self.stage(dims), self.seen(dims)
        assert stage.channel_attention(seen).shape == (2, 5, *(1,) * dims)
        assert stage.spatial_attention(seen).shape == (2, 1, *(8,) * dims)

    @pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
    def test_values_lie_between_0_and_1(self, dims: int, scale: float) -> None:
        stage, seen = self.stage(dims), self.seen(dims, scale)
        for mask in (stage.channel_attention(seen), stage.spatial_attention(seen)):
            assert 0 <= mask.min() <= mask.max() <= 1
            assert scale == 0 or mask.std() > 0

    def test_closed_masks_leave_the_residual_path(self, dims: int) -> None:
        stage = self.stage(dims)
        x, skip = torch.randn(2, 6, *(4,) * dims), torch.randn(2, 2, *(8,) * dims)
        residual = stage.shortcut(torch.cat([stage.up(x), skip], dim=1)).relu()
        assert not torch.allclose(stage(x, skip), residual)
        for closed in (stage.spatial_attention.score, stage.channel_attention.excite):
            kept = {name: value.clone() for name, value in closed.state_dict().items()}
            nn.init.zeros_(closed.weight)
            nn.init.constant_(closed.bias, -200.0)
            torch.testing.assert_close(stage(x, skip), residual)
            closed.load_state_dict(kept)

    def test_open_masks_change_nothing(self, dims: int) -> None:
        stage = self.stage(dims)
        x, skip = torch.randn(2, 6, *(4,) * dims), torch.randn(2, 2, *(8,) * dims)
        for gate in (stage.spatial_attention.score, stage.channel_attention.excite):
            nn.init.zeros_(gate.weight)
            nn.init.constant_(gate.bias, 200.0)
        joined = torch.cat([stage.up(x), skip], dim=1)
        expected = (stage.multi_scale(joined) + stage.shortcut(joined)).relu()
        torch.testing.assert_close(stage(x, skip), expected)


@pytest.mark.parametrize("number", range(8))
def test_all_encoders_give_logits_of_the_images_size(number: int) -> None:
    torch.manual_seed(0)
    network = build_network(
        "multiscale_attention_unet",
        spatial_dims=2,
        in_channels=2,
        out_channels=3,
        params={"encoder": f"efficientnet_b{number}"},
    ).eval()
    with torch.inference_mode():
        logits = network(torch.randn(1, 2, 64, 64))
    assert logits.shape == (1, 3, 64, 64)
    assert torch.isfinite(logits).all()


def test_patches_are_multiples_of_32() -> None:
    assert valid_patch_multiple("multiscale_attention_unet", {}, 2) == (32, 32)
    with pytest.raises(ConfigError, match=r"the next valid size is \[128, 96\]"):
        check_patch_size("multiscale_attention_unet", {}, [100, 75])


def test_images_of_other_sides_are_an_error() -> None:
    network = build_network(
        "multiscale_attention_unet",
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        params={"width": 0.1, "depth": 0.1},
    )
    with pytest.raises(ConfigError, match=r"sides divisible by \(32, 32\)"):
        network(torch.randn(1, 1, 64, 48))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"encoder": "efficientnet_b8"}, "did you mean 'efficientnet_b"),
        ({"encoder": "vgg19"}, "one of efficientnet_"),
        ({"kernel_sizes": [1, 4]}, r"model\.params\.kernel_sizes"),
        ({"kernel_sizes": []}, r"model\.params\.kernel_sizes"),
        ({"kernel_sizes": 3}, r"model\.params\.kernel_sizes"),
        ({"filters": [8, 16]}, r"model\.params\.filters"),
        ({"filters": [8] * 6}, r"model\.params\.filters"),
    ],
)
def test_parameters_that_cannot_work(params: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network(
            "multiscale_attention_unet", spatial_dims=2, in_channels=1, out_channels=1, params=params
        )


@pytest.mark.parametrize(("in_channels", "out_channels"), [(1, 1), (3, 4), (5, 2)])
@pytest.mark.parametrize("name", ["vgg19_unet", "resnet50_unet"])
def test_other_encoders_take_any_channels(name: str, in_channels: int, out_channels: int) -> None:
    narrow = {"vgg19_unet": {"filters": [4] * 5}, "resnet50_unet": {"width": 4, "filters": [4] * 5}}
    network = build_network(
        name, spatial_dims=2, in_channels=in_channels, out_channels=out_channels, params=narrow[name]
    ).eval()
    assert network(torch.randn(1, in_channels, 64, 32)).shape == (1, out_channels, 64, 32)


def test_the_decoder_of_vgg19_mirrors_its_stages() -> None:
    with torch.device("meta"):
        network = build_network("vgg19_unet", spatial_dims=2, in_channels=3, out_channels=1, params={})
    found = [(stage.up.in_channels, stage.up.out_channels) for stage in network.decoder]
    assert found == [(512, 512), (512, 256), (256, 128), (128, 64)]
    assert {type(stage.up) for stage in network.decoder} == {nn.ConvTranspose2d}
