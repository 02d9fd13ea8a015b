from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from brats3d.inference import EnsembleSegmenter, SliceSegmenter, SlidingWindowSegmenter
from brats3d.inference.classifying import ImageClassifier
from brats3d.inference.gated import GatedSegmenter
from brats3d.inference.memory import BatchRunner
from brats3d.inference.progress import Cancelled, listening, part, report


class _Head:
    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


class _Network(nn.Module):
    """One region; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return images[:, :1]


class _Tumour(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([[0.0, 9.0]]).repeat(len(images), 1)


def _windows(network: nn.Module | None = None, **options: object) -> SlidingWindowSegmenter:
    chosen = {"patch_size": (8, 8, 8), "overlap": 0.0, "window_batch": 1, **options}
    return SlidingWindowSegmenter(network or _Network(), _Head(), **chosen)  # type: ignore[arg-type]


def _slices() -> SliceSegmenter:
    return SliceSegmenter(_Network(), _Head(), slice_batch=2)


def _gated() -> GatedSegmenter:
    classifier = ImageClassifier(_Tumour(), size=(8, 8), batch=4)
    return GatedSegmenter(classifier, _slices(), threshold=0.5, regions=1)


def _told(segment: object, image: Tensor) -> Iterator[float]:
    shares: list[float] = []
    with listening(lambda done, total: shares.append(done / total)):
        segment(image)  # type: ignore[operator]
    return iter(shares)


@pytest.mark.parametrize(
    ("segmenter", "expected"),
    [
        (_windows(), [0.25, 0.5, 0.75, 1]),
        (_slices(), [0.25, 0.5, 0.75, 1]),
        (EnsembleSegmenter([_windows(), _slices()]), [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]),
        (_gated(), [0.05, 0.1, 0.325, 0.55, 0.775, 1]),
    ],
    ids=["windows", "slices", "ensemble", "gate"],
)
def test_a_listener_hears_what_share_is_done(segmenter: object, expected: list[float]) -> None:
    image = torch.ones((1, 16, 16, 8))
    assert list(_told(segmenter.segment, image)) == pytest.approx(expected)  # type: ignore[attr-defined]


def test_what_a_listener_raises_ends_the_work_between_windows() -> None:
    network = _Network()

    def refuse(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled), listening(refuse):
        _windows(network).segment(torch.ones((1, 16, 16, 8)))
    assert network.calls == 2
    _windows(network).segment(torch.ones((1, 16, 16, 8)))
    assert network.calls == 6  # nobody listens any more


def test_no_smaller_batch_is_tried_when_the_work_is_no_longer_wanted() -> None:
    tried: list[int] = []

    def step(batch: object, mirrors: int) -> None:
        tried.append(mirrors)
        raise Cancelled("out of memory")

    with pytest.raises(Cancelled):
        BatchRunner(4, item_voxels=1, where="batch").run([1, 2, 3], step, device=torch.device("cpu"))
    assert tried == [1]
    assert not issubclass(Cancelled, Exception)


def test_parts_nest_and_leave_the_listener_as_it_was() -> None:
    heard: list[float] = []
    with listening(lambda done, total: heard.append(done / total)):
        with part(1, 2, of=2), part(0, 1, of=4):
            report(1, 2)
        report(1, 1)
    report(1, 4)
    assert heard == [0.5625, 1]
