"""The table of lesions, written and read back."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from brats3d.errors import DataError
from brats3d.metrics import PROFILES, LesionRow, evaluate_case, read_lesions_csv, write_lesions_csv


@pytest.fixture
def lesions() -> tuple[LesionRow, ...]:
    reference = np.zeros((1, 30, 20, 20), dtype=bool)
    reference[0, 2:8, 2:8, 2:8] = reference[0, 20:26, 12:18, 12:18] = reference[0, 2, 18, 18] = True
    prediction = np.zeros_like(reference)
    prediction[0, 3:8, 2:8, 2:8] = prediction[0, 26:29, 1:4, 1:4] = True
    profile = PROFILES["brats2024-gli"]
    return evaluate_case(
        prediction, reference, spacing_mm=(1, 1, 1), regions=["ET"], case_id="a", profile=profile
    ).lesions


def test_they_come_back_as_they_were(lesions: tuple[LesionRow, ...], tmp_path: Path) -> None:
    assert {row.kind for row in lesions} == {"tp", "fn", "fp", "dropped"}
    assert list(lesions[0].nsd) == [0.5, 1.0]
    write_lesions_csv(tmp_path / "l.csv", lesions)
    assert read_lesions_csv(tmp_path / "l.csv") == list(lesions)


def test_a_picture_has_no_volumes(lesions: tuple[LesionRow, ...], tmp_path: Path) -> None:
    flat = [dataclasses.replace(row, volume_ref_ml=math.nan, volume_pred_ml=math.nan) for row in lesions]
    write_lesions_csv(tmp_path / "l.csv", flat)
    back = read_lesions_csv(tmp_path / "l.csv")
    assert all(math.isnan(row.volume_ref_ml) and math.isnan(row.volume_pred_ml) for row in back)


def test_no_lesion_is_a_header(tmp_path: Path) -> None:
    write_lesions_csv(tmp_path / "l.csv", [])
    assert read_lesions_csv(tmp_path / "l.csv") == []


@pytest.mark.parametrize(
    "text", [None, "", "case_id,region\n", "case_id,region,lesion,kind,dice\na,ET,1,tq,0\n"]
)
def test_what_is_no_such_table_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "l.csv").write_text(text)
    with pytest.raises(DataError, match="not a table of lesions") as caught:
        read_lesions_csv(tmp_path / "l.csv")
    assert caught.value.where == tmp_path / "l.csv"
