"""Batches for training: what is handed over, and augmentation after they have arrived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from brats3d.assembly import build_training_data
from brats3d.config import FitConfig, load_config
from brats3d.data.store import PreparedStore, StoredCase
from brats3d.errors import ConfigError
from brats3d.imaging import Geometry
from brats3d.transforms.restoration import plan_restoration

PROBABILITIES = ("flip", "rotation", "noise", "blur", "gamma")
REST = ("scaling", "brightness", "contrast", "low_resolution")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[StoredCase]:
    store = PreparedStore(tmp_path_factory.mktemp("store"))
    generator = np.random.default_rng(0)
    shape = (20, 22, 24)
    way_back = plan_restoration(Geometry(shape, np.eye(4)), "RAS", (0, 0, 0), shape, shape)
    made = []
    for number in range(3):
        image = generator.normal(size=(4, *shape))
        classes = np.zeros(shape, dtype=np.uint8)
        classes[4:9, 5:11, 6:12] = 1
        record = {"restoration": way_back.to_dict()}
        made.append(store.write(f"case{number}", "k", image=image, classes=classes, record=record))
    return made


def config(where: str, workers: int = 0, **more: Any) -> FitConfig:
    chances = {f"augment__{part}_probability": 0.5 for part in PROBABILITIES}
    return load_config(
        None,
        **{
            "augment__where": where,
            "patch__size": [16, 16, 16],
            "patch__batch_size": 2,
            "patch__per_epoch": 4,
            "data__workers": workers,
            **chances,
            **more,
        },
    )


class Watch(pl.LightningModule):
    """Keeps the batches that reach a training step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[dict[str, torch.Tensor]] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        self.seen.append(batch)
        return self.weight.sum()


def batches(cases: list[StoredCase], settings: FitConfig, tmp_path: Path) -> list[dict[str, torch.Tensor]]:
    watch = Watch()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        precision="bf16-mixed",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(watch, datamodule=build_training_data(settings, cases, [], "cpu"))
    return watch.seen


def same(first: list[dict[str, torch.Tensor]], second: list[dict[str, torch.Tensor]]) -> bool:
    return all(
        torch.equal(one[key], two[key])
        for one, two in zip(first, second, strict=True)
        for key in ("image", "classes")
    )


@pytest.mark.parametrize("where", ["sample", "batch"])
@pytest.mark.parametrize("dims", [2, 3])
def test_a_step_gets_float32_images_and_classes(cases, tmp_path, where, dims) -> None:
    more = {"model__spatial_dims": dims, "patch__size": [16] * dims}
    seen = batches(cases, config(where, **more), tmp_path)
    assert len(seen) == 4
    for batch in seen:
        assert set(batch) == {"image", "classes"}
        assert batch["image"].dtype == torch.float32
        assert batch["image"].shape == (2, 4, *[16] * dims)
        assert batch["classes"].dtype == torch.uint8
        assert batch["classes"].shape == (2, 1, *[16] * dims)
    assert not torch.equal(seen[0]["image"], seen[2]["image"])


def test_batches_are_augmented_after_they_are_made(cases, tmp_path) -> None:
    off = {f"augment__{part}_probability": 0.0 for part in (*PROBABILITIES, *REST)}
    plain = batches(cases, config("batch", **off), tmp_path)
    changed = batches(cases, config("batch"), tmp_path)
    assert same(plain, batches(cases, config("sample", **off), tmp_path))
    assert not same(plain, changed)


def test_workers_and_the_size_of_batches_change_nothing(cases, tmp_path) -> None:
    by_itself = batches(cases, config("batch"), tmp_path)
    assert same(by_itself, batches(cases, config("batch", workers=2), tmp_path))
    joined = batches(cases, config("batch", patch__batch_size=4), tmp_path)
    pairs = [
        {key: batch[key][half] for key in batch} for batch in joined for half in (slice(0, 2), slice(2, 4))
    ]
    assert same(by_itself, pairs)


@pytest.mark.parametrize(
    ("where", "more", "dtype"),
    [
        ("sample", {}, torch.float32),
        ("batch", {}, torch.float16),
        ("batch", {"transplant__transplant_probability": 0.5}, torch.float32),
        ("batch", {"model__spatial_dims": 2, "patch__size": [16, 16]}, torch.float32),
    ],
)
def test_patches_as_stored_are_handed_over_as_they_are(cases, where, more, dtype) -> None:
    sample = build_training_data(config(where, **more), cases, [], "cpu").training[0]
    assert sample["image"].dtype == dtype
    assert sample["classes"].dtype == torch.uint8


def test_a_place_that_does_not_exist(cases) -> None:
    with pytest.raises(ConfigError, match="did you mean 'batch'") as caught:
        build_training_data(config("batches"), cases, [], "cpu")
    assert caught.value.where == "augment.where"


@pytest.mark.parametrize(
    ("where", "more", "key"),
    [
        ("sample", {}, "augment.where"),
        ("batch", {"data__workers": 2}, "data.workers"),
        ("batch", {"transplant__heal_probability": 0.5}, "transplant"),
    ],
)
def test_settings_that_exclude_cases_on_the_gpu(cases, where, more, key) -> None:
    with pytest.raises(ConfigError) as caught:
        build_training_data(config(where, **{"data__residency": "gpu", **more}), cases, [], "cpu")
    assert caught.value.where == key
    assert caught.value.remedy


def test_cases_in_memory_give_the_same_batches(cases, tmp_path) -> None:
    from_disk = batches(cases, config("batch"), tmp_path)
    for residency in ("ram", "auto", "gpu"):
        assert same(from_disk, batches(cases, config("batch", data__residency=residency), tmp_path))
