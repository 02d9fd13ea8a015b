"""The held-out case that an export is checked on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brats3d.bundles import parity
from brats3d.bundles.export import export
from brats3d.bundles.own_case import held_out_case, stage
from brats3d.bundles.source import BundleSource
from brats3d.config import ExportConfig
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.imaging import read_volume
from brats3d.workflows.runs import RunFolder

Make = Callable[[str], Path]


def test_it_is_the_first_test_case(run_of: Make) -> None:
    run = RunFolder(run_of("sigmoid"))
    case = held_out_case(run, BundleSource.of(run))
    assert case is not None
    assert case.case_id == run.split().test[0]


def test_a_run_whose_data_are_gone_has_none(run_of: Make, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(run_of("sigmoid"), tmp_path / "run")))
    config = run.path / "config.yaml"
    config.write_text(config.read_text().replace(f"{run.config().data.root}", str(tmp_path / "gone")))
    assert held_out_case(run, BundleSource.of(run)) is None


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


def test_every_export_is_compared_on_it(
    run_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    compare = parity._compare

    def spy(output: Path, case: object, expected: object, model: Path) -> None:
        compared.append((model.name, expected.case_id))
        compare(output, case, expected, model)

    monkeypatch.setattr(parity, "_compare", spy)
    export(ExportConfig(run=str(run_of("softmax")), output=str(tmp_path / "x")))
    assert compared == [
        ("model.pt", "BraTS2021_00000"),
        ("model.pt", "held_out"),
        ("model.ts", "BraTS2021_00000"),
    ]
