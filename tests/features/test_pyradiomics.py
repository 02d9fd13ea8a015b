"""Agreement with pyradiomics where its definitions are those of the IBSI.

They differ in: axis lengths (its covariance is divided by N, not N - 1), kurtosis (3 is not subtracted).
Where voxels of a region touch by an edge or a corner only, marching cubes may join or part them: here the
tables of Lewiner are used, there others, and meshes of ragged regions differ. With ``force2D`` pyradiomics
merges slices and averages directions. ``pyradiomics_values.json`` has what version 3.0.1
gave for the pattern of ``conftest.py``, and for the tumour core in the T1ce image of a case of BraTS 2021.
"""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from brats3d.data.phantom import make_phantom
from brats3d.features import Discretisation, FeatureSettings, case_features
from brats3d.imaging import Geometry, read_volume, write_image, write_label_map
from brats3d.labels import CONVENTIONS

Pattern = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]
Values = dict[str, float]
RECORDED = json.loads(Path(__file__).with_name("pyradiomics_values.json").read_text())
BINS = 32

SHAPE = {
    "MeshVolume": "volume_mesh",
    "VoxelVolume": "volume_voxels",
    "SurfaceArea": "surface_area",
    "SurfaceVolumeRatio": "surface_to_volume_ratio",
    "Sphericity": "sphericity",
    "Maximum3DDiameter": "maximum_3d_diameter",
    "Elongation": "elongation",
    "Flatness": "flatness",
}
MESHED = ("MeshVolume", "SurfaceArea", "SurfaceVolumeRatio", "Sphericity")
AXES = {name: f"{name.lower()}_axis_length" for name in ("Major", "Minor", "Least")}
FIRST_ORDER = {
    "Mean": "stat_mean",
    "Variance": "stat_variance",
    "Skewness": "stat_skewness",
    "Median": "stat_median",
    "Minimum": "stat_minimum",
    "10Percentile": "stat_percentile_10",
    "90Percentile": "stat_percentile_90",
    "Maximum": "stat_maximum",
    "InterquartileRange": "stat_interquartile_range",
    "Range": "stat_range",
    "MeanAbsoluteDeviation": "stat_mean_absolute_deviation",
    "RobustMeanAbsoluteDeviation": "stat_robust_mean_absolute_deviation",
    "Energy": "stat_energy",
    "RootMeanSquared": "stat_root_mean_square",
    "Entropy": "ih_entropy",
    "Uniformity": "ih_uniformity",
}
GLCM = {
    "MaximumProbability": "joint_maximum",
    "JointAverage": "joint_average",
    "SumSquares": "joint_variance",
    "JointEntropy": "joint_entropy",
    "DifferenceAverage": "difference_average",
    "DifferenceVariance": "difference_variance",
    "DifferenceEntropy": "difference_entropy",
    "SumEntropy": "sum_entropy",
    "JointEnergy": "angular_second_moment",
    "Contrast": "contrast",
    "Id": "inverse_difference",
    "Idn": "inverse_difference_normalised",
    "Idm": "inverse_difference_moment",
    "Idmn": "inverse_difference_moment_normalised",
    "InverseVariance": "inverse_variance",
    "Correlation": "correlation",
    "Autocorrelation": "autocorrelation",
    "ClusterTendency": "cluster_tendency",
    "ClusterShade": "cluster_shade",
    "ClusterProminence": "cluster_prominence",
    "Imc1": "information_correlation_1",
    "Imc2": "information_correlation_2",
}


def ours(image: NDArray[np.float32], mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> Values:
    settings = FeatureSettings(
        discretisation=Discretisation(bins=BINS), glcm=("3d_averaged", "25d_direction_merged")
    )
    return {
        row.feature: row.value for row in case_features({"TC": mask}, {"t1ce": image}, affine, settings).rows
    }


def check_agreement(found: Values, theirs: dict[str, Values], *, mesh_tolerance: float = 1e-9) -> None:
    volume, slices = theirs["3d"], theirs["2d"]
    for their_name, name in SHAPE.items():
        tolerance = mesh_tolerance if their_name in MESHED else 1e-9
        assert found[f"morph_{name}"] == pytest.approx(volume[f"shape_{their_name}"], rel=tolerance), name
    by_samples = math.sqrt(found["morph_voxels"] / (found["morph_voxels"] - 1))
    for their_name, name in AXES.items():
        expected = volume[f"shape_{their_name}AxisLength"] * by_samples
        assert found[f"morph_{name}"] == pytest.approx(expected, rel=1e-9), name
    for their_name, name in FIRST_ORDER.items():
        assert found[name] == pytest.approx(volume[f"firstorder_{their_name}"], rel=1e-6), name
    assert found["stat_kurtosis"] == pytest.approx(volume["firstorder_Kurtosis"] - 3, rel=1e-6)
    for aggregation, values in (("3d_averaged", volume), ("25d_direction_merged", slices)):
        for their_name, name in GLCM.items():
            expected = values[f"glcm_{their_name}"]
            assert found[f"cm_{name}_{aggregation}"] == pytest.approx(expected, rel=1e-7), name


def theirs(
    python: str,
    folder: Path,
    image: NDArray[np.float32],
    mask: NDArray[np.bool_],
    affine: NDArray[np.float64],
) -> dict[str, Values]:
    x, y, z = mask.shape
    geometry = Geometry((x, y, z), affine)
    files = folder / "image.nii.gz", folder / "mask.nii.gz"
    write_image(files[0], image, geometry, overwrite=True)
    write_label_map(files[1], mask.astype(np.uint8), geometry, overwrite=True)
    script = Path(__file__).with_name("run_pyradiomics.py")
    return {
        dimensions: json.loads(
            subprocess.run(
                [python, script, *files, str(BINS), dimensions], check=True, capture_output=True
            ).stdout
        )
        for dimensions in ("3d", "2d")
    }


def tumour_core(real_data: Path) -> Pattern:
    folder = real_data / "brats2021" / "BraTS2021_00006"
    image, geometry = read_volume(folder / "BraTS2021_00006_t1ce.nii.gz")
    labels = read_volume(folder / "BraTS2021_00006_seg.nii.gz")[0]
    return image, (labels == 1) | (labels == 4), geometry.affine


def test_pattern_has_the_recorded_values(pattern: Pattern) -> None:
    check_agreement(ours(*pattern), RECORDED["pattern"])


@pytest.mark.real
def test_real_tumour_core_has_the_recorded_values(real_data: Path) -> None:
    check_agreement(ours(*tumour_core(real_data)), RECORDED["BraTS2021_00006 TC t1ce"])


def test_pattern_agrees(pattern: Pattern, pyradiomics_python: str, tmp_path: Path) -> None:
    found = theirs(pyradiomics_python, tmp_path, *pattern)
    for dimensions, values in RECORDED["pattern"].items():
        assert {name: found[dimensions][name] for name in values} == pytest.approx(values)
    check_agreement(ours(*pattern), found)


@pytest.mark.parametrize(("region", "mesh_tolerance"), [(0, 0.15), (1, 1e-9), (2, 0.01)])
def test_phantom_agrees(region: int, mesh_tolerance: float, pyradiomics_python: str, tmp_path: Path) -> None:
    phantom = make_phantom(seed=5, size=(48, 48, 48), spacing_mm=(3.0, 3.0, 4.0))
    mask = CONVENTIONS["brats2017"].to_regions(phantom.labels)[region]
    case = phantom.images["t1ce"], mask, phantom.geometry.affine
    check_agreement(ours(*case), theirs(pyradiomics_python, tmp_path, *case), mesh_tolerance=mesh_tolerance)


@pytest.mark.real
def test_real_tumour_core_agrees(real_data: Path, pyradiomics_python: str, tmp_path: Path) -> None:
    case = tumour_core(real_data)
    check_agreement(ours(*case), theirs(pyradiomics_python, tmp_path, *case))
