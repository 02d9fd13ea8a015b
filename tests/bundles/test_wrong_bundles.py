"""Bundles of others that cannot be understood, although they are trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from foreign_bundles import CASE, Config, change, foreign_bundle, foreign_config, job

from brats3d.bundles.predict import predict
from brats3d.errors import RunError

WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "images": (
        lambda b: change(b, "metadata.json", _channels("inputs", "image", {"0": "CT", "1": "T2", "2": "T1"})),
        "channels of the bundle cannot be understood",
    ),
    "the same image twice": (
        lambda b: change(
            b, "metadata.json", _channels("inputs", "image", {"0": "T2", "1": "T2w", "2": "T1"})
        ),
        "channels of the bundle cannot be understood",
    ),
    "numbers of channels": (
        lambda b: change(b, "metadata.json", _channels("inputs", "image", {"1": "T1", "2": "T2"})),
        "channels of the bundle cannot be understood",
    ),
    "other organs": (
        lambda b: change(
            b, "metadata.json", _channels("outputs", "pred", {"0": "background", "1": "spleen"})
        ),
        "channels of the bundle cannot be understood",
    ),
    "a value without a name": (
        lambda b: change(b, "metadata.json", _channels("outputs", "pred", {"0": "background", "2": "ED"})),
        "not what its metadata say",
    ),
    "no metadata": (
        lambda b: (b / "configs" / "metadata.json").write_text("{}"),
        "do not say what its channels are",
    ),
    "no inferer": (
        lambda b: change(b, "inference.json", lambda c: c.pop("inferer")),
        "a part of the bundle's configuration is missing",
    ),
    "a module that is not there": (
        lambda b: (b / "scripts" / "brightest.py").unlink(),
        "the bundle fails when it is built",
    ),
    "a step that raises": (
        lambda b: change(b, "inference.json", lambda c: c.update(inferer="$lambda image, network: 1 / 0")),
        f"the bundle fails when it segments {CASE}",
    ),
    "something that is no network": (
        lambda b: change(b, "inference.json", lambda c: c.update(network_def="$1")),
        "the bundle fails when it is built",
    ),
    "YAML that is none": (
        lambda b: (
            (b / "configs" / "inference.json").rename(b / "configs" / "inference.yaml").write_text("a: [")
        ),
        "the bundle fails when it is built",
    ),
    "a result on another grid": (
        lambda b: change(b, "inference.json", lambda c: c["postprocessing"]["transforms"].pop(1)),
        "does not lie on the grid of the case",
    ),
    "a result of other channels": (
        lambda b: change(
            b,
            "inference.json",
            lambda c: c["postprocessing"]["transforms"].insert(
                0, {"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: x[:2]"}
            ),
        ),
        "not what its metadata say",
    ),
    "logits for masks": (
        lambda b: change(b, "inference.json", lambda c: c["postprocessing"]["transforms"].pop(0)),
        "not what its metadata say",
    ),
}


def _channels(side: str, key: str, names: object) -> Callable[[Config], object]:
    return lambda content: content["network_data_format"][side][key].update(channel_def=names)


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_understood(case: Path, tmp_path: Path, name: str) -> None:
    bundle = foreign_bundle(tmp_path / "b", foreign_config(), {"0": "ET", "1": "TC", "2": "WT"})
    spoil, message = WRONG[name]
    spoil(bundle)
    with pytest.raises(RunError, match=message) as caught:
        predict(job(bundle, case, tmp_path / "p", trust=True))
    assert str(bundle) in str(caught.value.where)
    assert caught.value.got
    assert caught.value.expected
    assert not list((tmp_path / "p").glob("*"))
