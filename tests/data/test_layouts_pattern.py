"""The user's own layout, on folders of empty files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from layout_folders import touch

from brats3d.data.discovery import discover
from brats3d.errors import ConfigError, LayoutError

PATTERN_2015 = {
    "flair": "{case}/Flair_subtrMeanDivStd.nii.gz",
    "t1ce": "{case}/T1c_subtrMeanDivStd.nii.gz",
    "label": "{case}/OTMultiClass.nii.gz",
    "mask": "{case}/brainmask.nii.gz",
}


class TestPattern:
    def make(self, root: Path, cases: Iterable[str] = ("a_1", "b_1")) -> None:
        for case in cases:
            touch(root, [path.format(case=case) for path in PATTERN_2015.values()])
            touch(root / case, ["License.txt"])

    def test_finds_images_label_and_mask(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        found = discover(tmp_path, pattern=PATTERN_2015, convention="brats2012")
        assert found.layout == "pattern"
        assert [case.case_id for case in found.cases] == ["a_1", "b_1"]
        case = found.cases[0]
        assert list(case.images) == ["t1ce", "flair"]
        assert case.label == tmp_path / "a_1" / "OTMultiClass.nii.gz"
        assert case.brain_mask == tmp_path / "a_1" / "brainmask.nii.gz"

    def test_root_may_be_one_case(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        found = discover(tmp_path / "b_1", pattern=PATTERN_2015, convention="brats2012")
        assert [case.case_id for case in found.cases] == ["b_1"]

    def test_patients_and_wildcards(self, tmp_path: Path) -> None:
        touch(tmp_path, [f"p{p}/p{p}v{v}/scan{v}_T2.nii.gz" for p in (1, 2) for v in (1, 2)])
        found = discover(tmp_path, pattern={"t2": "{patient}/{case}/*_T2.nii.gz"})
        assert {case.case_id: case.patient for case in found.cases} == {
            "p1v1": "p1",
            "p1v2": "p1",
            "p2v1": "p2",
            "p2v2": "p2",
        }

    def test_a_placeholder_repeats_its_value(self, tmp_path: Path) -> None:
        touch(tmp_path, ["a/a_t1.nii", "a/b_t1.nii"])
        found = discover(tmp_path, pattern={"t1": "{case}/{case}_t1.nii"})
        assert [case.images["t1"].name for case in found.cases] == ["a_t1.nii"]

    def test_labels_need_a_convention(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        with pytest.raises(ConfigError, match=r"data\.convention"):
            discover(tmp_path, pattern=PATTERN_2015)

    def test_two_files_for_one_case(self, tmp_path: Path) -> None:
        touch(tmp_path, ["a/x_T2.nii", "a/y_T2.nii", "p/c/T1.nii", "q/c/T1.nii"])
        with pytest.raises(LayoutError, match="two files"):
            discover(tmp_path, pattern={"t2": "{case}/*_T2.nii"})
        with pytest.raises(LayoutError, match="two files"):
            discover(tmp_path, pattern={"t1": "{patient}/{case}/T1.nii"})

    def test_cases_without_an_image_are_left_out_with_a_note(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        touch(tmp_path, ["c_1/OTMultiClass.nii.gz"])
        found = discover(tmp_path, pattern=PATTERN_2015, convention="brats2012")
        assert len(found.cases) == 2
        assert any("c_1" in note for note in found.notes)

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            ({"flare": "{case}/a.nii"}, "did you mean 'flair'"),
            ({"flair": "{id}/a.nii"}, "unknown placeholder {id}"),
            ({"flair": "scans/a.nii"}, "{case}"),
            ({"flair": "/data/{case}.nii"}, "below the root"),
            ({"flair": "../{case}.nii"}, "below the root"),
            ({"label": "{case}/a.nii"}, "without a modality"),
            ({"t1c": "{case}/a.nii", "t1ce": "{case}/b.nii"}, "two patterns"),
        ],
    )
    def test_patterns_that_cannot_work(self, pattern: dict[str, str], message: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=message):
            discover(tmp_path, pattern=pattern)

    def test_nothing_fits(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        with pytest.raises(LayoutError, match=r"\{case\}/t9\.nii"):
            discover(tmp_path, pattern={"t1": "{case}/t9.nii"})

    def test_pattern_and_layout_exclude_each_other(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="exclude"):
            discover(tmp_path, layout="brats2021", pattern=PATTERN_2015)
        with pytest.raises(ConfigError, match="needs a pattern"):
            discover(tmp_path, layout="pattern")
