"""The brightest group of intensities, by each method, against other implementations."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from brats3d.baselines import METHODS, build_method
from brats3d.baselines.brightness import BrightTissue
from brats3d.baselines.partitions import FuzzyKMeans, KMeans, Otsu, Partition
from brats3d.errors import ConfigError, MissingExtraError

pytest.importorskip("sklearn")
pytest.importorskip("skimage")
PARTITIONS = [KMeans(), FuzzyKMeans(), Otsu()]
every_partition = pytest.mark.parametrize("partition", PARTITIONS, ids=lambda p: type(p).__name__)


def tissues(seed: int = 0) -> np.ndarray:
    """Intensities of three tissues, the brightest of them rare."""
    generator = np.random.default_rng(seed)
    groups = ((-1.0, 900), (0.5, 900), (3.0, 200))
    return np.concatenate([generator.normal(mean, 0.2, size) for mean, size in groups]).astype(np.float32)


@every_partition
def test_the_brightest_of_three_tissues_is_found(partition: Partition) -> None:
    values = tissues()
    found = partition.fit(values, 3, np.random.default_rng(0))(values)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    np.testing.assert_array_equal(found > 0.5, values > 1.75)


@every_partition
def test_the_brighter_the_more_it_belongs(partition: Partition) -> None:
    brightest = partition.fit(tissues(), 3, np.random.default_rng(0))
    along = brightest(np.linspace(0.6, 9, 200, dtype=np.float32))
    assert (np.diff(along) >= -1e-6).all()
    assert along[-1] == pytest.approx(1, abs=1e-6)


def test_memberships_are_graded() -> None:
    brightest = FuzzyKMeans().fit(tissues(), 3, np.random.default_rng(0))
    assert 0.5 < brightest(np.array([2.2]))[0] < 0.95
    blurred = FuzzyKMeans(fuzzifier=4.0).fit(tissues(), 3, np.random.default_rng(0))
    assert blurred(np.array([2.2]))[0] < brightest(np.array([2.2]))[0]


def test_two_groups_are_parted_as_otsu_said() -> None:
    values = tissues()

    def between(threshold: float) -> float:
        low, high = values[values <= threshold], values[values > threshold]
        return low.size * high.size * float(high.mean() - low.mean()) ** 2 if low.size and high.size else 0.0

    best = max(between(threshold) for threshold in np.linspace(-1.5, 3.5, 500))
    found = Otsu().fit(values, 2, np.random.default_rng(0))(values) > 0.5
    assert between(float(values[~found].max())) == pytest.approx(best, rel=1e-3)


@every_partition
class TestBrightTissue:
    """Tissue of images."""

    def test_all_voxels_are_assigned_from_a_few(self, partition: Partition) -> None:
        image = tissues().reshape(20, 10, 10)
        inside = np.ones(image.shape, dtype=bool)
        inside[:2] = False
        found = BrightTissue(partition, voxels=500)(image, inside)
        assert ((found > 0.5) == ((image > 1.75) & inside)).mean() > 0.99
        assert not found[~inside].any()

    def test_there_are_more_tissues_until_the_brightest_is_rare(self, partition: Partition) -> None:
        generator = np.random.default_rng(1)
        groups = ((-3.0, 300), (-1.0, 900), (1.0, 900), (2.2, 100))
        image = np.concatenate([generator.normal(mean, 0.15, size) for mean, size in groups])
        inside = np.ones(image.shape, dtype=bool)
        rare = BrightTissue(partition, parts=2, most_share=0.2)(image, inside) > 0.5
        assert rare.mean() <= 0.2
        assert rare[image > 2.2].all()
        assert (BrightTissue(partition, parts=2, most_share=1.0)(image, inside) > 0.5).mean() > 0.3

    def test_the_same_seed_gives_the_same_tissue(self, partition: Partition) -> None:
        image, inside = tissues(), np.ones(2000, dtype=bool)
        first, second = (BrightTissue(partition, voxels=300, seed=4)(image, inside) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_an_image_of_too_few_intensities_has_none(self, partition: Partition) -> None:
        inside = np.ones((4, 4), dtype=bool)
        assert not BrightTissue(partition)(np.full((4, 4), 2.0), inside).any()
        assert not BrightTissue(partition)(np.full((4, 4), 2.0), ~inside).any()

    @pytest.mark.parametrize("wrong", [{"parts": 1}, {"parts": 99}, {"most_share": 0.0}, {"voxels": 0}])
    def test_settings_that_cannot_work(self, partition: Partition, wrong: dict[str, float]) -> None:
        with pytest.raises(ConfigError) as caught:
            BrightTissue(partition, **wrong)  # type: ignore[arg-type]
        assert caught.value.where == f"method.{next(iter(wrong))}"


def test_values_that_share_a_bin_of_the_histogram_are_no_trouble() -> None:
    values = np.array([0.0, 1e-9, 2e-9, 1.0] * 5)
    assert Otsu().fit(values, 3, np.random.default_rng(0))(values).sum() == 5


class TestNames:
    """Methods by name."""

    @pytest.mark.parametrize("name", METHODS)
    def test_each_can_be_built(self, name: str) -> None:
        partition, contour = build_method(name, {})
        assert isinstance(partition, Otsu if name in ("otsu", "active_contour") else METHODS[name])
        assert (contour is not None) == (name == "active_contour")

    @pytest.mark.parametrize(
        ("name", "params", "where"),
        [
            ("kmean", {}, "method.name"),
            ("kmeans", {"start": 2}, "method.params.start"),
            ("kmeans", {"starts": 0}, "method.params.starts"),
            ("otsu", {"most_parts": 9}, "method.params.most_parts"),
            ("fuzzy_kmeans", {"fuzzifier": 1.0}, "method.params.fuzzifier"),
            ("fuzzy_kmeans", {"tolerance": 0.0}, "method.params.tolerance"),
            ("active_contour", {"iterations": 0}, "method.params.iterations"),
            ("active_contour", {"iterations": 7}, "method.params.iterations"),
        ],
    )
    def test_what_cannot_work_is_named(self, name: str, params: dict[str, float], where: str) -> None:
        with pytest.raises(ConfigError) as caught:
            build_method(name, params)
        assert caught.value.where == where

    @pytest.mark.parametrize(
        ("partition", "module"), [(KMeans(), "sklearn.cluster"), (Otsu(), "skimage.filters")]
    )
    def test_message_without_the_extra(
        self, partition: Partition, module: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtraError, match=r"pip install .brats3d\[classical\]"):
            partition.fit(tissues(), 3, np.random.default_rng(0))
