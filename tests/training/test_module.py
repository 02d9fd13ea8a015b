"""The training module inside a real Trainer: learning rate, validation Dice, divergence, clipping."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from brats3d.data.store import PreparedStore, StoredCase
from brats3d.labels import CONVENTIONS
from brats3d.losses import build_loss
from brats3d.models.heads import Head
from brats3d.training.clock import Clock
from brats3d.training.module import Optimisation, SegmentationModule, TrainingDivergedError
from brats3d.training.optimisers import rate_factor

CONVENTION = CONVENTIONS["brats2023"]
SHAPE = (4, 6, 8)
BATCHES = 3
LR = 0.5


class Scripted:
    """A segmenter that gives the next of prepared answers."""

    def __init__(self, answers: list[np.ndarray]) -> None:
        self.answers = answers
        self.asked = 0

    def segment(self, image: torch.Tensor) -> torch.Tensor:
        assert image.dtype == torch.float32
        answer = self.answers[self.asked % len(self.answers)]
        self.asked += 1
        return torch.from_numpy(answer.astype(np.float32))


class Watch(pl.Callback):
    """Notes the learning rate of each step and the metrics of each validation."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.dice: list[dict[str, float]] = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_validation_end(self, trainer, pl_module) -> None:
        metrics = trainer.callback_metrics
        self.dice.append({name: float(value) for name, value in metrics.items() if name.startswith("val/")})


def make_case(folder: Path, name: str, classes: np.ndarray) -> StoredCase:
    image = np.zeros((1, *SHAPE), dtype=np.float32)
    return PreparedStore(folder).write(name, "k", image=image, classes=classes, record={})


def boxes() -> np.ndarray:
    """Class indices: 8 voxels of ET in 16 of TC in 32 of WT."""
    classes = np.zeros(SHAPE, dtype=np.uint8)
    names = list(CONVENTION.class_names)
    classes[:4, :4, :2] = names.index("ED")
    classes[:4, :2, :2] = names.index("NCR")
    classes[:2, :2, :2] = names.index("ET")
    return classes


def regions_of(classes: np.ndarray) -> np.ndarray:
    return np.moveaxis(CONVENTION.class_table[classes], -1, 0)


def run(
    tmp_path: Path,
    cases: list[StoredCase],
    answers: list[np.ndarray],
    *,
    epochs: int = 1,
    scale: float = 1.0,
    clip: float | None = None,
    accumulate: int = 1,
    **optimisation: object,
) -> tuple[SegmentationModule, Watch]:
    chosen = {
        "name": "sgd",
        "lr": LR,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "schedule": "cosine",
        "warmup": 0.0,
        "plateau_patience": 2,
        "plateau_factor": 0.5,
        **optimisation,
    }
    head = Head("sigmoid", CONVENTION.class_table)
    clock = Clock(max_epochs=epochs, max_minutes=None, started_at=time.monotonic())
    module = SegmentationModule(
        torch.nn.Conv3d(1, head.out_channels, 1),
        head=head,
        loss=build_loss("cross_entropy", head="sigmoid", params={}),
        optimisation=Optimisation(**chosen),
        segmenter=Scripted(answers),
        regions_of=lambda probabilities: probabilities > 0.5,
        region_names=CONVENTION.region_names,
        class_table=CONVENTION.class_table,
        clock=clock,
    )
    sample = {
        "image": torch.full((1, *SHAPE), scale),
        "classes": torch.from_numpy(boxes())[None],
    }
    watch = Watch()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        gradient_clip_val=clip,
        accumulate_grad_batches=accumulate,
        callbacks=[clock, watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )
    validation = DataLoader(cases, batch_size=None, collate_fn=lambda case: case)
    trainer.fit(module, DataLoader([sample] * BATCHES, batch_size=1), validation)
    return module, watch


@pytest.mark.parametrize("schedule", ["poly", "cosine", "one_cycle"])
def test_the_learning_rate_follows_the_schedule(tmp_path: Path, schedule: str) -> None:
    case = make_case(tmp_path, "case", boxes())
    _, watch = run(tmp_path, [case], [regions_of(boxes())], epochs=2, schedule=schedule, warmup=0.3)
    steps = 2 * BATCHES
    expected = [LR * rate_factor(schedule, step / steps, 0.3) for step in range(steps)]
    assert watch.rates == pytest.approx(expected)


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1.0), ("linear", 3.0)])
def test_the_rate_counts_accumulated_batches_on_wish(tmp_path: Path, scaling: str, factor: float) -> None:
    case = make_case(tmp_path, "case", boxes())
    chosen = {"schedule": "constant", "lr_scaling": scaling, "accumulate": BATCHES}
    _, watch = run(tmp_path, [case], [regions_of(boxes())], epochs=2, **chosen)
    assert watch.rates == pytest.approx([factor * LR] * 2)


def test_plateau_lowers_the_rate_when_the_dice_does_not_rise(tmp_path: Path) -> None:
    case = make_case(tmp_path, "case", boxes())
    right, nothing = regions_of(boxes()), np.zeros((3, *SHAPE))
    # The Dice rises once, then stays for two validations, twice.
    answers = [nothing, right, nothing, right, right, right, right]
    _, watch = run(tmp_path, [case], answers, epochs=7, schedule="plateau")
    per_epoch = watch.rates[::BATCHES]
    assert per_epoch == pytest.approx([LR, LR, LR, LR, LR / 2, LR / 2, LR / 4])


def test_the_state_of_the_plateau_is_kept_in_checkpoints(tmp_path: Path) -> None:
    case = make_case(tmp_path, "case", boxes())
    module, _ = run(tmp_path, [case], [regions_of(boxes())], epochs=4, schedule="plateau")
    checkpoint: dict = {}
    module.on_save_checkpoint(checkpoint)
    assert checkpoint["plateau"] == {"scale": 0.5, "best_dice": 1.0, "validations_since_best": 1}
    fresh, _ = run(tmp_path, [case], [np.zeros((3, *SHAPE))], epochs=1)
    fresh.on_load_checkpoint(checkpoint)
    again: dict = {}
    fresh.on_save_checkpoint(again)
    assert again == checkpoint


def test_validation_dice_is_the_mean_over_cases_of_each_region(tmp_path: Path) -> None:
    healthy = np.zeros(SHAPE, dtype=np.uint8)
    cases = [make_case(tmp_path, "a", boxes()), make_case(tmp_path, "b", healthy)]
    moved = np.roll(regions_of(boxes()), 1, axis=1)  # along the first axis, past half of ET
    nothing = np.zeros((3, *SHAPE))
    _, watch = run(tmp_path, cases, [moved, nothing])
    # Of ET 4 of 8 voxels are met; TC and WT fill the axis and come in again at its other end.
    expected = {"ET": (0.5 + 1) / 2, "TC": 1.0, "WT": 1.0}
    (seen,) = watch.dice
    assert {name: seen[f"val/dice_{name}"] for name in expected} == pytest.approx(expected)
    assert seen["val/dice"] == pytest.approx(np.mean(list(expected.values())))


def test_a_region_predicted_where_there_is_none_scores_zero(tmp_path: Path) -> None:
    healthy = make_case(tmp_path, "healthy", np.zeros(SHAPE, dtype=np.uint8))
    _, watch = run(tmp_path, [healthy], [regions_of(boxes())])
    assert watch.dice[0]["val/dice"] == 0.0


def test_without_validation_cases_nothing_is_scored(tmp_path: Path) -> None:
    _, watch = run(tmp_path, [], [], epochs=2)
    assert len(watch.rates) == 2 * BATCHES
    assert not any(watch.dice)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_training_says_what_to_do(tmp_path: Path, value: float) -> None:
    case = make_case(tmp_path, "case", boxes())
    with pytest.raises(TrainingDivergedError, match="diverged") as caught:
        run(tmp_path, [case], [regions_of(boxes())], scale=value)
    assert caught.value.where == "epoch 0"
    assert "optim.lr" in str(caught.value.remedy)


def test_the_norm_of_the_gradient_is_limited(tmp_path: Path) -> None:
    case = make_case(tmp_path, "case", boxes())
    moves = {}
    for clip in (None, 1e-3):
        torch.manual_seed(0)
        before = torch.nn.Conv3d(1, 3, 1)
        torch.manual_seed(0)
        module, _ = run(
            tmp_path, [case], [regions_of(boxes())], scale=30.0, clip=clip, schedule="constant", lr=1.0
        )
        moves[clip] = sum(
            float(((new - old) ** 2).detach().sum())
            for new, old in zip(module.network.parameters(), before.parameters(), strict=True)
        )
    # Each of three steps is at most the limit long.
    assert moves[1e-3] ** 0.5 <= 3 * 1e-3 * (1 + 1e-4)
    assert moves[None] ** 0.5 > 1e-2
