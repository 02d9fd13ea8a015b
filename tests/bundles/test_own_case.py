"""The case of the run that an export is checked on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brats3d.bundles.own_case import box_around, own_case, stage
from brats3d.bundles.source import BundleSource
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.imaging import read_volume
from brats3d.workflows.runs import RunFolder

Make = Callable[[str], Path]


def copied(run: Path, folder: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(run, folder / "run")))


@pytest.mark.parametrize(
    ("test", "val", "part", "shown"),
    [
        (1, 1, "test", "held-out case"),
        (0, 1, "val", "held-out case"),
        (0, 0, "train", "training case"),
    ],
)
def test_it_is_held_out_if_any_case_was(
    run_of: Make, tmp_path: Path, test: int, val: int, part: str, shown: str
) -> None:
    run = copied(run_of("sigmoid"), tmp_path)
    split = json.loads((run.path / "split.json").read_text())
    split |= {"test": split["test"][:test], "val": split["val"][:val]}
    (run.path / "split.json").write_text(json.dumps(split))
    own = own_case(run, BundleSource.of(run))
    assert own is not None
    assert (own.case.case_id, own.part, own.shown) == (split[part][0], part, shown)


def test_a_run_whose_data_are_gone_has_none(run_of: Make, tmp_path: Path) -> None:
    run = copied(run_of("sigmoid"), tmp_path)
    config = run.path / "config.yaml"
    config.write_text(config.read_text().replace(f"{run.config().data.root}", str(tmp_path / "gone")))
    assert own_case(run, BundleSource.of(run)) is None


@pytest.mark.parametrize("layout", ["brats2023", "msd"])
def test_its_voxels_are_the_same(run_of: Make, tmp_path: Path, layout: str) -> None:
    write_phantoms(tmp_path / "data", cases=1, size=(32, 32, 32), seed=1, layout=layout)
    case = discover(tmp_path / "data").cases[0]
    source = BundleSource.of(RunFolder(run_of("slices")))
    staged = stage(case, source, tmp_path / "staged")
    assert list(staged.images) == ["flair", "t1ce"]
    for modality in staged.images:
        voxels, geometry = read_volume(case.images[modality], channel=case.channels.get(modality))
        found, grid = read_volume(staged.images[modality])
        np.testing.assert_array_equal(found, voxels)
        assert geometry.difference(grid) is None


def test_a_box_around_what_is_marked_stays_inside() -> None:
    labels = np.zeros((40, 12, 30), np.uint8)
    assert box_around(labels, 16) == (slice(12, 28), slice(0, 12), slice(7, 23))
    labels[36:39, 2:4, 10:13] = 4
    assert box_around(labels, 16) == (slice(24, 40), slice(0, 12), slice(3, 19))


def test_a_part_of_it_lies_where_it_lay(run_of: Make, tmp_path: Path) -> None:
    run = RunFolder(run_of("sigmoid"))
    source = BundleSource.of(run)
    own = own_case(run, source)
    assert own is not None
    box = (slice(3, 20), slice(0, 9), slice(10, 32))
    staged = stage(own.case, source, tmp_path / "staged", box)
    voxels, geometry = read_volume(own.case.images["t1"])
    found, grid = read_volume(staged.images["t1"])
    np.testing.assert_array_equal(found, voxels[box])
    assert grid.shape == found.shape
    np.testing.assert_allclose(grid.affine @ [0, 0, 0, 1], geometry.affine @ [3, 0, 10, 1], atol=1e-4)


@pytest.mark.parametrize("kind", ["sigmoid", "softmax", "slices"])
def test_every_file_with_the_network_is_compared_on_it(bundle_of: Make, kind: str) -> None:
    card = (bundle_of(kind) / "docs" / "README.md").read_text()
    for model in ("model.pt", "model.ts", "model.onnx"):
        phantom, own = (line for line in card.splitlines() if line.startswith(f"| `{model}` |"))
        assert "| phantom | 0 of 172032 |" in phantom
        assert "| held-out case" in own
        assert "of 32768 |" in own
