"""MONAI's brain tumour bundle, in its layout but small: read as data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from foreign_bundles import CASE, Config, change, job, metadata, write_bundle
from monai.bundle import ConfigParser
from monai.networks.nets.segresnet import SegResNet
from zoo_bundles import CHANNELS, zoo_bundle, zoo_config

from brats3d.bundles.predict import predict
from brats3d.errors import ConfigError, RunError
from brats3d.imaging import read_volume
from brats3d.inference.progress import Cancelled, listening

ENDINGS = {"T1c": "t1ce", "T1": "t1", "T2": "t2", "FLAIR": "flair"}


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    return zoo_bundle(tmp_path / "zoo")


def monai_answer(bundle: Path, case: Path, overlap: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and label map as MONAI's own classes compute them from the files of the bundle."""
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    parser["postprocessing"]["transforms"].pop()  # writes files
    if overlap is not None:
        parser["inferer"]["overlap"] = overlap
    network = parser.get_parsed_content("network").eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    files = [str(case / f"{case.name}_{ENDINGS[name]}.nii.gz") for name in CHANNELS.values()]
    with torch.no_grad():
        sample = parser.get_parsed_content("preprocessing")({"image": files})
        logits = parser.get_parsed_content("inferer")(sample["image"][None], network)
        labels = parser.get_parsed_content("postprocessing")({**sample, "pred": logits[0]})["pred"]
    return torch.sigmoid(logits[0]).numpy(), np.asarray(labels[0])


def check_answer(output: Path, bundle: Path, case: Path, **changes: Any) -> None:
    (path,) = predict(job(bundle, case, output, probabilities=True, **changes))
    expected, labels = monai_answer(bundle, case, changes.get("overlap"))
    found = nib.load(output / f"{case.name}_probabilities.nii.gz").get_fdata()
    tc, wt, et = expected
    np.testing.assert_allclose(np.moveaxis(found, -1, 0), [et, tc, wt], atol=1e-4)
    decided = np.abs(expected - 0.5).min(axis=0) > 1e-4
    written = np.asarray(nib.load(path).dataobj)
    np.testing.assert_array_equal(written[decided], labels[decided])
    assert set(np.unique(written)) == {0, 1, 2, 4}
    assert decided.mean() > 0.99


def test_the_answer_is_monais(zoo: Path, case: Path, tmp_path: Path) -> None:
    check_answer(tmp_path / "p", zoo, case)
    check_answer(tmp_path / "overlap", zoo, case, overlap=0.0)
    assert not (zoo / "eval").exists()


def test_its_windows_are_counted_and_may_be_the_last(zoo: Path, case: Path, tmp_path: Path) -> None:
    heard: list[float] = []
    with listening(lambda done, total: heard.append(done / total)):
        predict(job(zoo, case, tmp_path / "p", flips=True, overlap=0.0))
    windows = 2 * 1 * 1  # of 24 x 32 x 40 voxels in 32 x 32 x 32
    assert heard == pytest.approx([step / (8 * windows) for step in range(1, 8 * windows + 1)])

    def refuse(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled), listening(refuse):
        predict(job(zoo, case, tmp_path / "q"))
    assert not (tmp_path / "q").exists()


def test_voxels_keep_their_axes(zoo: Path, case: Path, tmp_path: Path) -> None:
    turned = tmp_path / "data" / CASE
    turned.mkdir(parents=True)
    for path in case.glob("*_t*.nii.gz"):
        nib.save(nib.load(path).as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])), turned / path.name)
    flair = f"{CASE}_flair.nii.gz"
    nib.save(nib.load(case / flair).as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])), turned / flair)
    check_answer(tmp_path / "p", zoo, turned)


def test_channels_in_another_order(zoo: Path, case: Path, tmp_path: Path) -> None:
    """Of images and of regions; the weights are those of the channels."""
    order, regions = ["T2", "FLAIR", "T1c", "T1"], ["Enhancing tumour", "whole_tumor", "TC"]
    config = zoo_config(tc=2, wt=1, et=0)
    state = torch.load(zoo / "models" / "model.pt", weights_only=True)
    names = list(CHANNELS.values())
    state["convInit.conv.weight"] = state["convInit.conv.weight"][:, [names.index(name) for name in order]]
    for key in ("conv_final.2.conv.weight", "conv_final.2.conv.bias"):
        state[key] = state[key][[2, 1, 0]]
    network = SegResNet(**{k: v for k, v in config["network_def"].items() if k != "_target_"})
    network.load_state_dict(state)
    about = metadata(dict(enumerate(order)), dict(enumerate(regions)))
    other = write_bundle(tmp_path / "other", config, about, network)
    (expected,) = predict(job(zoo, case, tmp_path / "a"))
    (found,) = predict(job(other, case, tmp_path / "b"))
    same = read_volume(found)[0] == read_volume(expected)[0]
    assert same.mean() > 0.999


def test_mirror_images_and_another_convention(zoo: Path, case: Path, tmp_path: Path) -> None:
    changes = {"probabilities": True, "convention": "brats2023"}
    (plain,) = predict(job(zoo, case, tmp_path / "plain", **changes))
    (averaged,) = predict(job(zoo, case, tmp_path / "flips", flips=True, **changes))
    assert set(np.unique(read_volume(averaged)[0])) <= {0, 1, 2, 3}
    assert 3 in read_volume(plain)[0]
    name = f"{CASE}_probabilities.nii.gz"
    pair = [nib.load(path.with_name(name)).get_fdata() for path in (plain, averaged)]
    assert 0 < np.abs(pair[0] - pair[1]).max() < 1


ZOO_EDITS: dict[str, Callable[[Config], object]] = {
    "another network": lambda c: c["network_def"].update(_target_="UNet"),
    "an expression in the network": lambda c: c["network_def"].update(init_filters="$1/0"),
    "an argument more": lambda c: c["network_def"].update(act="prelu"),
    "another expression": lambda c: c.update(network="$print(@network_def)"),
    "a step more": lambda c: c["preprocessing"]["transforms"].append({"_target_": "os.getcwd"}),
    "another normalisation": lambda c: c["preprocessing"]["transforms"][1].update(nonzero=False),
    "no steps": lambda c: c.update(preprocessing=None),
    "another threshold": lambda c: c["postprocessing"]["transforms"][2].update(threshold=0.3),
    "another rule": lambda c: c["postprocessing"]["transforms"][3].update(func="$print"),
    "another inferer": lambda c: c["inferer"].update(_target_="SimpleInferer"),
}


@pytest.mark.parametrize("name", ZOO_EDITS)
def test_what_does_other_steps_needs_trust(zoo: Path, case: Path, tmp_path: Path, name: str) -> None:
    change(zoo, "inference.json", ZOO_EDITS[name])
    with pytest.raises(ConfigError, match="would run code on this machine") as caught:
        predict(job(zoo, case, tmp_path / "p"))
    assert caught.value.where == zoo / "configs" / "inference.json"
    assert "--trust" in str(caught.value.remedy)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("changed", [{"init_filters": 3}, {"blocks_up": []}, {"blocks_down": "many"}])
def test_a_network_that_cannot_be_built(zoo: Path, case: Path, tmp_path: Path, changed: Config) -> None:
    change(zoo, "inference.json", lambda c: c["network_def"].update(changed))
    with pytest.raises(RunError, match=r"cannot be built|another network"):
        predict(job(zoo, case, tmp_path / "p"))


@pytest.mark.parametrize(
    "changed",
    [
        {"roi_size": [24, 32]},
        {"roi_size": [24, 32, 20]},
        {"roi_size": "auto"},
        {"overlap": 1},
        {"overlap": "half"},
        {"sw_batch_size": 0},
        {"mode": "mean"},
    ],
)
def test_a_window_that_cannot_work(zoo: Path, case: Path, tmp_path: Path, changed: Config) -> None:
    change(zoo, "inference.json", lambda c: c["inferer"].update(changed))
    with pytest.raises(RunError, match="a window of the bundle that cannot work") as caught:
        predict(job(zoo, case, tmp_path / "p"))
    assert str(caught.value.where).endswith(f"inference.json: inferer.{next(iter(changed))}")
    assert not (tmp_path / "p").exists()


def test_an_overlap_that_cannot_work(zoo: Path, case: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="a window of the bundle that cannot work"):
        predict(job(zoo, case, tmp_path / "p", overlap=1.0))
