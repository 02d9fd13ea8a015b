"""Bundles of others: MONAI's brain tumour bundle as data, any other one on trust alone."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.networks.nets.segresnet import SegResNet

from brats3d.bundles.predict import predict
from brats3d.config import PredictConfig
from brats3d.errors import ConfigError, RunError
from brats3d.imaging import read_volume

CHANNELS = {"0": "T1c", "1": "T1", "2": "T2", "3": "FLAIR"}
REGIONS = {"0": "Tumor core", "1": "Whole tumor", "2": "Enhancing tumor"}
ENDINGS = {"T1c": "t1ce", "T1": "t1", "T2": "t2", "FLAIR": "flair"}
CASE = "BraTS2021_00001"
Config = dict[str, Any]


def metadata(inputs: object, outputs: object) -> Config:
    return {
        "network_data_format": {
            "inputs": {"image": {"num_channels": 4, "channel_def": inputs}},
            "outputs": {"pred": {"num_channels": 3, "channel_def": outputs}},
        }
    }


def write_bundle(folder: Path, config: Config, about: Config, network: torch.nn.Module) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(about))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


def job(bundle: Path, data: Path, output: Path, **changes: Any) -> PredictConfig:
    return PredictConfig(
        bundle=str(bundle), input=str(data), output=str(output), accelerator="cpu", **changes
    )


def change(bundle: Path, name: str, edit: Callable[[Config], object]) -> None:
    path = bundle / "configs" / name
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


# MONAI's bundle, in its layout but small


def zoo_config(tc: int = 0, wt: int = 1, et: int = 2) -> Config:
    rule = f"torch.where(x[[{tc}]] > 0, 1, torch.where(x[[{wt}]] > 0, 2, 0))"
    rule = f"torch.where(x[[{et}]] > 0, 4, {rule})"
    normalise = {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}
    invert = {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image"}
    return {
        "imports": ["$import glob"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cpu')",
        "amp": True,
        "network_def": {
            "_target_": "SegResNet",
            "blocks_down": [1, 2, 2, 4],
            "blocks_up": [1, 1, 1],
            "init_filters": 8,
            "in_channels": 4,
            "out_channels": 3,
            "dropout_prob": 0.2,
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "LoadImaged", "keys": "image"}, normalise],
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [24, 32, 40],
            "sw_batch_size": 1,
            "overlap": 0.5,
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
                invert,
                {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
                {"_target_": "Lambdad", "keys": "pred", "func": f"$lambda x: {rule}"},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
            ],
        },
    }


@pytest.fixture(scope="module")
def zoo_network() -> SegResNet:
    """A network that has seen nothing, with outputs of either sign in every region."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        arguments = {k: v for k, v in zoo_config()["network_def"].items() if k != "_target_"}
        return SegResNet(**arguments).eval()


@pytest.fixture
def zoo(zoo_network: SegResNet, tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "zoo", zoo_config(), metadata(CHANNELS, REGIONS), zoo_network)


@pytest.fixture
def case(labelled_set: Path) -> Path:
    return labelled_set / CASE


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


# On trust

MODULE = """
import torch

class Brightest(torch.nn.Module):
    '''Logits of regions: how far a channel is above a bound that is learnt.'''

    def __init__(self, channels):
        super().__init__()
        self.bound = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, image):
        return image - self.bound[None, :, None, None, None]
"""


def foreign_config(*, inverts: bool = True, steps: list[Config] | None = None) -> Config:
    """A bundle with code of its own, that turns, resamples and crops, and leads back."""
    turn = [
        {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "PIR", "labels": None},
        {"_target_": "CropForegroundd", "keys": "image", "source_key": "image"},
        {"_target_": "ScaleIntensityd", "keys": "image", "channel_wise": True},
    ]
    back = {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image"}
    masks: list[Config] = [{"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.0}]
    save: Config = {"_target_": "SaveImaged", "keys": "pred", "output_dir": "$@bundle_root + '/eval'"}
    after = [*(steps if steps is not None else masks), *([back] if inverts else []), save]
    return {
        "device": "$torch.device('cuda')",
        "network_def": {"_target_": "scripts.brightest.Brightest", "channels": 3},
        "preprocessing": {"_target_": "Compose", "transforms": turn},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Compose", "transforms": after},
    }


BOUNDS = (0.8, 0.5, 0.2)


def foreign_bundle(folder: Path, config: Config, outputs: object, inputs: object = None) -> Path:
    """A bundle whose regions are the voxels above a bound: of T1-Gd, T2 and T2-FLAIR."""
    module = torch.nn.Module()
    module.bound = torch.nn.Parameter(torch.tensor(BOUNDS))
    about = metadata(inputs or {"0": "T1-Gd", "1": "T2w", "2": "T2 FLAIR"}, outputs)
    bundle = write_bundle(folder, config, about, module)
    (bundle / "scripts").mkdir()
    (bundle / "scripts" / "__init__.py").write_text("")
    (bundle / "scripts" / "brightest.py").write_text(MODULE)
    return bundle


def brighter(case: Path) -> list[np.ndarray]:
    """Where each image is above its bound, once it is scaled from 0 to 1."""
    images = [read_volume(case / f"{case.name}_{name}.nii.gz")[0] for name in ("t1ce", "t2", "flair")]
    assert all(image.min() == 0 for image in images)
    return [image / image.max() >= bound for image, bound in zip(images, BOUNDS, strict=True)]


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_trusted_bundle_gives_regions(case: Path, tmp_path: Path, suffix: str) -> None:
    bundle = foreign_bundle(tmp_path / "b", foreign_config(), {"0": "ET", "1": "tumour core", "2": "WT"})
    path = bundle / "configs" / "inference.json"
    path.rename(path.with_suffix(suffix))
    with pytest.raises(ConfigError, match="would run code on this machine"):
        predict(job(bundle, case, tmp_path / "p"))
    before = (list(sys.path), set(sys.modules))
    (written,) = predict(job(bundle, case, tmp_path / "p", trust=True))
    et, tc, wt = brighter(case)
    expected = np.select([wt & tc & et, wt & tc, wt], [4, 1, 2], 0)
    np.testing.assert_array_equal(read_volume(written)[0], expected)
    assert set(np.unique(expected)) == {0, 1, 2, 4}
    assert not (bundle / "eval").exists()
    assert sys.path == before[0]
    assert not [name for name in set(sys.modules) - before[1] if name.startswith("scripts")]


def test_the_modules_of_two_bundles_are_kept_apart(case: Path, tmp_path: Path) -> None:
    regions = {"0": "ET", "1": "TC", "2": "WT"}
    first = foreign_bundle(tmp_path / "first", foreign_config(), regions)
    second = foreign_bundle(tmp_path / "second", foreign_config(), regions)
    source = second / "scripts" / "brightest.py"
    source.write_text(source.read_text().replace("return image -", "return 0 * image -"))
    (full,) = predict(job(first, case, tmp_path / "a", trust=True))
    (empty,) = predict(job(second, case, tmp_path / "b", trust=True))
    assert read_volume(full)[0].any()
    assert not read_volume(empty)[0].any()


CLASSES = {"0": "background", "1": "Edema", "2": "NCR/NET", "3": "Enhancing Tumour"}
GAP = {"0": "Background", "1": "NCR", "2": "ED", "3": "unused_3", "4": "ET"}


def test_a_trusted_bundle_gives_label_values_with_a_gap(case: Path, tmp_path: Path) -> None:
    rule = "$lambda x: torch.where(x[[0]] > 0, 4.0, torch.where(x[[2]] > 0, 2.0, 0.0))"
    steps: list[Config] = [{"_target_": "Lambdad", "keys": "pred", "func": rule}]
    bundle = foreign_bundle(tmp_path / "b", foreign_config(steps=steps), GAP)
    (written,) = predict(job(bundle, case, tmp_path / "p", trust=True, convention="brats2023"))
    et, _, wt = brighter(case)
    assert (read_volume(written)[0][et] == 3).mean() > 0.99
    assert set(np.unique(read_volume(written)[0][wt & ~et])) <= {0, 2}


@pytest.mark.parametrize("one_channel", [True, False])
def test_a_trusted_bundle_gives_label_values(case: Path, tmp_path: Path, one_channel: bool) -> None:
    rule = "$lambda x: torch.cat([0 * x[[0]] + 1e-6, x[[2]], 4 * x[[1]], 30 * x[[0]]])"
    steps: list[Config] = [{"_target_": "Lambdad", "keys": "pred", "func": rule}]
    if one_channel:
        steps.append({"_target_": "AsDiscreted", "keys": "pred", "argmax": True})
    bundle = foreign_bundle(tmp_path / "b", foreign_config(steps=steps), CLASSES)
    (written,) = predict(job(bundle, case, tmp_path / "p", trust=True, convention="msd-task01"))
    labels = read_volume(written)[0]
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    et, tc, wt = brighter(case)
    assert not labels[~(et | tc | wt)].any()
    assert (labels[et & ~tc & ~wt] == 3).all()
    assert (labels[wt & ~tc & ~et] == 1).all()


def test_channels_of_a_4d_file(case: Path, tmp_path: Path) -> None:
    images = tmp_path / "Task01" / "imagesTs"
    images.mkdir(parents=True)
    names = ["flair", "t1", "t1gd", "t2"]
    dataset = {"modality": {str(i): name for i, name in enumerate(names)}, "labels": {}}
    (tmp_path / "Task01" / "dataset.json").write_text(json.dumps(dataset))
    files = [nib.load(case / f"{CASE}_{'t1ce' if name == 't1gd' else name}.nii.gz") for name in names]
    stacked = np.stack([np.asarray(file.dataobj, dtype=np.float32) for file in files], axis=-1)
    nib.save(nib.Nifti1Image(stacked, files[0].affine), images / "BRATS_001.nii.gz")
    bundle = foreign_bundle(tmp_path / "b", foreign_config(), {"0": "ET", "1": "TC", "2": "WT"})
    (written,) = predict(job(bundle, images.parent, tmp_path / "p", trust=True))
    et, tc, wt = brighter(case)
    expected = np.select([wt & tc & et, wt & tc, wt], [3, 2, 1], 0)
    np.testing.assert_array_equal(read_volume(written)[0], expected)


# What cannot be understood

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


@pytest.mark.parametrize("changes", [{"probabilities": True}, {"flips": False}, {"overlap": 0.5}])
def test_settings_that_programs_of_others_do_not_have(case: Path, tmp_path: Path, changes: Config) -> None:
    bundle = foreign_bundle(tmp_path / "b", foreign_config(), {"0": "ET", "1": "TC", "2": "WT"})
    with pytest.raises(ConfigError, match="a bundle of others does not have") as caught:
        predict(job(bundle, case, tmp_path / "p", trust=True, **changes))
    assert caught.value.where in changes


def test_weights_with_code_are_not_read_even_on_trust(case: Path, tmp_path: Path) -> None:
    bundle = foreign_bundle(tmp_path / "b", foreign_config(), {"0": "ET", "1": "TC", "2": "WT"})
    torch.save({"bound": torch.zeros(3), "more": dataclasses.replace}, bundle / "models" / "model.pt")
    with pytest.raises(RunError, match="cannot read the weights"):
        predict(job(bundle, case, tmp_path / "p", trust=True))


def test_an_edited_export_runs_on_trust(
    bundle_of: Callable[[str], Path], run_of: Callable[[str], Path], case: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(bundle_of("softmax"), tmp_path / "b"))
    change(bundle, "inference.json", lambda c: c.update(added="$1 + 1"))
    with pytest.raises(ConfigError, match="would run code on this machine"):
        predict(job(bundle, case, tmp_path / "p"))
    (found,) = predict(job(bundle, case, tmp_path / "p", trust=True))
    config = dataclasses.replace(job(bundle, case, tmp_path / "run"), bundle=None)
    (expected,) = predict(dataclasses.replace(config, run=(str(run_of("softmax")),)))
    assert found.read_bytes() == expected.read_bytes()
    assert read_volume(found)[0].any()
