"""The random field against sums over all pairs and all labellings, and on images it should mend."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from brats3d.errors import ConfigError
from brats3d.labels import CONVENTIONS
from brats3d.postprocessing.dense_crf import DenseCrf
from brats3d.postprocessing.refinement import Refinement, classes_of_regions

CRF = DenseCrf(
    iterations=5,
    appearance_weight=2.0,
    appearance_sigma_mm=1.5,
    appearance_sigma_intensity=0.7,
    smoothness_weight=0.8,
    smoothness_sigma_mm=1.0,
    radius_voxels=2,
)
Array = NDArray[np.float64]


def problem(shape: tuple[int, ...], labels: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((labels, *shape), generator=generator), torch.randn((2, *shape), generator=generator)


def couplings(image: Tensor, spacing: tuple[float, ...], crf: DenseCrf) -> Array:
    """Kernel of every pair of voxels, ``(N, N)``, from the definition."""
    shape = image.shape[1:]
    places = np.argwhere(np.ones(shape))
    apart = places[:, None] - places[None]
    ways = np.linalg.norm(apart * np.array(spacing), axis=-1)
    reached = (np.linalg.norm(apart, axis=-1) <= crf.radius_voxels) & (ways > 0)
    reach = np.arange(-crf.radius_voxels, crf.radius_voxels + 1)
    window = np.array(list(itertools.product(reach, repeat=len(shape))))
    window = window[(np.linalg.norm(window, axis=1) <= crf.radius_voxels) & window.any(axis=1)]
    window_ways = np.linalg.norm(window * np.array(spacing), axis=1)
    colours = image.double().flatten(1).numpy()
    unlike = ((colours[:, :, None] - colours[:, None]) ** 2).sum(axis=0)

    def shares(sigma: float) -> Array:
        return np.exp(-(ways**2) / (2 * sigma**2)) / np.exp(-(window_ways**2) / (2 * sigma**2)).sum()

    looks = np.exp(-unlike / (2 * crf.appearance_sigma_intensity**2))
    near = crf.appearance_weight * shares(crf.appearance_sigma_mm) * looks
    return reached * (near + crf.smoothness_weight * shares(crf.smoothness_sigma_mm))


def mean_field(classes: Array, pairs: Array, iterations: int) -> Array:
    """Eq. 4 of the paper with Potts' compatibility: classes ``(K, N)``, one voxel and label at a time."""
    found = classes.copy()
    for _ in range(iterations):
        energies = -np.log(classes)
        for label, voxel in itertools.product(range(len(classes)), range(classes.shape[1])):
            others = [other for other in range(len(classes)) if other != label]
            energies[label, voxel] += sum((pairs[voxel] * found[other]).sum() for other in others)
        found = np.exp(-energies)
        found /= found.sum(axis=0)
    return found


@pytest.mark.parametrize(("shape", "spacing"), [((4, 5), (1.0, 1.0)), ((3, 4, 3), (1.0, 0.7, 2.5))])
class TestAgainstAllPairs:
    def test_classes(self, shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
        probabilities, image = problem(shape, labels=3)
        probabilities = (probabilities + 0.05) / (probabilities + 0.05).sum(dim=0)
        expected = mean_field(
            probabilities.double().flatten(1).numpy(), couplings(image, spacing, CRF), CRF.iterations
        )
        found = CRF.of_classes(probabilities, image, spacing)
        np.testing.assert_allclose(found.flatten(1).numpy(), expected, rtol=1e-4, atol=1e-6)

    def test_regions_are_fields_of_their_own(
        self, shape: tuple[int, ...], spacing: tuple[float, ...]
    ) -> None:
        probabilities, image = problem(shape, labels=2)
        found = CRF.of_regions(probabilities, image, spacing)
        pairs = couplings(image, spacing, CRF)
        for own, region in zip(found, probabilities, strict=True):
            p = region.double().flatten().numpy()
            expected = mean_field(np.stack([1 - p, p]), pairs, CRF.iterations)[1]
            np.testing.assert_allclose(own.flatten().numpy(), expected, rtol=1e-4, atol=1e-6)
            together = CRF.of_classes(torch.stack([1 - region, region]), image, spacing)
            torch.testing.assert_close(together[1], own, rtol=1e-4, atol=1e-5)

    def test_many_updates_come_to_a_fixed_point(
        self, shape: tuple[int, ...], spacing: tuple[float, ...]
    ) -> None:
        probabilities, image = problem(shape)
        crf = replace(CRF, iterations=200, appearance_weight=0.5, smoothness_weight=0.3)
        q = crf.of_regions(probabilities, image, spacing)[0].double().flatten().numpy()
        unary = torch.logit(probabilities.double()).flatten().numpy()
        field = unary + couplings(image, spacing, crf) @ (2 * q - 1)
        np.testing.assert_allclose(q, 1 / (1 + np.exp(-field)), atol=1e-5)


class TestAgainstAllLabellings:
    """Nine voxels of two labels: 512 labellings, whose energies are added up one by one."""

    SPACING = (1.0, 1.0)

    def exact(self, crf: DenseCrf, probabilities: Tensor, image: Tensor) -> tuple[Array, Array, float]:
        """Marginals, best labelling and the logarithm of the partition sum."""
        p = probabilities.double().flatten().numpy()
        pairs = couplings(image, self.SPACING, crf)
        labellings = np.array(list(itertools.product([0, 1], repeat=9)))
        unary = -np.log(np.where(labellings == 1, p, 1 - p)).sum(axis=1)
        differ = labellings[:, :, None] != labellings[:, None]
        energies = unary + (differ * pairs).sum(axis=(1, 2)) / 2
        partition = np.exp(-energies).sum()
        marginals = (np.exp(-energies)[:, None] * labellings).sum(axis=0) / partition
        return marginals, labellings[energies.argmin()], float(np.log(partition))

    def test_marginals_are_close_to_the_exact_ones(self) -> None:
        crf = replace(CRF, iterations=100, appearance_weight=1.2, smoothness_weight=0.6)
        probabilities, image = problem((3, 3), seed=4)
        marginals, _, _ = self.exact(crf, probabilities, image)
        found = crf.of_regions(probabilities, image, self.SPACING).flatten().numpy()
        before = np.abs(probabilities.flatten().numpy() - marginals).max()
        assert np.abs(found - marginals).max() < before / 3
        np.testing.assert_array_equal(found > 0.5, marginals > 0.5)

    def test_the_best_labelling_is_found(self) -> None:
        """Two rows of three look alike and one row otherwise; one voxel of each is labelled wrongly."""
        image = torch.tensor([[0.0] * 3, [0.0] * 3, [5.0] * 3])[None]
        probabilities = torch.tensor([[0.9, 0.9, 0.9], [0.9, 0.35, 0.9], [0.1, 0.1, 0.6]])[None]
        crf = replace(CRF, iterations=20, appearance_weight=6.0, smoothness_weight=0.1)
        _, best, _ = self.exact(crf, probabilities, image)
        np.testing.assert_array_equal(best, [1, 1, 1, 1, 1, 1, 0, 0, 0])
        found = crf.of_regions(probabilities, image, self.SPACING).flatten().numpy()
        np.testing.assert_array_equal(found > 0.5, best == 1)

    def test_the_free_energy_falls_towards_its_bound(self) -> None:
        crf = replace(CRF, iterations=60)
        probabilities, image = problem((3, 3), seed=4)
        _, _, log_partition = self.exact(crf, probabilities, image)
        pairs = couplings(image, self.SPACING, crf)
        p = probabilities.double().flatten().numpy()

        def free_energy(q: Array) -> float:
            unary = -(q * np.log(p) + (1 - q) * np.log(1 - p)).sum()
            disagreement = q[:, None] * (1 - q[None]) + (1 - q[:, None]) * q[None]
            entropy = -(q * np.log(q) + (1 - q) * np.log(1 - q)).sum()
            return float(unary + (disagreement * pairs).sum() / 2 - entropy)

        q = crf.of_regions(probabilities, image, self.SPACING).double().flatten().numpy()
        assert -log_partition <= free_energy(q) < free_energy(p)


def two_regions(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Truth ``(S)``, doubtful probabilities ``(1, *S)`` and a noisy image ``(1, *S)`` that shows it."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.zeros(20, 20, 10, dtype=torch.bool)
    truth[5:15, 4:12, 2:] = True
    image = truth.float() + 0.15 * torch.randn(truth.shape, generator=generator)
    logits = 1.5 * (2 * truth.float() - 1) + 1.5 * torch.randn(truth.shape, generator=generator)
    return truth, torch.sigmoid(logits)[None], image[None]


def test_a_noisy_segmentation_is_mended_up_to_the_edge() -> None:
    truth, probabilities, image = two_regions()
    wrong = ((probabilities[0] > 0.5) != truth).float().mean().item()
    crf = replace(CRF, appearance_weight=6.0, appearance_sigma_intensity=0.4, smoothness_weight=0.5)
    found = crf.of_regions(probabilities, image, (1.0, 1.0, 1.0))[0] > 0.5
    assert wrong > 0.1
    assert (found != truth).float().mean().item() < 0.01
    # Smoothness alone does not see the edge.
    blind = replace(crf, appearance_weight=0.0, smoothness_weight=6.5)
    smoothed = blind.of_regions(probabilities, image, (1.0, 1.0, 1.0))[0] > 0.5
    assert (found != truth).sum() < (smoothed != truth).sum() / 2


def test_without_kernels_nothing_changes() -> None:
    probabilities, image = problem((4, 4, 4), labels=2)
    crf = replace(CRF, appearance_weight=0.0, smoothness_weight=0.0)
    torch.testing.assert_close(crf.of_regions(probabilities, image, (1, 1, 1)), probabilities)


def test_spacing_decides_which_neighbours_are_near() -> None:
    probabilities = torch.full((1, 7, 7), 0.5)
    probabilities[0, 3, 3] = 0.95
    crf = replace(CRF, iterations=1, appearance_weight=0.0, smoothness_weight=3.0, radius_voxels=1)
    found = crf.of_regions(probabilities, torch.zeros(1, 7, 7), (1.0, 3.0))[0]
    assert found[2, 3] > found[3, 2] + 0.1
    torch.testing.assert_close(found[2, 3], found[4, 3])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iterations", -1),
        ("radius_voxels", 0),
        ("appearance_weight", -1.0),
        ("smoothness_sigma_mm", 0.0),
        ("appearance_sigma_intensity", float("nan")),
    ],
)
def test_values_that_cannot_work(name: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(CRF, **{name: value})
    assert caught.value.where == f"postprocess.crf.{name}"


class TestRefinement:
    TABLE = CONVENTIONS["brats2017"].class_table

    def test_far_from_every_region_nothing_changes(self) -> None:
        probabilities = np.full((2, 20, 20, 20), 1e-4, dtype=np.float32)
        probabilities[:, 3:6, 3:6, 3:6] = 0.7
        image = np.random.default_rng(0).normal(size=(2, 20, 20, 20)).astype(np.float32)
        found = Refinement(CRF, None, "cpu")(probabilities, image, (1.0, 1.0, 1.0))
        reach = 6 + CRF.radius_voxels
        np.testing.assert_array_equal(found[:, reach:], probabilities[:, reach:])
        assert np.abs(found - probabilities).max() > 0.01
        whole = CRF.of_regions(torch.from_numpy(probabilities), torch.from_numpy(image), (1.0,) * 3).numpy()
        np.testing.assert_array_equal(found > 0.5, whole > 0.5)

    def test_without_any_region_nothing_is_computed(self) -> None:
        probabilities = np.zeros((3, 5, 5, 5), dtype=np.float32)
        assert Refinement(CRF, None, "cpu")(probabilities, probabilities, (1, 1, 1)) is probabilities

    def test_exclusive_classes_are_refined_together(self) -> None:
        generator = np.random.default_rng(1)
        of_class = generator.dirichlet(np.ones(4), size=(4, 5, 6)).astype(np.float32)
        regions = np.moveaxis(of_class @ self.TABLE, -1, 0).copy()
        image = generator.normal(size=(1, 4, 5, 6)).astype(np.float32)
        found = Refinement(CRF, self.TABLE, "cpu")(regions, image, (1.0, 1.0, 1.0))
        classes = torch.from_numpy(np.moveaxis(of_class, -1, 0).copy())
        refined = CRF.of_classes(classes, torch.from_numpy(image), (1.0, 1.0, 1.0)).numpy()
        expected = np.moveaxis(np.moveaxis(refined, 0, -1) @ self.TABLE, -1, 0)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        apart = Refinement(CRF, None, "cpu")(regions, image, (1.0, 1.0, 1.0))
        assert np.abs(apart - found).max() > 0.01

    def test_regions_that_do_not_determine_the_classes_are_refined_apart(self) -> None:
        table = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=bool)
        assert classes_of_regions(table) is None
        assert classes_of_regions(self.TABLE) is not None
        probabilities, image = (x.numpy() for x in problem((4, 4, 4), labels=2))
        one, other = (Refinement(CRF, t, "cpu")(probabilities, image, (1, 1, 1)) for t in (table, None))
        np.testing.assert_array_equal(one, other)
