"""The inferer of a bundle: sure of itself in evaluation, with dropout where it is asked how sure it is."""

from __future__ import annotations

import pytest
import torch

from brats3d.bundles.scripts.inferer import RegionInferer
from brats3d.models import build_network

LABELS = {
    "name": "brats2017",
    "values": {"1": "NCR", "2": "ED", "4": "ET"},
    "regions": {"ET": ["ET"], "TC": ["ET", "NCR"], "WT": ["ET", "NCR", "ED"]},
}


def network_with(dropout: float, normalisation: str = "batch") -> torch.nn.Module:
    torch.manual_seed(0)
    params = {
        "filters": [4, 4, 8, 8],
        "dropout": dropout,
        "deep_supervision": True,
        "normalisation": normalisation,
    }
    return build_network("unet", spatial_dims=3, in_channels=2, out_channels=3, params=params)


@pytest.fixture
def inferer() -> RegionInferer:
    return RegionInferer(
        head="sigmoid",
        labels=LABELS,
        window=(16, 16, 16),
        overlap=0.5,
        window_batch=4,
        flips=False,
        precision="32-true",
        slice_axis=None,
    )


IMAGE = torch.randn(1, 2, 16, 16, 20, generator=torch.Generator().manual_seed(0))


def test_a_network_in_evaluation_gives_one_answer(inferer: RegionInferer) -> None:
    network = network_with(0.5).eval()
    first = inferer(IMAGE, network)
    assert first.shape == (1, 3, 16, 16, 20)
    torch.testing.assert_close(inferer(IMAGE, network), first, rtol=0, atol=0)


def test_dropout_stays_on_in_a_network_in_training_mode_and_nothing_else_does(
    inferer: RegionInferer,
) -> None:
    network = network_with(0.5).train()
    statistics = {name: value.clone() for name, value in network.named_buffers()}
    answers = [inferer(IMAGE, network) for _ in range(3)]
    assert len({answer.sum().item() for answer in answers}) == 3
    assert statistics
    for name, value in network.named_buffers():
        assert torch.equal(value, statistics[name]), name


def test_training_mode_changes_nothing_where_there_is_no_dropout(inferer: RegionInferer) -> None:
    expected = inferer(IMAGE, network_with(0.0).eval())
    torch.testing.assert_close(inferer(IMAGE, network_with(0.0).train()), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("unet", {}),
        ("attention_unet", {}),
        ("residual_unet", {}),
        ("dynunet", {}),
        ("segresnet", {"blocks_down": [1, 1], "blocks_up": [1]}),
        ("swin_unetr", None),
    ],
)
def test_weights_fit_a_network_that_is_given_dropout_later(name: str, params: dict | None) -> None:
    """Servers set ``dropout`` of the network to score uncertainty, and load weights without a word."""
    given = {} if params is None else {"filters": [8, 16], **params}
    made = [
        build_network(
            name, spatial_dims=3, in_channels=2, out_channels=3, params={**given, "dropout": dropout}
        )
        for dropout in (0.0, 0.2)
    ]
    made[1].load_state_dict(made[0].state_dict(), strict=True)
