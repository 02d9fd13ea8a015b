"""Phantoms: anatomy, tumour, contrasts, reproducibility."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.cases import MODALITIES
from brats3d.data.phantom import Phantom, PhantomParameters, make_phantom
from brats3d.errors import ConfigError
from brats3d.labels import CONVENTIONS

CONVENTION = CONVENTIONS["brats2017"]
CSF, GREY, WHITE = 1, 2, 3
ENHANCING = PhantomParameters(probability_without_et=0.0)
PROPERTIES = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 2**63)
sizes = st.tuples(*[st.integers(32, 56)] * 3)


@cache
def phantom(seed: int = 3, side: int = 64, parameters: PhantomParameters = ENHANCING) -> Phantom:
    return make_phantom(seed, (side,) * 3, parameters=parameters)


def regions(made: Phantom) -> dict[str, np.ndarray]:
    return dict(zip(CONVENTION.region_names, CONVENTION.to_regions(made.labels), strict=True))


def fingerprint(made: Phantom) -> str:
    digest = hashlib.sha256()
    for array in (*made.images.values(), made.labels, made.brain, made.tissue, made.geometry.affine):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@PROPERTIES
@given(seed=seeds, size=sizes)
def test_any_seed_and_size_gives_a_sane_case(seed: int, size: tuple[int, int, int]) -> None:
    made = make_phantom(seed, size)
    masks = regions(made)
    assert tuple(made.images) == MODALITIES
    assert made.geometry.shape == made.brain.shape == made.labels.shape == size
    assert set(np.unique(made.labels)) <= {0, *CONVENTION.tissues}
    assert masks["WT"].any()
    assert not (masks["WT"] & ~made.brain).any()
    assert not (masks["ET"] & ~masks["TC"]).any()
    assert not (masks["TC"] & ~masks["WT"]).any()
    for image in made.images.values():
        assert image.dtype == np.float32
        assert image.shape == size
        np.testing.assert_array_equal(image > 0, made.brain)
        np.testing.assert_array_equal(image, np.rint(image))
        assert image.max() <= np.iinfo(np.int16).max


@PROPERTIES
@given(seed=seeds)
def test_tissue_covers_the_brain_outside_the_tumour(seed: int) -> None:
    made = make_phantom(seed, (40, 40, 40))
    np.testing.assert_array_equal(made.tissue > 0, made.brain & (made.labels == 0))


@PROPERTIES
@given(seed=seeds, other=seeds)
def test_seed_reproduces_and_another_seed_differs(seed: int, other: int) -> None:
    first = make_phantom(seed, (32, 32, 32))
    assert fingerprint(first) == fingerprint(make_phantom(seed, (32, 32, 32)))
    if seed != other:
        second = make_phantom(other, (32, 32, 32))
        assert (first.brain != second.brain).any()
        assert (first.images["t1"] != second.images["t1"]).any()


def test_another_process_makes_the_same_voxels() -> None:
    program = (
        "import hashlib, numpy as np\n"
        "from brats3d.data.phantom import make_phantom\n"
        "made = make_phantom(11, (32, 40, 36))\n"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in made.images.values())).hexdigest())\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    made = make_phantom(11, (32, 40, 36))
    expected = hashlib.sha256(b"".join(image.tobytes() for image in made.images.values())).hexdigest()
    assert result.stdout.strip() == expected


def test_the_global_generator_is_left_alone() -> None:
    np.random.seed(5)  # noqa: NPY002 - the legacy global state is what must not be touched
    expected = np.random.get_state()[1]  # noqa: NPY002
    make_phantom(0, (32, 32, 32))
    np.testing.assert_array_equal(np.random.get_state()[1], expected)  # noqa: NPY002


def test_parameters_change_the_phantom() -> None:
    assert fingerprint(phantom()) != fingerprint(phantom(parameters=replace(ENHANCING, texture=0.1)))


def test_a_seed_keeps_its_anatomy_at_every_size() -> None:
    small, large = phantom(side=48), phantom(side=96)
    for mask in ("ET", "TC", "WT"):
        fine = regions(large)[mask].reshape(48, 2, 48, 2, 48, 2).mean(axis=(1, 3, 5)) > 0.5
        coarse = regions(small)[mask]
        assert 2 * (fine & coarse).sum() / (fine.sum() + coarse.sum()) > 0.8, mask


def test_the_next_visit_is_the_same_patient_with_a_larger_tumour() -> None:
    first, second = phantom(), make_phantom(3, (64, 64, 64), parameters=ENHANCING, visit=1)
    np.testing.assert_array_equal(first.brain, second.brain)
    assert (second.labels > 0).sum() > (first.labels > 0).sum()
    assert (first.images["t2"] != second.images["t2"]).any()


@pytest.mark.parametrize("seed", range(4))
def test_healthy_contrasts(seed: int) -> None:
    made = phantom(seed)
    mean = {
        modality: {t: float(np.median(image[made.tissue == t])) for t in (CSF, GREY, WHITE)}
        for modality, image in made.images.items()
    }
    for modality in ("t1", "t1ce"):
        assert mean[modality][WHITE] > mean[modality][GREY] > mean[modality][CSF]
    assert mean["t2"][CSF] > mean["t2"][GREY] > mean["t2"][WHITE]
    assert mean["flair"][GREY] > mean["flair"][WHITE] > mean["flair"][CSF]


@pytest.mark.parametrize("seed", range(4))
def test_tumour_contrasts(seed: int) -> None:
    made = phantom(seed)
    masks = regions(made)
    et, ncr, ed = masks["ET"], masks["TC"] & ~masks["ET"], masks["WT"] & ~masks["TC"]
    white = made.tissue == WHITE

    def median(modality: str, mask: np.ndarray) -> float:
        return float(np.median(made.images[modality][mask]))

    assert median("t1ce", et) > 1.3 * median("t1ce", white)
    assert median("t1", et) < median("t1", white)
    for modality in ("t1", "t1ce"):
        assert median(modality, ncr) < 0.8 * median(modality, white)
    for modality in ("t2", "flair"):
        assert median(modality, ed) > 1.3 * median(modality, white)
    assert median("flair", ed) > median("flair", et) > median("flair", ncr)


def test_a_tumour_without_et() -> None:
    made = phantom(parameters=PhantomParameters(probability_without_et=1.0))
    masks = regions(made)
    assert not masks["ET"].any()
    assert masks["TC"].any()
    white = np.median(made.images["t1ce"][made.tissue == WHITE])
    assert np.median(made.images["t1ce"][masks["TC"]]) < 0.8 * white


def test_more_foci_make_more_cores() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")

    def cores(probability: float) -> int:
        chosen = PhantomParameters(probability_multifocal=probability)
        return sum(ndimage.label(regions(phantom(s, 48, chosen))["TC"])[1] for s in range(6))

    assert cores(0.0) == 6
    assert cores(1.0) >= 10


def test_default_tumours_are_large_enough_to_learn_from() -> None:
    shares = {"WT": [], "TC": [], "ET": []}
    for seed in range(12):
        made = phantom(seed)
        for name, mask in regions(made).items():
            shares[name].append(mask.sum() / made.brain.sum())
    assert 0.03 < np.min(shares["WT"])
    assert np.max(shares["WT"]) < 0.16
    assert np.median(shares["TC"]) > 0.01
    assert np.median(shares["ET"]) > 0.008


def test_oedema_prefers_white_matter() -> None:
    kept = replace(ENHANCING, oedema_mm=(0.0, 0.0))
    swollen = replace(ENHANCING, oedema_mm=(14.0, 14.0))
    before, after = phantom(5, 64, kept), phantom(5, 64, swollen)
    near = after.labels > 0
    share = {t: near[before.tissue == t].mean() for t in (GREY, WHITE)}
    assert share[WHITE] > 1.5 * share[GREY]


def test_noise_grows_with_its_parameter() -> None:
    quiet = replace(ENHANCING, noise=(0.0, 0.0), texture=0.0, bias=0.0)
    loud = replace(quiet, noise=(0.1, 0.1))

    def spread(parameters: PhantomParameters) -> float:
        made = phantom(4, 64, parameters)
        values = made.images["t1"][made.tissue == WHITE]
        return float(values.std() / values.mean())

    assert spread(loud) > spread(quiet) + 0.03


def test_the_head_fills_every_size() -> None:
    for size in ((64, 64, 64), (48, 80, 60), (96, 48, 48)):
        brain = make_phantom(2, size).brain
        extent = [np.ptp(np.flatnonzero(brain.any(axis=axes))) + 1 for axes in ((1, 2), (0, 2), (0, 1))]
        assert max(n / m for n, m in zip(extent, size, strict=True)) > 0.85


def test_geometry_is_that_of_brats() -> None:
    made = make_phantom(0, (64, 64, 64), spacing_mm=(1.0, 1.0, 1.0))
    np.testing.assert_array_equal(made.geometry.affine[:3, :3], np.diag([-1.0, -1.0, 1.0]))
    np.testing.assert_array_equal(made.geometry.affine[:3, 3], [0.0, 63.0, 0.0])
    sides = phantom().geometry.spacing_mm
    assert sides[0] == pytest.approx(sides[1]) == pytest.approx(sides[2])
    assert 1000 < phantom().brain.sum() * phantom().geometry.voxel_volume_ml < 1900


def test_thick_slices_fill_the_volume() -> None:
    made = make_phantom(0, (64, 64, 32), spacing_mm=(1.0, 1.0, 2.0))
    assert made.geometry.spacing_mm == pytest.approx((1.0, 1.0, 2.0))
    assert np.ptp(np.flatnonzero(made.brain.any(axis=(0, 1)))) > 20


def test_array_axes_run_to_the_left_back_and_top() -> None:
    # Cerebellum and brain stem lie at low z, high y.
    brain = phantom().brain
    bottom = np.flatnonzero(brain.any(axis=(0, 1)))[0] + 4
    assert np.mean(np.nonzero(brain[:, :, bottom])[1]) > 34


@pytest.mark.parametrize(
    "changes",
    [
        {"core_radius_mm": (20.0, 10.0)},
        {"core_radius_mm": (1.0, 10.0)},
        {"noise": (0.0, float("nan"))},
        {"probability_multifocal": 1.5},
        {"gain": 300.0},
        {"bias": (0.1, 0.2)},
        {"rim_mm": (7.0,)},
        {"texture": -0.1},
    ],
)
def test_parameters_out_of_range_are_named(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        PhantomParameters(**changes)


@pytest.mark.parametrize("size", [(31, 64, 64), (64, 64), (64, 64, 64, 4)])
def test_impossible_sizes_are_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="size"):
        make_phantom(0, size)


def test_other_impossible_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="seed"):
        make_phantom(-1, (32, 32, 32))
    with pytest.raises(ConfigError, match="visit"):
        make_phantom(0, (32, 32, 32), visit=-1)
    with pytest.raises(ConfigError, match="voxel size"):
        make_phantom(0, (32, 32, 32), spacing_mm=(1.0, 0.0, 1.0))
