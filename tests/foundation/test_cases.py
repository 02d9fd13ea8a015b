"""The case: frozen, and clear about what it lacks."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from brats3d.cases import MODALITIES, MODALITY_ALIASES, Case, modality_named
from brats3d.errors import ConfigError, DataError
from brats3d.labels import CONVENTIONS


@pytest.fixture
def case() -> Case:
    images = {"t1": Path("a_t1.nii.gz"), "flair": Path("a_flair.nii.gz")}
    return Case("a", "p", images, CONVENTIONS["brats2017"], label=Path("a_seg.nii.gz"), channels={"t1": 1})


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("t1", "t1"),
        ("T1n", "t1"),
        ("t1c", "t1ce"),
        ("T1Gd", "t1ce"),
        ("t2w", "t2"),
        ("t2f", "flair"),
        ("FLAIR", "flair"),
    ],
)
def test_the_spelling_of_any_year(name: str, modality: str) -> None:
    assert modality_named(name) == modality


def test_every_alias_means_a_modality() -> None:
    assert set(MODALITY_ALIASES.values()) == set(MODALITIES)
    assert MODALITIES == ("t1", "t1ce", "t2", "flair")


def test_an_unknown_modality_names_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'flair'") as caught:
        modality_named("flare", "files")
    assert caught.value.where == "files"


def test_a_case_is_frozen(case: Case) -> None:
    with pytest.raises(FrozenInstanceError):
        case.patient = "q"  # type: ignore[misc]
    with pytest.raises(TypeError):
        case.images["t2"] = Path("x")  # type: ignore[index]
    with pytest.raises(TypeError):
        case.channels["t2"] = 0  # type: ignore[index]


def test_a_later_change_of_the_mapping_does_not_reach_the_case() -> None:
    images = {"t1": Path("x")}
    case = Case("a", "a", images, CONVENTIONS["brats2017"])
    images["t2"] = Path("y")
    assert dict(case.images) == {"t1": Path("x")}


def test_equal_cases_survive_pickling_and_sets(case: Case) -> None:
    again = pickle.loads(pickle.dumps(case))
    assert again == case
    assert len({again, case}) == 1


def test_what_a_case_has_is_enough(case: Case) -> None:
    case.require(("t1", "flair"), label=True)
    case.require(())


def test_a_missing_modality_is_named(case: Case) -> None:
    with pytest.raises(DataError, match="case without t1ce, t2") as caught:
        case.require(MODALITIES)
    assert caught.value.where == "a"
    assert "data.modalities" in str(caught.value.remedy)


def test_a_missing_label_map_is_named() -> None:
    case = Case("a", "a", {"t1": Path("x")}, CONVENTIONS["brats2017"])
    case.require(("t1",))
    with pytest.raises(DataError, match="without a label map"):
        case.require(("t1",), label=True)


def test_a_modality_beside_those_of_brats() -> None:
    assert modality_named("XRay") == "xray"
    with pytest.raises(ConfigError, match="did you mean 'xray'"):
        modality_named("x-ray")


def test_attributes_are_frozen_and_pickled(case: Case) -> None:
    told = replace(case, attributes={"diagnosis": "glioma"})
    assert pickle.loads(pickle.dumps(told)) == told
    assert told != case
    with pytest.raises(TypeError):
        told.attributes["diagnosis"] = "none"  # type: ignore[index]
