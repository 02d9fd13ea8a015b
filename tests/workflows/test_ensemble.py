"""Fusing predictions: values, names, conventions, grids, and that nothing is half-written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brats3d.__main__ import main
from brats3d.config import EnsembleConfig
from brats3d.errors import Brats3dError, ConfigError, DataError, LabelError, OutputError
from brats3d.imaging import Geometry, read_geometry, read_volume, write_image, write_label_map
from brats3d.labels import CONVENTIONS, LabelConvention
from brats3d.postprocessing.fusion.staple import estimate
from brats3d.workflows.ensemble import ensemble

BRATS2017, BRATS2023, BRATS2024 = (CONVENTIONS[name] for name in ("brats2017", "brats2023", "brats2024-gli"))
GEOMETRY = Geometry((12, 13, 11), np.array([[-1.0, 0, 0, 5], [0, -1, 0, 7], [0, 0, 2, -3], [0, 0, 0, 1]]))
CASES = ("BraTS2021_00001", "BraTS2021_00007")


def tumour(shift: int) -> np.ndarray:
    """Class indices of three nested boxes, moved along the first axis."""
    classes = np.zeros(GEOMETRY.shape, dtype=np.uint8)
    for index, margin in ((2, 1), (1, 2), (3, 3)):
        classes[margin + shift : 9 - margin + shift, 1 + margin : -1 - margin, margin:-margin] = index
    return classes


class Folders:
    """Writes predictions below ``root`` and fuses them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = root / "fused"

    def predict(
        self,
        name: str,
        shift: int,
        *,
        convention: LabelConvention = BRATS2017,
        naming: str = "{case}.nii.gz",
        cases: tuple[str, ...] = CASES,
        geometry: Geometry = GEOMETRY,
    ) -> str:
        for case_id in cases:
            path = self.root / name / naming.format(case=case_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_label_map(path, convention.from_classes(tumour(shift)), geometry, overwrite=True)
        return str(self.root / name)

    def probabilities(self, name: str, values: np.ndarray, case_id: str = "case") -> str:
        path = self.root / name / f"{case_id}_probabilities.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.moveaxis(values, 0, -1), GEOMETRY, overwrite=True)
        return str(self.root / name)

    def config(self, *folders: str, **changes: object) -> EnsembleConfig:
        chosen = EnsembleConfig(folders, str(self.output), prediction_convention=("brats2017",))
        return replace(chosen, **changes)  # type: ignore[arg-type]

    def fuse(self, *folders: str, **changes: object) -> list[np.ndarray]:
        return [read_volume(path)[0] for path in ensemble(self.config(*folders, **changes))]

    def refused(self, kind: type[Brats3dError], match: str, config: EnsembleConfig) -> Brats3dError:
        with pytest.raises(kind, match=match) as caught:
            ensemble(config)
        assert not self.output.exists()
        return caught.value


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def regions(shift: int) -> np.ndarray:
    return BRATS2017.to_regions(BRATS2017.from_classes(tumour(shift)))


class TestMajority:
    def test_the_vote_of_three_on_their_grid(self, folders: Folders) -> None:
        members = [folders.predict(name, shift) for name, shift in (("a", 0), ("b", 1), ("c", 3))]
        paths = ensemble(folders.config(*members))
        assert [path.name for path in paths] == [f"{case_id}.nii.gz" for case_id in CASES]
        expected = BRATS2017.from_regions(sum(regions(shift).astype(int) for shift in (0, 1, 3)) >= 2)
        for path in paths:
            labels, geometry = read_volume(path)
            assert GEOMETRY.difference(geometry) is None
            np.testing.assert_array_equal(labels, expected)
        assert set(np.unique(expected)) == {0, 1, 2, 4}

    def test_a_tie_is_out(self, folders: Folders) -> None:
        labels, _ = folders.fuse(folders.predict("a", 0), folders.predict("b", 2))
        np.testing.assert_array_equal(labels, BRATS2017.from_regions(regions(0) & regions(2)))

    def test_weights(self, folders: Folders) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 1), folders.predict("c", 1)]
        labels, _ = folders.fuse(*members, weights=(3.0, 1.0, 1.0))
        np.testing.assert_array_equal(labels, BRATS2017.from_classes(tumour(0)))

    def test_one_voice_for_each_tissue_is_tumour_nonetheless(self, folders: Folders) -> None:
        """One says ET, one NCR, one ED: all say tumour, two say core, one says enhancing."""
        members = []
        for name, value in (("a", 4), ("b", 1), ("c", 2)):
            path = folders.root / name / "case.nii.gz"
            path.parent.mkdir()
            write_label_map(path, np.full(GEOMETRY.shape, value, np.uint8), GEOMETRY, overwrite=True)
            members.append(str(path.parent))
        (labels,) = folders.fuse(*members)
        assert np.unique(labels).tolist() == [1]

    def test_a_tissue_outside_the_regions_is_kept(self, folders: Folders) -> None:
        voxels = np.zeros(GEOMETRY.shape, np.uint8)
        voxels[2:5, 2:5, 2:5], voxels[6:8, 6:8, 6:8] = 4, 2  # resection cavity, oedema
        members = []
        for name in "ab":
            path = folders.root / name / "case.nii.gz"
            path.parent.mkdir()
            write_label_map(path, voxels, GEOMETRY, overwrite=True)
            members.append(str(path.parent))
        (labels,) = folders.fuse(*members, prediction_convention=("brats2024-gli",))
        np.testing.assert_array_equal(labels, voxels)


class TestStaple:
    def test_each_region_in_the_box_of_its_masks(self, folders: Folders) -> None:
        shifts = (0, 1, 2)
        members = [folders.predict(f"m{shift}", shift) for shift in shifts]
        labels, _ = folders.fuse(*members, method="staple")
        expected = np.zeros((3, *GEOMETRY.shape), dtype=bool)
        for region in range(3):
            masks = [regions(shift)[region] for shift in shifts]
            filled = np.nonzero(np.logical_or.reduce(masks))
            box = tuple(slice(axis.min(), axis.max() + 1) for axis in filled)
            found = estimate([mask[box] for mask in masks])
            expected[(region, *box)] = found.probabilities.round(6) > 0.5
        assert expected.any(axis=(1, 2, 3)).all()
        np.testing.assert_array_equal(labels, BRATS2017.from_regions(expected))

    def test_inner_regions_stay_inside(self, folders: Folders) -> None:
        members = [folders.predict(f"m{shift}", shift) for shift in (0, 0, 2, 3)]
        labels, _ = folders.fuse(*members, method="staple")
        et, tc, wt = BRATS2017.to_regions(labels.astype(np.uint8))
        assert (et <= tc).all()
        assert (tc <= wt).all()
        assert et.any()

    def test_nothing_anywhere(self, folders: Folders) -> None:
        for name in "ab":
            (folders.root / name).mkdir()
            empty = np.zeros(GEOMETRY.shape, np.uint8)
            write_label_map(folders.root / name / "case.nii.gz", empty, GEOMETRY, overwrite=True)
        (labels,) = folders.fuse(str(folders.root / "a"), str(folders.root / "b"), method="staple")
        assert not labels.any()

    def test_weights_are_refused(self, folders: Folders) -> None:
        config = folders.config("a", "b", method="staple", weights=(1.0, 2.0))
        folders.refused(ConfigError, "finds out by itself", config)


class TestMean:
    def values(self, seed: int) -> np.ndarray:
        drawn = np.random.default_rng(seed).random((3, *GEOMETRY.shape), dtype=np.float32)
        return np.sort(drawn, axis=0)  # ET within TC within WT

    def test_weighted_mean_above_a_half(self, folders: Folders) -> None:
        members = [folders.probabilities(name, self.values(seed)) for seed, name in enumerate("abc")]
        (labels,) = folders.fuse(*members, method="mean", weights=(2.0, 1.0, 1.0))
        mean = (2 * self.values(0).astype(float) + self.values(1) + self.values(2)) / 4
        np.testing.assert_array_equal(labels, BRATS2017.from_regions(mean > 0.5))
        assert [path.name for path in folders.output.iterdir()] == ["case.nii.gz"]

    def test_label_maps_beside_probabilities_are_another_matter(self, folders: Folders) -> None:
        members = [folders.predict(name, 0, cases=("case",)) for name in "ab"]
        for seed, name in enumerate("ab"):
            folders.probabilities(name, self.values(seed))
        (labels,) = folders.fuse(*members)
        np.testing.assert_array_equal(labels, BRATS2017.from_classes(tumour(0)))
        (labels,) = folders.fuse(*members, method="mean", overwrite=True)
        mean = (self.values(0) + self.values(1).astype(float)) / 2
        np.testing.assert_array_equal(labels, BRATS2017.from_regions(mean > 0.5))

    @pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
    def test_what_is_no_probability(self, folders: Folders, wrong: float) -> None:
        values = self.values(1)
        values[1, 2, 3, 4] = wrong
        members = [folders.probabilities("a", self.values(0)), folders.probabilities("b", values)]
        error = folders.refused(DataError, "not probabilities", folders.config(*members, method="mean"))
        assert Path(str(error.where)).parent.name == "b"

    def test_other_regions(self, folders: Folders) -> None:
        members = [folders.probabilities("a", self.values(0)), folders.probabilities("b", self.values(1)[:2])]
        error = folders.refused(DataError, "these regions", folders.config(*members, method="mean"))
        assert "3 channels" in str(error)

    def test_no_probability_maps(self, folders: Folders) -> None:
        members = [folders.predict(name, 0) for name in "ab"]
        folders.refused(Brats3dError, "no file fits", folders.config(*members, method="mean"))


class TestNamesAndConventions:
    def test_files_may_be_called_differently(self, folders: Folders) -> None:
        members = [
            folders.predict("a", 0, naming="{case}_pred.nii.gz"),
            folders.predict("b", 0),
            folders.predict("c", 1, naming="{case}/net-{case}.nii.gz"),
        ]
        paths = ensemble(folders.config(*members))
        assert [path.name for path in paths] == [f"{case_id}.nii.gz" for case_id in CASES]

    def test_a_pattern(self, folders: Folders) -> None:
        for naming in ("{case}_one.nii.gz", "{case}_two.nii.gz"):
            members = [folders.predict(name, 0, naming=naming) for name in "ab"]
        paths = ensemble(folders.config(*members, prediction_pattern="*_two.nii.gz"))
        assert [path.name for path in paths] == [f"{case_id}.nii.gz" for case_id in CASES]

    def test_each_folder_has_its_convention(self, folders: Folders) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 0, convention=BRATS2023)]
        stated = ("brats2017", "brats2023")
        labels, _ = folders.fuse(*members, prediction_convention=stated)
        np.testing.assert_array_equal(labels, BRATS2017.from_classes(tumour(0)))
        labels, _ = folders.fuse(
            *members, prediction_convention=stated, convention="brats2023", overwrite=True
        )
        np.testing.assert_array_equal(labels, BRATS2023.from_classes(tumour(0)))

    def test_a_dataset_json_says_it_for_all(self, folders: Folders) -> None:
        members = [
            folders.predict("a", 0, convention=BRATS2023),
            folders.predict("b", 0, convention=BRATS2023),
        ]
        content = {"channel_names": {"0": "FLAIR"}, "labels": {"background": 0, "NCR": 1, "ED": 2, "ET": 3}}
        (folders.root / "b" / "dataset.json").write_text(json.dumps(content))
        labels, _ = folders.fuse(*members, prediction_convention=("auto",))
        np.testing.assert_array_equal(labels, BRATS2023.from_classes(tumour(0)))

    def test_own_labels_and_regions(self, folders: Folders) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 0)]
        own = {"labels": {1: "core", 2: "rim", 4: "spot"}, "regions": {"all": ("core", "rim", "spot")}}
        labels, _ = folders.fuse(*members, prediction_convention=("auto",), **own)
        np.testing.assert_array_equal(labels > 0, tumour(0) > 0)

    def test_nothing_says_it(self, folders: Folders) -> None:
        members = [folders.predict(name, 0) for name in "ab"]
        config = folders.config(*members, prediction_convention=("auto",))
        error = folders.refused(ConfigError, "nothing tells", config)
        assert error.where == "prediction_convention"

    def test_values_of_another_convention(self, folders: Folders) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 0)]
        config = folders.config(*members, prediction_convention=("brats2023",))
        error = folders.refused(LabelError, "outside the convention", config)
        assert "prediction_convention" in str(error.remedy)


class TestRefused:
    def test_cases_that_one_folder_lacks(self, folders: Folders) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 0, cases=CASES[:1])]
        for order in (members, members[::-1]):
            error = folders.refused(DataError, "1 of 2 cases", folders.config(*order))
            assert error.where == Path(members[1])
            assert CASES[1] in str(error)

    @pytest.mark.parametrize("method", ["majority", "staple"])
    def test_another_grid_is_found_before_anything_is_written(self, folders: Folders, method: str) -> None:
        moved = Geometry(GEOMETRY.shape, GEOMETRY.affine + np.eye(4)[:, [1, 2, 3, 0]] * 0.5)
        members = [folders.predict("a", 0), folders.predict("b", 0)]
        folders.predict("b", 0, cases=CASES[1:], geometry=moved)
        error = folders.refused(DataError, "same grid", folders.config(*members, method=method))
        assert CASES[1] in str(error.where)

    def test_files_that_exist(self, folders: Folders) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 0)]
        first, _ = ensemble(folders.config(*members))
        before = first.read_bytes()
        folders.predict("a", 1)
        folders.predict("b", 1)
        with pytest.raises(OutputError, match="2 of 2 predictions exist"):
            ensemble(folders.config(*members))
        assert first.read_bytes() == before
        ensemble(folders.config(*members, overwrite=True))
        assert first.read_bytes() != before

    def test_a_torn_file_leaves_whole_label_maps_alone(self, folders: Folders) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 0)]
        torn = Path(members[1]) / f"{CASES[1]}.nii.gz"
        torn.write_bytes(torn.read_bytes()[:-20])
        with pytest.raises(DataError, match="cannot read"):
            ensemble(folders.config(*members))
        assert [path.name for path in folders.output.iterdir()] == [f"{CASES[0]}.nii.gz"]
        assert read_geometry(folders.output / f"{CASES[0]}.nii.gz").shape == GEOMETRY.shape

    def test_output_among_the_predictions(self, folders: Folders) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 0)]
        before = sorted(folders.root.rglob("*"))
        with pytest.raises(ConfigError, match="among the predictions"):
            ensemble(folders.config(*members, output=members[1], overwrite=True))
        assert sorted(folders.root.rglob("*")) == before

    @pytest.mark.parametrize(
        ("changes", "where"),
        [
            ({"method": "majorty"}, "method"),
            ({"predictions": ()}, "predictions"),
            ({"weights": (1.0,)}, "weights"),
            ({"weights": (0.0, 0.0)}, "weights"),
            ({"prediction_convention": ("brats2017",) * 3}, "prediction_convention"),
            ({"convention": "brats1"}, "convention"),
            ({"regions": {"WT": ("EX",)}}, "regions.WT"),
        ],
    )
    def test_choices_that_cannot_work(self, folders: Folders, changes: dict[str, object], where: str) -> None:
        members = [folders.predict("a", 0), folders.predict("b", 0)]
        error = folders.refused(ConfigError, ".", replace(folders.config(*members), **changes))  # type: ignore[arg-type]
        assert error.where == where


class TestCommandLine:
    def test_label_maps_are_listed(self, folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
        members = [folders.predict(name, 0) for name in "abc"]
        words = ["--predictions", *members, "--output", str(folders.output), "--weights", "2,1,1"]
        assert main(["ensemble", *words, "--prediction_convention", "brats2017"]) == 0
        listed = capsys.readouterr().out.split()
        assert [Path(line).name for line in listed] == [f"{case_id}.nii.gz" for case_id in CASES]
        assert all(Path(line).is_file() for line in listed)

    def test_exit_code_2_and_nothing_written(
        self, folders: Folders, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = [
            "--predictions",
            folders.predict("a", 0),
            str(folders.root / "no"),
            "--output",
            str(folders.output),
        ]
        assert main(["ensemble", *words]) == 2
        assert "do not exist" in capsys.readouterr().err
        assert not folders.output.exists()
