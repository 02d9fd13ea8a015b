"""Classifiers from their training to a gate before a segmentation, on phantoms."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d.__main__ import main
from brats3d.bundles.export import export
from brats3d.bundles.predict import predict as predict_with_bundle
from brats3d.config import (
    CrossvalConfig,
    ExportConfig,
    FitConfig,
    PredictConfig,
    SweepConfig,
    load_config,
)
from brats3d.errors import ConfigError, DataError, RunError
from brats3d.training.checkpoints import read_checkpoint
from brats3d.workflows.crossval import crossval
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.predict import predict
from brats3d.workflows.sweep import sweep

MakeConfig = Callable[..., FitConfig]
TINY = {"patch": 4, "hidden_size": 8, "layers": 1, "heads": 2, "positions": 4}


@pytest.fixture(scope="module")
def gate_config(fit_config: MakeConfig) -> MakeConfig:
    """Makes configurations of tiny classifiers of slices."""

    def make(folder: Path, name: str | None = "gate", **overrides: Any) -> FitConfig:
        chosen = {
            "task": "classify",
            "model__name": "vit",
            "model__spatial_dims": 2,
            "model__params": TINY,
            "patch__size": [16, 16],
            "patch__batch_size": 8,
            "patch__per_epoch": 32,
            "split__val": 2,
            **overrides,
        }
        return fit_config(folder, name, **chosen)

    return make


@pytest.fixture(scope="module")
def gate(gate_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A classifier of axial slices; not to be written to."""
    return fit(gate_config(tmp_path_factory.mktemp("gates")))


@pytest.fixture(scope="module")
def behind(fit_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A segmentation of axial slices."""
    return fit(
        fit_config(
            tmp_path_factory.mktemp("runs"),
            "behind",
            model__spatial_dims=2,
            patch__size=[16, 16],
            split__val=2,
        )
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, header: str, *rows: str) -> str:
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


class TestTraining:
    def test_labels_are_those_of_the_label_maps(self, gate: FitResult, phantom_set: Path) -> None:
        rows = table(gate.run / "classification.csv")
        split = json.loads((gate.run / "split.json").read_text())
        assert {row["case_id"] for row in rows} == {*split["val"], *split["test"]}
        for case_id in split["val"]:
            voxels = np.asanyarray(nib.load(phantom_set / case_id / f"{case_id}_seg.nii.gz").dataobj)
            expected = voxels.any(axis=(0, 1))
            own = [row for row in rows if row["case_id"] == case_id]
            assert len(own) > 10
            assert {int(row["slice"]) for row in own if row["label"] == "1"} == set(np.flatnonzero(expected))
            assert all(row["label"] == str(int(expected[int(row["slice"])])) for row in own)

    def test_the_threshold_and_all_counts_follow_from_the_table(self, gate: FitResult) -> None:
        rows = table(gate.run / "classification.csv")
        made = json.loads((gate.run / "gate.json").read_text())
        assert (made["images"], made["axis"], made["chosen_on"]) == ("slices", "axial", "val")
        assert made["val"]["sensitivity"] >= made["wanted_sensitivity"]
        for part in ("val", "test"):
            own = [row for row in rows if row["split"] == part]
            missed = [row for row in own if (row["label"], row["decision"]) == ("1", "0")]
            assert made[part]["images"] == len(own)
            assert made[part]["false_negatives"] == len(missed)
            listed = [(entry["case_id"], str(entry["slice"])) for entry in made[part]["missed"]]
            assert listed == [(row["case_id"], row["slice"]) for row in missed]
            skipped = sum(row["decision"] == "0" for row in own)
            assert made[part]["skipped_share"] == pytest.approx(skipped / len(own))
        scored = json.loads((gate.run / "metrics.json").read_text())
        assert scored["auc"] == made["test"]["auc"]
        assert (scored["task"], scored["split"]) == ("classify", "test")

    def test_the_curve_ends_where_everything_is_called_tumour(self, gate: FitResult) -> None:
        rows = [row for row in table(gate.run / "roc.csv") if row["split"] == "val"]
        ends = [(float(row["sensitivity"]), float(row["specificity"])) for row in (rows[0], rows[-1])]
        assert ends == [(0, 1), (1, 0)]

    def test_the_best_checkpoint_is_that_of_the_highest_auc(
        self, gate: FitResult, logged: Callable[[Path, str], dict[int, float]]
    ) -> None:
        scores = logged(gate.run, "val/auc")
        assert len(scores) == 2
        checkpoint = read_checkpoint(gate.run / "checkpoints" / "best.ckpt")
        assert scores[checkpoint["epoch"]] == max(scores.values())
        assert json.loads((gate.run / "gate.json").read_text())["val"]["auc"] == pytest.approx(
            max(scores.values())
        )

    def test_the_same_seed_gives_the_same_classifier(
        self, gate: FitResult, gate_config: MakeConfig, tmp_path: Path
    ) -> None:
        again = fit(gate_config(tmp_path))
        assert (again.run / "classification.csv").read_text() == (gate.run / "classification.csv").read_text()

    def test_a_run_is_extended(self, gate: FitResult, tmp_path: Path) -> None:
        run = Path(shutil.copytree(gate.run, tmp_path / "gate"))
        result = fit(load_config(None, resume=str(run), extend=1))
        assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 2
        assert result.summary["task"] == "classify"

    def test_volumes_are_labelled_by_a_table_and_need_no_label_maps(
        self, gate_config: MakeConfig, phantom_set: Path, tmp_path: Path
    ) -> None:
        copied = Path(shutil.copytree(phantom_set, tmp_path / "without_label_maps"))
        for label in copied.rglob("*_seg.nii.gz"):
            label.unlink()
        rows = [f"BraTS2021_0000{number},{number % 2}" for number in range(6)]
        split = [f"BraTS2021_0000{number},{'val' if number < 2 else 'train'}" for number in range(6)]
        result = fit(
            gate_config(
                tmp_path,
                data__root=str(copied),
                model__spatial_dims=3,
                patch__size=[16, 16, 16],
                split__csv=write_table(tmp_path / "split.csv", "case_id,split", *split),
                classify__labels=write_table(tmp_path / "labels.csv", "case_id,label", *rows),
            )
        )
        made = json.loads((result.run / "gate.json").read_text())
        assert (made["images"], made["val"]["images"], "test" in made) == ("volumes", 2, False)
        assert result.summary["split"] == "val"
        found = table(result.run / "classification.csv")
        assert [(row["slice"], row["label"]) for row in found] == [("", "0"), ("", "1")]
        with pytest.raises(DataError, match="label map"):
            fit(gate_config(tmp_path, "by_masks", data__root=str(copied)))

    def test_the_command_prints_the_scores(
        self, gate: FitResult, gate_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = Path(shutil.copytree(gate.run, tmp_path / "gate"))
        assert main(["fit", "--resume", str(run)]) == 0  # it has ended: scored again
        assert "sensitivity" in capsys.readouterr().out


class TestWhatCannotBeTrained:
    def test_by_the_verbs_that_compare_segmentations(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="task"):
            crossval(CrossvalConfig(task="classify", folder=str(tmp_path)))
        with pytest.raises(ConfigError, match="task"):
            sweep(SweepConfig(task="classify", name="s", grid={"optim.lr": [0.1, 0.2]}, folder=str(tmp_path)))
        assert not any(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("overrides", "named"),
        [
            ({"classify__min_area_mm2": 1e6}, "one class: validation images"),
            ({"model__spatial_dims": 3, "patch__size": [16, 16, 16]}, "2 with tumour, 0 without"),
            ({"split__val": 0}, "one class: validation"),
            ({"loss__name": "dice"}, "loss"),
            ({"postprocess__et_to_ncr_below_ml": 1.0}, "postprocess"),
            ({"patch__foreground": 0.7}, "patch.foreground"),
            ({"inference__flips": True}, "inference.flips"),
            ({"augment__where": "batch"}, "augment.where"),
            ({"data__residency": "gpu"}, "data.residency"),
            ({"classify__sensitivity": 0.0}, "classify.sensitivity"),
            ({"patch__size": [16, 16, 16]}, "patch.size"),
            ({"patch__size": [15, 16]}, "patch.size"),
            ({"model__name": "unet"}, "resnet50"),
            ({"task": "segment", "model__name": "unet", "classify__sensitivity": 0.9}, "task: classify"),
        ],
    )
    def test_it_is_said_and_no_run_is_left(
        self, gate_config: MakeConfig, tmp_path: Path, overrides: dict[str, Any], named: str
    ) -> None:
        with pytest.raises(ConfigError, match=named):
            fit(gate_config(tmp_path, **overrides))
        assert not (tmp_path / "gate").exists()

    @pytest.mark.parametrize(
        ("header", "row", "named"),
        [
            ("case_id,label", "BraTS2021_99999,1", "BraTS2021_99999"),
            ("case_id,label", "BraTS2021_00000,nan", "not a label"),
            ("case_id,label", "BraTS2021_00000,", "not a label"),
            ("case_id,slice,label", "BraTS2021_00000,x,1", "not a slice"),
            ("case_id,tumour", "BraTS2021_00000,1", "lacks the column label"),
            ("case_id,label", "BraTS2021_00000,1\nBraTS2021_00000,0", "two labels"),
        ],
    )
    def test_a_table_that_does_not_fit(
        self, gate_config: MakeConfig, tmp_path: Path, header: str, row: str, named: str
    ) -> None:
        labels = write_table(tmp_path / "labels.csv", header, row)
        with pytest.raises(DataError, match=named):
            fit(gate_config(tmp_path, classify__labels=labels))

    def test_a_table_without_rows_leaves_nothing_to_train_on(
        self, gate_config: MakeConfig, tmp_path: Path
    ) -> None:
        labels = write_table(tmp_path / "labels.csv", "case_id,slice,label")
        with pytest.raises(ConfigError, match="0 with tumour, 0 without"):
            fit(gate_config(tmp_path, classify__labels=labels))

    def test_a_table_of_slices_for_volumes(self, gate_config: MakeConfig, tmp_path: Path) -> None:
        labels = write_table(tmp_path / "labels.csv", "case_id,slice,label", "BraTS2021_00000,3,1")
        with pytest.raises(ConfigError, match="labels slices"):
            fit(
                gate_config(
                    tmp_path, classify__labels=labels, model__spatial_dims=3, patch__size=[16, 16, 16]
                )
            )


@pytest.fixture
def half_open(gate: FitResult, tmp_path: Path) -> Path:
    """The classifier with a threshold that some slices pass."""
    run = Path(shutil.copytree(gate.run, tmp_path / "half_open"))
    confidences = [float(row["confidence"]) for row in table(run / "classification.csv")]
    made = json.loads((run / "gate.json").read_text())
    (run / "gate.json").write_text(json.dumps(made | {"threshold": float(np.median(confidences))}))
    return run


class TestGate:
    def test_slices_that_pass_are_as_without_it_and_the_others_empty(
        self, half_open: Path, behind: FitResult, phantom_set: Path, tmp_path: Path
    ) -> None:
        shared = {
            "run": (str(behind.run),),
            "input": str(phantom_set),
            "accelerator": "cpu",
            "probabilities": True,
        }
        plain = predict(PredictConfig(**shared, output=str(tmp_path / "plain")))
        gated = predict(PredictConfig(**shared, gate=str(half_open), output=str(tmp_path / "gated")))
        assert len(gated) == len(plain) == 6
        skipped_in_all = 0
        for one, other in zip(plain, gated, strict=True):
            case_id = one.name.removesuffix(".nii.gz")
            record = json.loads((other.parent / f"{case_id}_gate.json").read_text())
            skipped = set(record["skipped"])
            skipped_in_all += len(skipped)
            assert record["segmented"] + len(skipped) == record["judged"] == len(record["confidences"])
            name = f"{case_id}_probabilities.nii.gz"
            before, after = (np.asanyarray(nib.load(p.parent / name).dataobj) for p in (one, other))
            for place in range(before.shape[2]):
                expected = 0 if place in skipped else before[:, :, place]
                np.testing.assert_array_equal(
                    after[:, :, place], np.broadcast_to(expected, after[:, :, place].shape)
                )
            assert set(np.flatnonzero(np.asanyarray(nib.load(other).dataobj).any(axis=(0, 1)))).isdisjoint(
                skipped
            )
        assert skipped_in_all > 0

    @pytest.mark.slow
    def test_several_processes_write_what_one_writes(
        self, half_open: Path, behind: FitResult, phantom_set: Path, tmp_path: Path
    ) -> None:
        shared = {
            "run": (str(behind.run),),
            "input": str(phantom_set),
            "accelerator": "cpu",
            "gate": str(half_open),
        }
        for devices in (1, 2):
            predict(PredictConfig(**shared, devices=devices, output=str(tmp_path / str(devices))))
        for file in (tmp_path / "1").glob("*_gate.json"):
            one, two = (json.loads((tmp_path / d / file.name).read_text()) for d in ("1", "2"))
            assert one["skipped"] == two["skipped"]

    def test_what_was_written_is_not_replaced_unasked(
        self, half_open: Path, behind: FitResult, phantom_set: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "BraTS2021_00000_gate.json").write_text("{}")
        config = PredictConfig(
            run=(str(behind.run),), gate=str(half_open), input=str(phantom_set), output=str(tmp_path)
        )
        with pytest.raises(ValueError, match="exist already"):
            predict(config)

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"slices": {"axis": "coronal"}}, "slices"),
            ({"preprocess": {"normalise": "robust"}}, "preprocess.normalise"),
            ({"data": {"modalities": ["t2", "t1ce", "t1", "flair"]}}, "modalities"),
        ],
    )
    def test_both_must_see_the_same(
        self, half_open: Path, behind: FitResult, tmp_path: Path, changes: dict[str, Any], named: str
    ) -> None:
        import yaml

        path = half_open / "config.yaml"
        content = yaml.safe_load(path.read_text())
        for section, values in changes.items():
            content[section] |= values
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(ConfigError, match=f"differ in {named}"):
            predict(PredictConfig(run=(str(behind.run),), gate=str(half_open), input=str(tmp_path)))

    def test_a_gate_of_slices_needs_a_segmentation_of_slices(
        self, gate: FitResult, trained: FitResult, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match="differ in slices"):
            predict(PredictConfig(run=(str(trained.run),), gate=str(gate.run), input=str(tmp_path)))

    def test_roles_cannot_be_swapped(self, gate: FitResult, behind: FitResult, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="a classifier cannot segment"):
            predict(PredictConfig(run=(str(gate.run),), input=str(tmp_path)))
        with pytest.raises(ConfigError, match="a gate is a classifier"):
            predict(PredictConfig(run=(str(behind.run),), gate=str(behind.run), input=str(tmp_path)))

    def test_bundles_get_their_gate_from_the_export(self, gate: FitResult, tmp_path: Path) -> None:
        output = tmp_path / "bundle"
        with pytest.raises(ConfigError, match="a classifier cannot segment"):
            export(ExportConfig(run=str(gate.run), output=str(output)))
        with pytest.raises(ConfigError, match="cannot be put behind a gate"):
            predict_with_bundle(PredictConfig(bundle=str(output), gate=str(gate.run), input="x"))
        assert not output.exists()

    def test_a_gate_stands_before_a_run(self, gate: FitResult) -> None:
        with pytest.raises(ConfigError, match="a gate stands before runs"):
            predict(PredictConfig(gate=str(gate.run), input="x", classical="otsu.yaml"))

    @pytest.mark.parametrize("content", [None, "{", "{}", '{"threshold": 2}'])
    def test_a_gate_without_a_threshold(
        self, half_open: Path, behind: FitResult, tmp_path: Path, content: str | None
    ) -> None:
        path = half_open / "gate.json"
        path.unlink() if content is None else path.write_text(content)
        with pytest.raises(RunError, match="threshold"):
            predict(PredictConfig(run=(str(behind.run),), gate=str(half_open), input=str(tmp_path)))


@pytest.mark.parametrize(
    ("recipe", "params", "side"),
    [
        ("resnet50_gate.yaml", {"width": 2, "hidden": 8}, 64),
        ("vit_gate.yaml", {"hidden_size": 12, "layers": 1}, 32),
    ],
)
def test_recipes_of_gates_train(
    recipe: str, params: dict[str, Any], side: int, phantom_set: Path, tmp_path: Path
) -> None:
    made = load_config(recipe)
    config = load_config(
        recipe,
        name="gate",
        folder=str(tmp_path),
        data__root=str(phantom_set),
        data__workers=0,
        model__params=dict(made.model.params) | params,
        patch__size=[side, side],
        patch__batch_size=4,
        patch__per_epoch=8,
        split__val=2,
        split__test=1,
        trainer__max_epochs=1,
        trainer__accelerator="cpu",
        report=False,
    )
    result = fit(config)
    assert load_config(result.run / "config.yaml") == config
    checkpoint = read_checkpoint(result.run / "checkpoints" / "best.ckpt")
    assert checkpoint["global_step"] == 2
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())
