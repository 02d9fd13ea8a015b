"""The random field in everything that predicts with a run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brats3d import assembly
from brats3d.bundles.export import export
from brats3d.config import ExportConfig, FitConfig, load_config, save_config
from brats3d.data.discovery import discover
from brats3d.errors import ConfigError
from brats3d.labels import CONVENTIONS
from brats3d.workflows.fit import FitResult
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation


def with_field(config: FitConfig) -> FitConfig:
    crf = replace(config.postprocess.crf, iterations=2, radius_voxels=2)
    return replace(config, postprocess=replace(config.postprocess, crf=crf))


@pytest.fixture(scope="module")
def refined(trained: FitResult, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The trained run, with the field in its configuration."""
    run = RunFolder(Path(shutil.copytree(trained.run, tmp_path_factory.mktemp("runs") / "refined")))
    save_config(with_field(run.config()), run.path / "config.yaml")
    return run


def loaded(run: RunFolder) -> CaseSegmentation:
    return load_segmentation([run], accelerator="cpu")


def test_prediction_refines_what_the_network_says(
    refined: RunFolder, trained: FitResult, phantom_set: Path
) -> None:
    plain, field = loaded(RunFolder(trained.run)), loaded(refined)
    prepared = plain.prepare(discover(phantom_set).cases[0])
    before, after = plain.predict(prepared).probabilities, field.predict(prepared).probabilities
    assert plain.refinement is None
    assert field.refinement is not None
    assert np.abs(before - after).max() > 1e-3
    spacing = prepared.restoration.prepared_geometry.spacing_mm
    np.testing.assert_array_equal(after, field.refinement(before, prepared.image, spacing))
    assert after.min() >= 0
    assert after.max() <= 1


def test_a_bundle_has_no_field(refined: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"postprocess\.crf\.iterations"):
        export(ExportConfig(run=str(refined.path), output=str(tmp_path / "bundle")))
    assert not (tmp_path / "bundle").exists()


def test_it_is_off_by_default_and_its_settings_are_checked_first() -> None:
    config = load_config(None)
    convention = CONVENTIONS["brats2017"]
    assert assembly.build_refinement(config, convention, "cpu") is None
    wrong = load_config(None, postprocess__crf={"iterations": 3, "radius_voxels": 0})
    with pytest.raises(ConfigError, match=r"postprocess\.crf\.radius_voxels"):
        assembly.build_postprocessing(wrong, convention)


@pytest.mark.parametrize(("head", "together"), [("sigmoid", False), ("softmax", True)])
def test_classes_that_exclude_each_other_are_refined_together(head: str, together: bool) -> None:
    config = with_field(load_config(None, model__head=head))
    refinement = assembly.build_refinement(config, CONVENTIONS["brats2017"], "cpu")
    assert refinement is not None
    assert (refinement.class_table is not None) == together
