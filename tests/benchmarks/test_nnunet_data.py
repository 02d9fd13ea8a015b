"""What nnU-Net is given: which contenders, and a data set in its own form."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from brats3d.benchmarks.nnunet.choice import chosen, left_out
from brats3d.benchmarks.nnunet.raw import write_raw
from brats3d.benchmarks.serving import Contender
from brats3d.cases import MODALITIES, Case
from brats3d.config import BenchmarkConfig
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError
from brats3d.imaging import Geometry, read_volume, write_image, write_label_map
from brats3d.labels import convention_named

NOTHING = Contender("", (), lambda job: (lambda: None, lambda found: {}))
CONTENDERS = {name: NOTHING for name in ("brats3d", "nnunet")}


class TestContenders:
    def test_nnunet_is_left_out_without_its_python(self) -> None:
        config = BenchmarkConfig()
        assert chosen(CONTENDERS, config, ("nnunet",)) == ["brats3d"]
        assert left_out(config, ("nnunet",)) == ["not measured: nnunet (without --nnunet_python)"]

    def test_nnunet_is_measured_with_it(self) -> None:
        config = BenchmarkConfig(nnunet_python=sys.executable)
        assert chosen(CONTENDERS, config, ("nnunet",)) == ["brats3d", "nnunet"]
        assert left_out(config, ("nnunet",)) == []

    def test_a_choice_needs_nothing_that_was_not_chosen(self) -> None:
        config = BenchmarkConfig(contenders=("brats3d",))
        assert chosen(CONTENDERS, config, ("nnunet",)) == ["brats3d"]
        assert left_out(config, ("nnunet",)) == []

    def test_what_is_asked_for_is_needed(self) -> None:
        with pytest.raises(ConfigError, match="no path"):
            chosen(CONTENDERS, BenchmarkConfig(contenders=("nnunet",)), ("nnunet",))
        with pytest.raises(ConfigError, match="which is no program"):
            chosen(CONTENDERS, BenchmarkConfig(nnunet_python="no/such/python"), ("nnunet",))


class TestDataSet:
    def test_images_are_linked_and_label_values_are_consecutive(self, tmp_path: Path) -> None:
        write_phantoms(tmp_path / "data", cases=2, size=(32, 32, 32))
        cases = discover(tmp_path / "data").cases
        content = write_raw(cases, tmp_path / "raw", MODALITIES)
        assert content == json.loads((tmp_path / "raw" / "dataset.json").read_text(encoding="utf-8"))
        assert content["numTraining"] == 2
        for case in cases:
            for number, modality in enumerate(MODALITIES):
                file = tmp_path / "raw" / "imagesTr" / f"{case.case_id}_{number:04d}.nii.gz"
                assert file.is_symlink()
                assert file.samefile(case.images[modality])
            labels, _ = read_volume(tmp_path / "raw" / "labelsTr" / f"{case.case_id}.nii.gz")
            theirs, _ = read_volume(case.label)
            regions = case.convention.to_regions(theirs.astype(np.uint8))
            for name, own in zip(case.convention.region_names, regions, strict=True):
                values = {"ET": (3,), "TC": (2, 3), "WT": (1, 2, 3)}[name]
                assert np.array_equal(np.isin(labels, values), own)

    def test_what_cannot_be_linked_is_copied(self, tmp_path: Path) -> None:
        size, generator = (4, 5, 6), np.random.default_rng(0)
        geometry = Geometry(size, np.diag([1.0, 1.0, 2.0, 1.0]))
        volumes = generator.normal(size=(*size, 2)).astype(np.float32)
        write_image(tmp_path / "both.nii.gz", volumes, geometry, overwrite=False)
        write_image(tmp_path / "t2.nii", volumes[..., 0] + 1, geometry, overwrite=False)
        write_label_map(tmp_path / "seg.nii.gz", np.zeros(size, np.uint8), geometry, overwrite=False)
        case = Case(
            "one",
            "one",
            {"t1": tmp_path / "both.nii.gz", "flair": tmp_path / "both.nii.gz", "t2": tmp_path / "t2.nii"},
            convention_named("brats2023"),
            label=tmp_path / "seg.nii.gz",
            channels={"t1": 0, "flair": 1},
        )
        write_raw([case], tmp_path / "raw", ("t1", "flair", "t2"))
        for number, expected in enumerate((volumes[..., 0], volumes[..., 1], volumes[..., 0] + 1)):
            found, at = read_volume(tmp_path / "raw" / "imagesTr" / f"one_{number:04d}.nii.gz")
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_allclose(at.affine, geometry.affine)
