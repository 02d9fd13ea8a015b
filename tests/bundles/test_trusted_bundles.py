"""Bundles of others whose code runs on trust."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from foreign_bundles import CASE, Config, brighter, change, foreign_bundle, foreign_config, job

from brats3d.bundles.predict import predict
from brats3d.errors import ConfigError, RunError
from brats3d.imaging import read_volume


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
