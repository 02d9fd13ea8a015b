"""What torchvision calls the weights of its classifiers, and how large they are, written out by rule.

The counts of parameters are those that torchvision publishes with its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

Shapes = dict[str, tuple[int, ...]]

PUBLISHED_COUNTS = {
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "resnet50": 25_557_032,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
}
# Channels of the stem, of the seven stages and of the top; blocks per stage.
EFFICIENTNETS = {
    "efficientnet_b0": ((32, 16, 24, 40, 80, 112, 192, 320, 1280), (1, 2, 2, 3, 3, 4, 1)),
    "efficientnet_b1": ((32, 16, 24, 40, 80, 112, 192, 320, 1280), (2, 3, 3, 4, 4, 5, 2)),
    "efficientnet_b2": ((32, 16, 24, 48, 88, 120, 208, 352, 1408), (2, 3, 3, 4, 4, 5, 2)),
    "efficientnet_b3": ((40, 24, 32, 48, 96, 136, 232, 384, 1536), (2, 3, 3, 5, 5, 6, 2)),
    "efficientnet_b4": ((48, 24, 32, 56, 112, 160, 272, 448, 1792), (2, 4, 4, 6, 6, 8, 2)),
    "efficientnet_b5": ((48, 24, 40, 64, 128, 176, 304, 512, 2048), (3, 5, 5, 7, 7, 9, 3)),
    "efficientnet_b6": ((56, 32, 40, 72, 144, 200, 344, 576, 2304), (3, 6, 6, 8, 8, 11, 3)),
    "efficientnet_b7": ((64, 32, 48, 80, 160, 224, 384, 640, 2560), (4, 7, 7, 10, 10, 13, 4)),
}
DEPTHWISE_KERNELS = (3, 3, 5, 3, 5, 5, 3)
# Numbers of the convolutions in `features`, and their channels.
VGG19 = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
VGG19_BN = (0, 3, 7, 10, 14, 17, 20, 23, 27, 30, 33, 36, 40, 43, 46, 49)
VGG19_CHANNELS = (64,) * 2 + (128,) * 2 + (256,) * 4 + (512,) * 8


def norm(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def vgg19(*, normalised: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    inputs = 3
    for position, outputs in zip(VGG19_BN if normalised else VGG19, VGG19_CHANNELS, strict=True):
        yield f"features.{position}.weight", (outputs, inputs, 3, 3)
        yield f"features.{position}.bias", (outputs,)
        if normalised:
            yield from norm(f"features.{position + 1}", outputs)
        inputs = outputs
    for position, inputs, outputs in ((0, 512 * 7 * 7, 4096), (3, 4096, 4096), (6, 4096, 1000)):
        yield f"classifier.{position}.weight", (outputs, inputs)
        yield f"classifier.{position}.bias", (outputs,)


def resnet50() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "conv1.weight", (64, 3, 7, 7)
    yield from norm("bn1", 64)
    inputs = 64
    for layer, (width, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for block in range(count):
            name = f"layer{layer}.{block}"
            yield f"{name}.conv1.weight", (width, inputs, 1, 1)
            yield from norm(f"{name}.bn1", width)
            yield f"{name}.conv2.weight", (width, width, 3, 3)
            yield from norm(f"{name}.bn2", width)
            yield f"{name}.conv3.weight", (4 * width, width, 1, 1)
            yield from norm(f"{name}.bn3", 4 * width)
            if block == 0:
                yield f"{name}.downsample.0.weight", (4 * width, inputs, 1, 1)
                yield from norm(f"{name}.downsample.1", 4 * width)
            inputs = 4 * width
    yield "fc.weight", (1000, 2048)
    yield "fc.bias", (1000,)


def efficientnet(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    (stem, *stages, top), counts = EFFICIENTNETS[name]
    yield "features.0.0.weight", (stem, 3, 3, 3)
    yield from norm("features.0.1", stem)
    inputs = stem
    for stage, (outputs, count) in enumerate(zip(stages, counts, strict=True), start=1):
        for block in range(count):
            yield from inverted_bottleneck(f"features.{stage}.{block}.block", stage, inputs, outputs)
            inputs = outputs
    yield "features.8.0.weight", (top, inputs, 1, 1)
    yield from norm("features.8.1", top)
    yield "classifier.1.weight", (1000, top)
    yield "classifier.1.bias", (1000,)


def inverted_bottleneck(
    name: str, stage: int, inputs: int, outputs: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    inner, squeezed = inputs if stage == 1 else 6 * inputs, inputs // 4
    part = 0
    if stage > 1:
        yield f"{name}.0.0.weight", (inner, inputs, 1, 1)
        yield from norm(f"{name}.0.1", inner)
        part = 1
    kernel = DEPTHWISE_KERNELS[stage - 1]
    yield f"{name}.{part}.0.weight", (inner, 1, kernel, kernel)
    yield from norm(f"{name}.{part}.1", inner)
    yield f"{name}.{part + 1}.fc1.weight", (squeezed, inner, 1, 1)
    yield f"{name}.{part + 1}.fc1.bias", (squeezed,)
    yield f"{name}.{part + 1}.fc2.weight", (inner, squeezed, 1, 1)
    yield f"{name}.{part + 1}.fc2.bias", (inner,)
    yield f"{name}.{part + 2}.0.weight", (outputs, inner, 1, 1)
    yield from norm(f"{name}.{part + 2}.1", outputs)


def shapes_of(name: str) -> Shapes:
    """Names and shapes of a classifier's state dict, in torchvision's order."""
    if name.startswith("vgg19"):
        return dict(vgg19(normalised=name.endswith("_bn")))
    return dict(resnet50() if name == "resnet50" else efficientnet(name))


@pytest.fixture(scope="session")
def torchvision_shapes() -> Callable[[str], Shapes]:
    """Gives names and shapes of the state dict of one of torchvision's classifiers."""
    return shapes_of


@pytest.fixture(params=list(PUBLISHED_COUNTS))
def classifier(request: pytest.FixtureRequest) -> tuple[str, Shapes, int]:
    """Name, shapes and published number of parameters of each classifier."""
    return request.param, shapes_of(request.param), PUBLISHED_COUNTS[request.param]
