from __future__ import annotations

import dataclasses
import pickle
import sys

import nibabel as nib
import numpy as np
import pytest

from brats3d.cases import MODALITIES, Case
from brats3d.errors import ConfigError, DataError, LabelError, MissingExtraError
from brats3d.labels import CONVENTIONS
from brats3d.transforms.brain import background_constant, find_brain, with_holes_filled, without_specks
from brats3d.transforms.normalisation import NormaliseInBraind
from brats3d.transforms.preprocessing import Preprocessing

SHAPE = (24, 20, 16)


def ball() -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(side) for side in SHAPE], indexing="ij"))
    return ((grid - np.array([11, 9, 7]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 36


class TestResult:
    def test_crops_to_brain_and_turns_to_ras(self, make_case):
        prepared = Preprocessing().prepare(make_case(), with_label=True)
        inside = ball()
        box = tuple(
            slice(
                np.flatnonzero(inside.any(axis=other)).min(), np.flatnonzero(inside.any(axis=other)).max() + 1
            )
            for other in ((1, 2), (0, 2), (0, 1))
        )
        # The files point left and posterior, so both axes are reversed.
        np.testing.assert_array_equal(prepared.brain, inside[box][::-1, ::-1])
        assert prepared.image.shape == (4, *prepared.brain.shape)
        assert prepared.image.dtype == np.float32
        assert prepared.image.flags.c_contiguous
        assert nib.aff2axcodes(prepared.restoration.prepared_geometry.affine) == ("R", "A", "S")

    @pytest.mark.parametrize("background", [0.0, -3.16, 1000.0])
    def test_zscore_inside_the_brain_whatever_the_background(self, make_case, background):
        prepared = Preprocessing().prepare(make_case(background=background), with_label=False)
        assert prepared.brain.sum() == ball().sum()
        for channel in prepared.image:
            assert channel[prepared.brain].mean() == pytest.approx(0, abs=1e-5)
            assert channel[prepared.brain].std() == pytest.approx(1, abs=1e-5)
            assert not channel[~prepared.brain].any()

    def test_robust_normalisation_is_that_of_the_healthy_part(self):
        rng = np.random.default_rng(0)
        image = rng.normal(500, 40, (1, 30, 30, 30)).astype(np.float32)
        image[:, :12, :20, :20] += 400  # a bright tumour in a sixth of the brain
        view = np.ones((1, 30, 30, 30), dtype=bool)
        healthy = np.ones((30, 30, 30), dtype=bool)
        healthy[:12, :20, :20] = False
        found = {
            method: NormaliseInBraind(method, None)({"image": image, "fields_of_view": view})["image"][0]
            for method in ("robust", "zscore")
        }
        assert abs(found["robust"][healthy].mean()) < 0.3
        assert 0.7 < found["robust"][healthy].std() < 1.0
        assert found["zscore"][healthy].std() < 0.3

    def test_robust_normalisation_of_an_image_of_two_values(self):
        image = np.zeros((1, 4, 4, 4), dtype=np.float32)
        image[0, 0, 0] = 5.0
        view = np.ones_like(image, dtype=bool)
        found = NormaliseInBraind("robust", 8.0)({"image": image, "fields_of_view": view})["image"]
        assert np.isfinite(found).all()
        assert found.mean() == pytest.approx(0, abs=1e-5)

    def test_classes_follow_the_convention(self, make_case):
        case = make_case()
        prepared = Preprocessing().prepare(case, with_label=True)
        labels = nib.load(case.label).get_fdata().astype(np.uint8)
        assert prepared.classes.dtype == np.uint8
        np.testing.assert_array_equal(
            prepared.restoration.restore(prepared.classes, order=0), case.convention.to_classes(labels)
        )

    def test_subset_of_modalities_in_the_wanted_order(self, make_case):
        case = make_case()
        both = Preprocessing(modalities=("flair", "t1c")).prepare(case, with_label=False)
        every = Preprocessing().prepare(case, with_label=False)
        np.testing.assert_allclose(both.image, every.image[[3, 1]], atol=1e-5)
        assert both.classes is None

    def test_channels_of_one_4d_file(self, make_case, tmp_path):
        case = make_case()
        stacked = np.stack([nib.load(case.images[m]).get_fdata() for m in reversed(MODALITIES)], axis=-1)
        path = tmp_path / "all.nii.gz"
        nib.save(nib.Nifti1Image(stacked.astype(np.float32), nib.load(case.images["t1"]).affine), path)
        one_file = dataclasses.replace(
            case,
            images=dict.fromkeys(MODALITIES, path),
            channels={m: 3 - i for i, m in enumerate(MODALITIES)},
        )
        expected = Preprocessing().prepare(case, with_label=True)
        got = Preprocessing().prepare(one_file, with_label=True)
        np.testing.assert_array_equal(got.image, expected.image)

    def test_without_crop_and_with_margin(self, make_case):
        case = make_case()
        assert Preprocessing(crop_to_brain=False).prepare(case, with_label=False).brain.shape == SHAPE
        tight = Preprocessing().prepare(case, with_label=False).brain.shape
        wide = Preprocessing(margin_voxels=2).prepare(case, with_label=False).brain.shape
        assert wide == tuple(side + 4 for side in tight)
        # A margin beyond the volume stops at its faces.
        assert Preprocessing(margin_voxels=50).prepare(case, with_label=False).brain.shape == SHAPE

    def test_given_brain_mask_decides(self, make_case):
        mask = np.zeros(SHAPE, dtype=np.uint8)
        mask[8:14, 6:12, 4:10] = 1
        prepared = Preprocessing().prepare(make_case(brain_mask=mask), with_label=False)
        assert prepared.brain.shape == (6, 6, 6)
        assert prepared.brain.all()

    def test_cut_field_of_view_stays_out_of_the_statistics(self, make_case):
        t1 = np.where(ball(), np.random.default_rng(0).normal(50, 5, SHAPE), 0).astype(np.float32)
        t1[:, :, :5] = 0
        prepared = Preprocessing().prepare(make_case(t1=t1), with_label=False)
        seen = prepared.image[0] != 0
        assert 0.5 < seen.sum() / prepared.brain.sum() < 0.95
        assert prepared.image[0][seen].mean() == pytest.approx(0, abs=1e-5)
        assert prepared.image[0][seen].std() == pytest.approx(1, abs=1e-5)

    def test_clip(self, make_case):
        prepared = Preprocessing(clip=1.5).prepare(make_case(), with_label=False)
        assert np.abs(prepared.image).max() == 1.5

    def test_no_normalisation_keeps_intensities(self, make_case):
        prepared = Preprocessing(normalise="none").prepare(make_case(), with_label=False)
        for index, channel in enumerate(prepared.image):
            assert channel[prepared.brain].mean() == pytest.approx(100 * (index + 1), rel=0.02)

    def test_resampling_keeps_extent_and_normalises_after(self, make_case):
        prepared = Preprocessing(spacing_mm=2.0).prepare(make_case(), with_label=True)
        start, stop = np.array(prepared.restoration.box_start), np.array(prepared.restoration.box_stop)
        np.testing.assert_array_equal(prepared.brain.shape, np.round((stop - start) / 2))
        assert prepared.image[2][prepared.brain].std() == pytest.approx(1, abs=1e-4)
        assert prepared.classes.shape == prepared.brain.shape
        assert set(np.unique(prepared.classes)) >= {0, 1, 2}

    def test_same_result_twice_and_in_another_process_state(self, make_case):
        case = make_case()
        settings = Preprocessing(spacing_mm=(1.5, 2, 1))
        first = settings.prepare(case, with_label=True)
        second = pickle.loads(pickle.dumps(settings)).prepare(case, with_label=True)
        np.testing.assert_array_equal(first.image, second.image)


class TestBadInput:
    """Every fault of the files is an error that names the case, the file and what to do."""

    def fails(
        self, case: Case, *needles: str, error: type[DataError] = DataError, **settings: object
    ) -> None:
        with pytest.raises(error) as caught:
            Preprocessing(**settings).prepare(case, with_label=True)  # type: ignore[arg-type]
        assert caught.value.remedy
        for needle in needles:
            assert needle in str(caught.value)

    def test_missing_file(self, make_case):
        case = make_case()
        case.images["t2"].unlink()
        self.fails(case, "file not found", "t2.nii.gz")

    def test_truncated_gzip(self, make_case):
        case = make_case()
        path = case.images["t2"]
        path.write_bytes(path.read_bytes()[:-2000])
        self.fails(case, "cannot read", "t2.nii.gz")

    def test_truncated_label(self, make_case):
        case = make_case()
        case.label.write_bytes(case.label.read_bytes()[:120])
        self.fails(case, "cannot read", "seg.nii.gz")

    @pytest.mark.parametrize(("value", "text"), [(np.nan, "2 NaN and 0 inf"), (-np.inf, "0 NaN and 2 inf")])
    def test_not_finite(self, make_case, value, text):
        t1ce = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
        t1ce[3, 4, 5] = t1ce[6, 4, 5] = value
        self.fails(make_case(t1ce=t1ce), text, "case7", "t1ce.nii.gz")

    def test_infinities_of_both_signs(self, make_case):
        t1ce = np.ones(SHAPE, dtype=np.float32)
        t1ce[3, 4, 5], t1ce[3, 4, 6] = np.inf, -np.inf
        self.fails(make_case(t1ce=t1ce), "0 NaN and 2 infinite")

    @pytest.mark.parametrize("value", [0, 7])
    def test_modality_without_content(self, make_case, value):
        flair = np.full(SHAPE, value, dtype=np.float32)
        self.fails(make_case(flair=flair), "flair", f"all voxels are {value}", "case7")

    def test_shape_differs(self, make_case):
        t2 = np.random.default_rng(0).normal(size=(24, 20, 1)).astype(np.float32)
        self.fails(make_case(t2=t2), "(24, 20, 1)", "(24, 20, 16)", "t2.nii.gz", "t1.nii.gz")

    def test_affine_differs(self, make_case):
        shifted = np.diag([-1.0, -1, 1, 1])
        self.fails(make_case(affines={"flair": shifted}), "origin", "flair.nii.gz")

    def test_label_shape_differs_even_if_headers_are_ignored(self, make_case):
        labels = np.zeros((24, 20, 15), dtype=np.uint8)
        self.fails(make_case(labels=labels), "(24, 20, 15)", label_geometry="trust_array")

    def test_label_header_differs(self, make_case):
        case = make_case(affines={"seg": np.diag([1.0, 1, 1, 1])})
        self.fails(case, "orientation", "seg.nii.gz", "trust_array")
        trusted = Preprocessing(label_geometry="trust_array").prepare(case, with_label=True)
        labels = nib.load(case.label).get_fdata().astype(np.uint8)
        np.testing.assert_array_equal(
            trusted.restoration.restore(trusted.classes, order=0), case.convention.to_classes(labels)
        )

    def test_label_outside_the_convention(self, make_case):
        labels = np.zeros(SHAPE, dtype=np.uint8)
        labels[10, 10, 10] = 3
        self.fails(make_case(labels=labels), "value 3", "brats2023", "seg.nii.gz", error=LabelError)

    def test_label_with_nan(self, make_case):
        labels = np.zeros(SHAPE, dtype=np.float32)
        labels[0, 0, 0] = np.nan
        self.fails(make_case(labels=labels), "1 NaN", "label map")

    def test_label_missing(self, make_case):
        self.fails(dataclasses.replace(make_case(), label=None), "without a label")

    def test_modality_missing(self, make_case):
        case = make_case()
        images = {modality: path for modality, path in case.images.items() if modality != "t1"}
        self.fails(dataclasses.replace(case, images=images), "without t1")

    def test_empty_brain_mask(self, make_case):
        self.fails(make_case(brain_mask=np.zeros(SHAPE, dtype=np.uint8)), "empty brain mask", "brain.nii.gz")


class TestSettings:
    def test_key_is_stable_and_tells_settings_apart(self):
        assert Preprocessing().key() == Preprocessing(modalities=MODALITIES).key()
        assert Preprocessing(spacing_mm=2).key() == Preprocessing(spacing_mm=[2.0, 2.0, 2.0]).key()  # type: ignore[arg-type]
        variants = [
            Preprocessing(),
            Preprocessing(modalities=("flair", "t1ce")),
            Preprocessing(modalities=("t1ce", "flair")),
            Preprocessing(spacing_mm=2),
            Preprocessing(bias_field=True),
            Preprocessing(clip=5),
            Preprocessing(margin_voxels=1),
        ]
        assert len({variant.key() for variant in variants}) == len(variants)
        assert len({*variants, Preprocessing()}) == len(variants)
        assert all(character.isalnum() or character == "-" for character in Preprocessing().key())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"orientation": "RAR"},
            {"orientation": "ras"},
            {"spacing_mm": 0.0},
            {"spacing_mm": (1.0, 2.0)},
            {"margin_voxels": -1},
            {"modalities": ()},
            {"modalities": ("t1", "t1n")},
            {"normalise": "zscor"},
            {"denoise": "mean"},
            {"label_geometry": "trust"},
            {"clip": 0.0},
            {"bias_field_shrink": 0},
        ],
    )
    def test_settings_that_cannot_work(self, wrong):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Preprocessing(**wrong)


class TestBrain:
    def test_background_is_the_common_border_value(self):
        volume = np.full((8, 8, 8), -2.5, dtype=np.float32)
        volume[2:6, 2:6, 2:6] = 1
        assert background_constant(volume) == -2.5
        assert background_constant(np.random.default_rng(0).normal(size=(8, 8, 8))) is None

    def test_image_without_background_is_all_brain(self):
        assert find_brain(np.random.default_rng(0).normal(size=(1, 8, 8, 8))).all()

    def test_any_channel_counts(self):
        image = np.zeros((2, 10, 10, 10), dtype=np.float32)
        image[0, 2:5, 2:8, 2:8] = 1
        image[1, 4:8, 2:8, 2:8] = 1
        expected = np.zeros((10, 10, 10), dtype=bool)
        expected[2:8, 2:8, 2:8] = True
        np.testing.assert_array_equal(find_brain(image), expected)

    def test_holes_and_specks(self):
        image = np.zeros((1, 20, 20, 20), dtype=np.float32)
        image[0, 4:14, 4:14, 4:14] = 1
        image[0, 8:10, 8:10, 8:10] = 0
        image[0, 17, 17, 17] = 1
        expected = np.zeros((20, 20, 20), dtype=bool)
        expected[4:14, 4:14, 4:14] = True
        np.testing.assert_array_equal(find_brain(image), expected)

    def test_brain_touching_a_face_keeps_its_open_side(self):
        mask = np.zeros((6, 6, 6), dtype=bool)
        mask[1:5, 1:5, 0:3] = True
        np.testing.assert_array_equal(with_holes_filled(mask), mask)
        np.testing.assert_array_equal(without_specks(mask), mask)


class TestItk:
    def test_message_without_itk(self, make_case, monkeypatch):
        monkeypatch.setitem(sys.modules, "itk", None)
        for settings in (Preprocessing(bias_field=True), Preprocessing(denoise="curvature_flow")):
            with pytest.raises(MissingExtraError, match=r"pip install .brats3d\[itk\]"):
                settings.prepare(make_case(), with_label=False)

    def test_n4_flattens_a_known_field(self):
        pytest.importorskip("itk")
        from brats3d.transforms.bias_field import log_bias_field

        generator = np.random.default_rng(0)
        x = np.linspace(-1, 1, 40)
        known = np.broadcast_to(0.3 * x[:, None, None], (40, 40, 40))
        tissue = np.where(generator.random((40, 40, 40)) < 0.5, 100.0, 150.0) + generator.normal(
            0, 2, (40, 40, 40)
        )
        mask = np.zeros((40, 40, 40), dtype=bool)
        mask[3:-3, 3:-3, 3:-3] = True
        found = log_bias_field(tissue * np.exp(known) * mask, mask, (1.0, 1.0, 1.0), shrink=2)
        rest = (known - found)[mask]
        assert np.corrcoef(known[mask], found[mask])[0, 1] > 0.95
        assert rest.std() < 0.4 * known[mask].std()

    def test_n4_leaves_a_lesion_bright(self):
        pytest.importorskip("itk")
        from brats3d.transforms.bias_field import log_bias_field

        grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 40)] * 3, indexing="ij"))
        mask = (grid**2).sum(axis=0) < 0.8
        distance = np.linalg.norm(grid - np.reshape([0.35, 0.1, 0.1], (3, 1, 1, 1)), axis=0)
        brighter = 1 + 0.8 / (1 + np.exp((distance - 0.3) / 0.03))
        tissue = np.random.default_rng(0).normal(100, 8, mask.shape) * brighter
        field = log_bias_field(tissue * mask, mask, (4.0, 4.0, 4.0), shrink=1)
        lesion, flattened = mask & (distance < 0.3), tissue * np.exp(-field)
        assert flattened[lesion].mean() / flattened[mask & ~lesion].mean() > 1.5

    @pytest.mark.parametrize("method", ["curvature_flow", "anisotropic_diffusion"])
    def test_denoising_lowers_noise_and_keeps_the_edge(self, method):
        pytest.importorskip("itk")
        from brats3d.transforms.denoising import DENOISERS

        step = np.zeros((20, 20, 20), dtype=np.float32)
        step[10:] = 100
        noisy = step + np.random.default_rng(0).normal(0, 3, step.shape).astype(np.float32)
        smooth = DENOISERS[method](noisy)
        assert smooth.shape == step.shape
        assert smooth[2:8].std() < 0.7 * noisy[2:8].std()
        assert smooth[11].mean() - smooth[8].mean() > 90

    def test_both_steps_in_the_chain(self, make_case):
        pytest.importorskip("itk")
        settings = Preprocessing(
            modalities=("t1",), bias_field=True, bias_field_shrink=1, denoise="curvature_flow"
        )
        prepared = settings.prepare(make_case(background=-4.0), with_label=False)
        assert np.isfinite(prepared.image).all()
        assert prepared.image[0][prepared.brain].std() == pytest.approx(1, abs=1e-5)


def test_float_masks_of_brats2015(make_case):
    labels = np.zeros(SHAPE, dtype=np.float32)
    labels[10:12, 9, 7], labels[12, 9, 7] = 3, 4
    prepared = Preprocessing().prepare(make_case(labels=labels, convention="brats2012"), with_label=True)
    names = CONVENTIONS["brats2012"].class_names
    assert np.unique(prepared.classes).tolist() == [0, names.index("NCR"), names.index("ET")]
