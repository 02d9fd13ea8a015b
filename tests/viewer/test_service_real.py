"""The service on real MRI."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import brats3d
from brats3d.bundles.predict import predict
from brats3d.config import AppConfig, PredictConfig
from brats3d.viewer import SegmentationService, offered_models


@pytest.mark.real
def test_a_tumour_is_found_and_followed_by_thresholds(real_data: Path, tmp_path: Path) -> None:
    case = brats3d.discover(real_data / "brats2021").cases[0]
    folder = str(next(iter(case.images.values())).parent)
    config = PredictConfig(classical="kmeans.yaml", input=folder, output=str(tmp_path / "p"))
    (expected,) = predict(config)
    with SegmentationService(offered_models(AppConfig(classical=("kmeans.yaml",))), tmp_path) as service:
        job = service.submit(case, "kmeans")
        assert job.wait(300)["state"] == "done"
        np.testing.assert_array_equal(job.result().labels, nib.load(expected).dataobj)
        (_, _, whole_tumour) = job.result().as_dict()["scores"]
        assert whole_tumour["dice"] > 0.8
        sizes = [
            job.result({"WT": threshold}).as_dict()["regions"][2]["voxels"] for threshold in (0.1, 0.5, 0.9)
        ]
        assert sizes == sorted(sizes, reverse=True)
        box, _ = job.result().outcome.classes_at(tuple(job.result().thresholds.items()))
        assert np.prod([span.stop - span.start for span in box]) < 0.2 * 240 * 240 * 155
