"""Weights of the loss that are computed from the training cases, and kept by the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from brats3d.assembly.class_weights import build_training_loss, with_class_weights
from brats3d.config import FitConfig, load_config
from brats3d.data.datasets import PatchDataset
from brats3d.data.store import PreparedStore
from brats3d.errors import ConfigError
from brats3d.labels import CONVENTIONS
from brats3d.training.checkpoints import read_checkpoint
from brats3d.workflows.fit import fit

MakeConfig = Callable[..., FitConfig]
CONVENTION = CONVENTIONS["brats2017"]


def training(folder: Path, counts: list[dict[str, int]], side: int = 10) -> PatchDataset:
    """Cases of ``side``^3 voxels, so many of each class by name, the rest background."""
    store, cases = PreparedStore(folder), []
    for number, of_class in enumerate(counts):
        classes = np.zeros(side**3, dtype=np.uint8)
        start = 0
        for name, count in of_class.items():
            classes[start : start + count] = CONVENTION.class_names.index(name)
            start += count
        shape = (side, side, side)
        image = np.zeros((1, *shape))
        cases.append(store.write(f"c{number}", "k", image=image, classes=classes.reshape(shape), record={}))
    return PatchDataset(cases, size=(4, 4, 4), foreground=0, augmentation=lambda sample, seed: sample, seed=0)


TWO = [{"NCR": 10, "ED": 100, "ET": 40}, {"ED": 100}]


def weights_of(config: FitConfig, data: PatchDataset) -> np.ndarray:
    return np.array(with_class_weights(config, CONVENTION, data).loss.params["weights"])


def test_inverse_frequency_of_classes(tmp_path: Path) -> None:
    config = load_config(None, model__head="softmax", loss__params={"weights": "inverse_frequency"})
    counts = dict(zip(CONVENTION.class_names, [0.0] * 4, strict=True)) | {"NCR": 10, "ED": 200, "ET": 40}
    voxels = np.array([counts[name] or 1750 for name in CONVENTION.class_names])
    expected = 1 / voxels
    np.testing.assert_allclose(
        weights_of(config, training(tmp_path, TWO)), expected / expected.mean(), rtol=1e-5
    )


def test_median_frequency_counts_cases_that_have_the_class(tmp_path: Path) -> None:
    config = load_config(None, model__head="softmax", loss__params={"weights": "median_frequency"})
    frequency = {"NCR": 10 / 1000, "ED": 200 / 2000, "ET": 40 / 1000}
    shares = np.array([frequency.get(name, 1750 / 2000) for name in CONVENTION.class_names])
    expected = np.median(shares) / shares
    np.testing.assert_allclose(
        weights_of(config, training(tmp_path, TWO)), expected / expected.mean(), rtol=1e-5
    )


def test_regions_are_weighted_by_their_own_voxels(tmp_path: Path) -> None:
    config = load_config(None, loss__params={"weights": "inverse_frequency"})
    voxels = np.array([{"ET": 40, "TC": 50, "WT": 250}[name] for name in CONVENTION.region_names])
    expected = (1 / voxels) / (1 / voxels).mean()
    np.testing.assert_allclose(weights_of(config, training(tmp_path, TWO)), expected, rtol=1e-5)


def test_terms_of_a_sum_may_have_weights_of_their_own(tmp_path: Path) -> None:
    terms = {"dice": 1.0, "cross_entropy": {"factor": 0.5, "weights": "inverse_frequency"}}
    config = load_config(None, loss__name="compound", loss__params={"terms": terms})
    data = training(tmp_path, TWO)
    found = with_class_weights(config, CONVENTION, data).loss.params
    assert found["terms"]["dice"] == 1.0
    plain = load_config(None, loss__params={"weights": "inverse_frequency"})
    assert found["terms"]["cross_entropy"] == {"factor": 0.5, "weights": list(weights_of(plain, data))}
    assert config.loss.params["terms"] == terms


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0]])
def test_numbers_stay(tmp_path: Path, weights: list[float] | None) -> None:
    config = load_config(None, loss__params={} if weights is None else {"weights": weights})
    assert with_class_weights(config, CONVENTION, training(tmp_path, TWO)) is config


def test_a_channel_that_no_case_has(tmp_path: Path) -> None:
    config = load_config(None, loss__params={"weights": "inverse_frequency"})
    with pytest.raises(ConfigError, match=r"(?s)loss\.params\.weights.*ET"):
        with_class_weights(config, CONVENTION, training(tmp_path, [{"ED": 5}]))


def test_an_unknown_name_is_told_before_there_are_data() -> None:
    config = load_config(None, loss__params={"weights": "inverse_frequancy"})
    with pytest.raises(ConfigError, match="did you mean 'inverse_frequency'"):
        build_training_loss(config, 3)


def test_a_run_keeps_the_numbers_and_goes_on_with_them(tmp_path: Path, fit_config: MakeConfig) -> None:
    config = fit_config(tmp_path, loss__params={"weights": "inverse_frequency"}, trainer__max_epochs=1)
    run = fit(config).run
    kept = load_config(run / "config.yaml").loss.params["weights"]
    assert len(kept) == 3
    assert kept[0] > kept[2] > 0  # ET is rarer than the whole tumour
    assert sum(kept) / 3 == pytest.approx(1, abs=1e-4)

    state = read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]
    (buffers,) = {tuple(value.tolist()) for name, value in state.items() if name.endswith(".weights")}
    torch.testing.assert_close(torch.tensor(buffers), torch.tensor(kept))

    fit(replace(config, resume=str(run), extend=1))
    assert load_config(run / "config.yaml").loss.params["weights"] == kept
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 1
