"""Both heads through both segmenters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brats3d.inference import SliceSegmenter, SlidingWindowSegmenter
from brats3d.labels import convention_named
from brats3d.models.heads import Head
from brats3d.postprocessing import Postprocessing

CONVENTION = convention_named("brats2023")
LABELS = np.arange(6 * 8 * 4).reshape(6, 8, 4).astype(np.uint8) % 4


class Oracle(nn.Module):
    """Logits of the class whose index is the intensity, for one kind of head."""

    def __init__(self, head: str) -> None:
        super().__init__()
        table = torch.from_numpy(CONVENTION.class_table).float()
        targets = table if head == "sigmoid" else torch.eye(len(table))
        self.register_buffer("logits_of_class", 20 * targets - 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.logits_of_class[image[:, 0].round().long()].movedim(-1, 1)


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("in_slices", [False, True])
def test_perfect_network_gives_back_the_labels(head: str, flips: bool, in_slices: bool):
    classes = CONVENTION.to_classes(LABELS)
    image = torch.from_numpy(classes).float()[None]
    made = Head(head, CONVENTION.class_table)
    if in_slices:
        predictor = SliceSegmenter(Oracle(head), made, axis="coronal", flips=flips)
    else:
        predictor = SlidingWindowSegmenter(Oracle(head), made, patch_size=(4, 4, 4), flips=flips)
    probabilities = predictor.segment(image)
    assert probabilities.dtype == torch.float32
    assert probabilities.shape == (3, *LABELS.shape)
    np.testing.assert_array_equal(Postprocessing()(probabilities.numpy(), CONVENTION, 0.001), LABELS)
