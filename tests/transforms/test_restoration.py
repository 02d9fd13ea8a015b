from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.cases import Case
from brats3d.imaging import Geometry
from brats3d.labels import CONVENTIONS
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.transforms.resampling import resample_classes, resample_linear, shape_at_spacing
from brats3d.transforms.restoration import Restoration, plan_restoration

ORIENTATIONS = [
    "".join(letters)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*axes)
]


def affine_of(orientation: str, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (letter, size) in enumerate(zip(orientation, spacing, strict=True)):
        row = [letter in pair for pair in ("RL", "AP", "SI")].index(True)
        affine[row, axis] = size if letter in "RAS" else -size
    affine[:3, 3] = (12.5, -3.0, 40.0)
    return affine


@st.composite
def written_cases(draw: st.DrawFn) -> tuple[np.ndarray, str, str, int, tuple[float, float, float]]:
    shape = tuple(draw(st.integers(6, 14)) for _ in range(3))
    volume = np.full(shape, draw(st.sampled_from([0.0, -2.0])), dtype=np.float32)
    box = []
    for side in shape:
        start = draw(st.integers(1, side - 4))
        box.append(slice(start, draw(st.integers(start + 2, side - 1))))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    volume[tuple(box)] = generator.normal(50, 5, volume[tuple(box)].shape)
    spacing = tuple(draw(st.sampled_from([0.5, 1.0, 2.0])) for _ in range(3))
    return (
        volume,
        draw(st.sampled_from(ORIENTATIONS)),
        draw(st.sampled_from(ORIENTATIONS)),
        draw(st.integers(0, 3)),
        spacing,  # type: ignore[return-value]
    )


def write(folder: str, volume: np.ndarray, affine: np.ndarray) -> Case:
    path, label = Path(folder) / "t1.nii", Path(folder) / "seg.nii"
    nib.save(nib.Nifti1Image(volume, affine), path)
    codes = np.arange(volume.size, dtype=np.int64).reshape(volume.shape) % 3
    nib.save(nib.Nifti1Image(codes.astype(np.uint8), affine), label)
    return Case("a", "a", {"t1": path}, CONVENTIONS["brats2017"], label=label)


class TestRoundTrip:
    @settings(deadline=None, max_examples=40)
    @given(written_cases())
    def test_exact_for_any_orientation_and_crop(self, drawn):
        volume, stored, wanted, margin, spacing = drawn
        affine = affine_of(stored, spacing)
        with tempfile.TemporaryDirectory() as folder:
            case = write(folder, volume, affine)
            prepared = Preprocessing(
                modalities=("t1",), orientation=wanted, margin_voxels=margin, normalise="none"
            ).prepare(case, with_label=True)
            codes = case.convention.to_classes(nib.load(case.label).get_fdata().astype(np.uint8))
        way_back = Restoration.from_dict(json.loads(json.dumps(prepared.restoration.to_dict())))
        assert way_back == prepared.restoration
        assert way_back.geometry.difference(Geometry(volume.shape, affine)) is None
        # Without normalisation only the background changes, to zero.
        background = volume[0, 0, 0]
        expected = np.where(volume == background, 0, volume)
        np.testing.assert_array_equal(way_back.restore(prepared.image), expected[None])
        inside = way_back.restore(np.ones(prepared.brain.shape, dtype=bool), order=0)
        np.testing.assert_array_equal(way_back.restore(prepared.classes, order=0), np.where(inside, codes, 0))
        assert "".join(nib.aff2axcodes(way_back.prepared_geometry.affine)) == wanted

    @settings(deadline=None, max_examples=40)
    @given(written_cases())
    def test_prepared_geometry_places_voxels_where_they_were(self, drawn):
        volume, stored, wanted, _, spacing = drawn
        affine = affine_of(stored, spacing)
        # Voxel values that say where each voxel lies, through the file's own affine.
        index = np.stack(np.meshgrid(*[np.arange(side) for side in volume.shape], indexing="ij"))
        place = np.einsum("ij,jxyz->ixyz", affine[:3, :3], index) + affine[:3, 3].reshape(3, 1, 1, 1)
        with tempfile.TemporaryDirectory() as folder:
            case = write(folder, volume, affine)
            found = Preprocessing(modalities=("t1",), orientation=wanted).prepare(case, with_label=False)
        geometry = found.restoration.prepared_geometry
        inner = np.stack(np.meshgrid(*[np.arange(side) for side in geometry.shape], indexing="ij"))
        claimed = np.einsum("ij,jxyz->ixyz", geometry.affine[:3, :3], inner)
        claimed += geometry.affine[:3, 3].reshape(3, 1, 1, 1)
        inside = found.restoration.restore(np.ones(geometry.shape, dtype=bool), order=0)
        np.testing.assert_allclose(found.restoration.restore(claimed), np.where(inside, place, 0), atol=1e-4)

    def test_oblique_affine(self, tmp_path):
        angle = np.deg2rad(20)
        affine = affine_of("LPS")
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        affine[:3, :3] = turn @ affine[:3, :3]
        volume = np.zeros((8, 9, 10), dtype=np.float32)
        volume[2:6, 2:7, 3:8] = np.random.default_rng(0).normal(9, 1, (4, 5, 5))
        case = write(str(tmp_path), volume, affine)
        prepared = Preprocessing(modalities=("t1",), normalise="none").prepare(case, with_label=False)
        np.testing.assert_array_equal(prepared.restoration.restore(prepared.image)[0], volume)
        assert prepared.restoration.prepared_geometry.voxel_volume_ml == pytest.approx(1e-3)

    def test_prepared_geometry_of_a_resampled_case(self):
        geometry = Geometry((20, 20, 20), affine_of("LPS", (1.0, 1.0, 2.0)))
        plan = plan_restoration(geometry, "RAS", (4, 2, 0), (14, 18, 20), (5, 8, 20))
        np.testing.assert_allclose(plan.prepared_geometry.spacing_mm, (2, 2, 2))
        # The outer face of the box stays: first voxel of the box lies 0.5 mm before the new centre.
        fine = plan_restoration(geometry, "RAS", (4, 2, 0), (14, 18, 20), (10, 16, 20)).prepared_geometry
        shift = plan.prepared_geometry.affine[:3, 3] - fine.affine[:3, 3]
        np.testing.assert_allclose(shift, (0.5, 0.5, 0))


class TestResampledRoundTrip:
    def test_analytic_ramp(self):
        # A linear function survives linear interpolation, away from the faces of the box.
        geometry = Geometry((30, 28, 26), affine_of("RAS"))
        plan = plan_restoration(geometry, "RAS", (2, 3, 4), (26, 27, 24), (12, 12, 10))
        coarse, fine = plan.prepared_geometry, plan.geometry

        def ramp(geometry: Geometry) -> np.ndarray:
            index = np.stack(np.meshgrid(*[np.arange(side) for side in geometry.shape], indexing="ij"))
            place = np.einsum("ij,jxyz->ixyz", geometry.affine[:3, :3], index)
            place += geometry.affine[:3, 3].reshape(3, 1, 1, 1)
            return (place[0] + 2 * place[1] - 0.5 * place[2]).astype(np.float32)

        restored = plan.restore(ramp(coarse)[None])[0]
        inner = (slice(4, 24), slice(5, 25), slice(6, 22))
        np.testing.assert_allclose(restored[inner], ramp(fine)[inner], atol=1e-3)
        assert not restored[:2].any()

    def test_ramp_through_downsampling(self):
        ramp = np.broadcast_to(np.arange(24, dtype=np.float32), (1, 8, 8, 24))
        for target in (24, 12, 8, 6, 48):
            factor = 24 / target
            centres = (np.arange(target) + 0.5) * factor - 0.5
            inner = slice(2, -2)
            found = resample_linear(ramp, (8, 8, target))[0, 4, 4]
            np.testing.assert_allclose(found[inner], centres[inner], atol=1e-4)

    @settings(deadline=None, max_examples=20)
    @given(st.tuples(*[st.integers(2, 9)] * 3), st.tuples(*[st.integers(0, 7)] * 3), st.integers(0, 99))
    def test_refining_equals_torch_trilinear(self, shape, more, seed):
        volume = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
        finer = tuple(side + extra for side, extra in zip(shape, more, strict=True))
        expected = torch.nn.functional.interpolate(torch.from_numpy(volume)[None], finer, mode="trilinear")[0]
        np.testing.assert_allclose(resample_linear(volume, finer), expected, atol=1e-5)

    def test_classes_are_not_shifted(self):
        classes = np.zeros((1, 16, 16, 16), dtype=np.uint8)
        classes[:, 4:12, 4:12, 4:12] = 2
        coarse = resample_classes(classes, (8, 8, 8))
        expected = np.zeros((1, 8, 8, 8), dtype=np.uint8)
        expected[:, 2:6, 2:6, 2:6] = 2
        # Corners of a cube lose some weight to the filter; the faces stay where they are.
        np.testing.assert_array_equal(coarse[0, 4], expected[0, 4] * (coarse[0, 4] > 0))
        assert coarse.dtype == np.uint8
        np.testing.assert_array_equal(coarse, coarse[:, ::-1, ::-1, ::-1])
        assert abs(int((coarse > 0).sum()) - 64) <= 8

    def test_masks_and_classes_come_back(self):
        geometry = Geometry((20, 20, 20), affine_of("ILP"))
        plan = plan_restoration(geometry, "RAS", (2, 2, 2), (18, 18, 18), (8, 8, 8))
        mask = np.zeros((2, 8, 8, 8), dtype=bool)
        mask[1, 2:6, 2:6, 2:6] = True
        restored = plan.restore(mask, order=0)
        assert restored.dtype == bool
        assert restored.shape == (2, 20, 20, 20)
        assert not restored[0].any()
        assert abs(int(restored[1].sum()) - 512) < 80

    def test_half_precision_probabilities(self):
        geometry = Geometry((10, 10, 10), affine_of("RAS"))
        plan = plan_restoration(geometry, "RAS", (0, 0, 0), (10, 10, 10), (5, 5, 5))
        restored = plan.restore(np.full((3, 5, 5, 5), 0.25, dtype=np.float16))
        assert restored.dtype == np.float32
        np.testing.assert_allclose(restored, 0.25)

    def test_shape_at_spacing(self):
        assert shape_at_spacing((240, 240, 155), (1, 1, 1), (2, 2, 2)) == (120, 120, 78)
        assert shape_at_spacing((3, 10, 10), (1, 1, 5), (9, 1, 1)) == (1, 10, 50)


def test_wrong_grid_is_our_own_mistake():
    plan = plan_restoration(Geometry((9, 9, 9), np.eye(4)), "RAS", (0, 0, 0), (9, 9, 9), (9, 9, 9))
    with pytest.raises(AssertionError):
        plan.restore(np.zeros((1, 8, 9, 9), dtype=np.float32))
