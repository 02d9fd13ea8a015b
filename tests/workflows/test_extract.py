"""From folders to a table of features: pairing, forms, record, and that nothing is half-written."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.__main__ import main
from brats3d.errors import Brats3dError, ConfigError, DataError, LayoutError, MissingExtraError, OutputError
from brats3d.features import FeatureSettings
from brats3d.imaging import Geometry, read_geometry, read_volume, write_image, write_label_map
from brats3d.workflows.extract import extract
from brats3d.workflows.extraction_case import Extractor
from brats3d.workflows.extraction_inputs import find_inputs

FAST = FeatureSettings(families=("morphology", "location", "statistics"))
MODALITIES = ("t1", "t1ce", "t2", "flair")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def data_set(phantom_set: Path, tmp_path: Path) -> Path:
    """Copies of two cases, to be spoilt."""
    root = tmp_path / "data"
    for folder in sorted(phantom_set.iterdir())[:2]:
        if folder.is_dir():
            shutil.copytree(folder, root / folder.name)
    return root


@pytest.fixture
def cases(data_set: Path) -> list[str]:
    return sorted(folder.name for folder in data_set.iterdir())


def file_of(data_set: Path, case_id: str, kind: str) -> Path:
    return next((data_set / case_id).glob(f"*_{kind}.nii.gz"))


def test_data_set_from_the_command_line(
    data_set: Path, cases: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out" / "features.csv"
    words = ["extract", f"--masks={data_set}", f"--output={output}", "--glcm=3d_merged"]
    assert main(words) == 0
    assert f"of {len(cases)} cases" in capsys.readouterr().out
    rows = table(output)
    assert list(rows[0]) == ["case_id", "region", "modality", "feature", "value", "unit", "reason"]
    assert list(dict.fromkeys(row["case_id"] for row in rows)) == cases
    assert list(dict.fromkeys(row["region"] for row in rows)) == ["ET", "TC", "WT"]
    assert list(dict.fromkeys(row["modality"] for row in rows)) == ["", *MODALITIES]
    keys = [(row["case_id"], row["region"], row["modality"], row["feature"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all(bool(row["value"]) != bool(row["reason"]) for row in rows)
    record = json.loads(output.with_suffix(".json").read_text())
    assert {row["feature"] for row in rows} == set(record["definitions"])
    assert {row["unit"] for row in rows} == {one["unit"] for one in record["definitions"].values()}
    assert record["definitions"]["morph_sphericity"]["ibsi"] == "QCFX"
    assert record["aggregations"] == {"3d_merged": {"ibsi": "IAZD", "text": "one matrix of all directions"}}
    assert record["settings"]["discretisation"] == {"bins": 32, "bin_width": None, "bin_start": None}
    assert record["settings"]["modalities"] == list(MODALITIES)
    assert {"brats3d", "versions", "convention", "inputs"} <= set(record)
    assert (record["cases"], record["failed"], record["partial"]) == (len(cases), {}, False)
    assert record["values"] + sum(record["blank"].values()) == len(rows)


def test_values_are_those_of_the_files(data_set: Path, cases: list[str], tmp_path: Path) -> None:
    extract(data_set, tmp_path / "f.csv", settings=FAST)
    rows = {
        (row["region"], row["modality"], row["feature"]): row["value"]
        for row in table(tmp_path / "f.csv")
        if row["case_id"] == cases[0]
    }
    labels, geometry = read_volume(file_of(data_set, cases[0], "seg"))
    image = read_volume(file_of(data_set, cases[0], "flair"))[0].astype(np.float64)
    core = np.isin(labels, (1, 4))
    assert float(rows["TC", "", "morph_voxels"]) == core.sum()
    assert float(rows["TC", "", "morph_volume_voxels"]) == pytest.approx(
        core.sum() * geometry.voxel_volume_ml * 1000
    )
    assert float(rows["TC", "flair", "stat_mean"]) == pytest.approx(image[core].mean())
    assert float(rows["WT", "flair", "stat_maximum"]) == image[labels > 0].max()
    centre = nib.affines.apply_affine(geometry.affine, np.argwhere(core)).mean(axis=0)
    assert float(rows["TC", "", "loc_centre_of_mass_x"]) == pytest.approx(centre[0])


def test_wide_form_has_the_same_values(data_set: Path, tmp_path: Path) -> None:
    extract(data_set, tmp_path / "tidy.csv", settings=FAST)
    extract(data_set, tmp_path / "wide.csv", settings=FAST, form="wide")
    wide = {(row["case_id"], row["region"]): row for row in table(tmp_path / "wide.csv")}
    tidy = table(tmp_path / "tidy.csv")
    for row in tidy:
        column = f"{row['modality']}_{row['feature']}" if row["modality"] else row["feature"]
        assert wide[row["case_id"], row["region"]][column] == row["value"]
    assert len(tidy) == len(wide) * (len(next(iter(wide.values()))) - 3)


def test_predictions_of_another_tool(data_set: Path, cases: list[str], tmp_path: Path) -> None:
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for case_id in cases:
        shutil.copy(file_of(data_set, case_id, "seg"), predictions / f"model-{case_id}.nii.gz")
    expected = extract(data_set, tmp_path / "reference.csv", settings=FAST)
    found = extract(predictions, tmp_path / "predicted.csv", images=data_set, settings=FAST)
    assert found.table.read_bytes() == expected.table.read_bytes()


def test_masks_alone(data_set: Path, cases: list[str], tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    shutil.copy(file_of(data_set, cases[0], "seg"), masks / "one.nii.gz")
    with pytest.raises(ConfigError) as caught:
        extract(masks, tmp_path / "f.csv")
    assert caught.value.where == "mask_convention"
    found = extract(masks, tmp_path / "f.csv", mask_convention="brats2017")
    rows = table(found.table)
    assert {row["modality"] for row in rows} == {""}
    assert "no images: features of the masks alone" in found.notes
    assert set(found.record["definitions"]) == {row["feature"] for row in rows}
    single = extract(masks / "one.nii.gz", tmp_path / "g.csv", mask_convention="brats2017")
    assert single.table.read_bytes() == found.table.read_bytes()


def test_own_labels_and_regions(data_set: Path, tmp_path: Path) -> None:
    words = ["extract", f"--masks={data_set}", f"--output={tmp_path / 'f.csv'}", "--families=morphology"]
    words += ["--modalities=flair", "--labels={1: NCR, 2: ED, 4: ET}", "--regions={oedema: [ED]}"]
    assert main(words) == 0
    rows = table(tmp_path / "f.csv")
    assert {row["region"] for row in rows} == {"oedema"}
    assert {row["modality"] for row in rows} == {"", "flair"}


def test_normalised_images_have_units_of_the_brain(data_set: Path, tmp_path: Path) -> None:
    settings = FeatureSettings(families=("statistics",))
    found = extract(data_set, tmp_path / "n.csv", settings=settings, normalise=True)
    rows = table(found.table)
    assert {row["unit"] for row in rows} == {"sd", "sd^2", "1"}
    means = [float(row["value"]) for row in rows if row["feature"] == "stat_mean"]
    assert max(map(abs, means)) < 10
    raw = table(extract(data_set, tmp_path / "r.csv", settings=settings).table)
    for one, other in zip(rows, raw, strict=True):
        if one["feature"] in {"stat_skewness", "stat_kurtosis"} and one["value"]:
            assert float(one["value"]) == pytest.approx(float(other["value"]), abs=1e-4)


def test_what_other_processes_are_given_says_everything(data_set: Path) -> None:
    inputs = find_inputs(data_set)
    extractor = Extractor(FAST, inputs.convention, MODALITIES)
    elsewhere, masked = pickle.loads(pickle.dumps((extractor, inputs.cases[0])))
    assert elsewhere(masked).features.rows == extractor(inputs.cases[0]).features.rows


@pytest.mark.slow
def test_several_at_a_time_write_the_same(data_set: Path, tmp_path: Path) -> None:
    settings = FeatureSettings(families=("statistics",))
    first = extract(data_set, tmp_path / "1.csv", settings=settings)
    second = extract(data_set, tmp_path / "2.csv", settings=settings, jobs=2)
    assert first.table.read_bytes() == second.table.read_bytes()


def test_a_modality_that_a_case_lacks_is_blank(data_set: Path, cases: list[str], tmp_path: Path) -> None:
    file_of(data_set, cases[0], "t2").unlink()
    found = extract(data_set, tmp_path / "f.csv", settings=FAST, form="wide")
    lacking, complete = (
        next(row for row in table(found.table) if row["case_id"] == case_id and row["region"] == "WT")
        for case_id in cases
    )
    assert lacking["t2_stat_mean"] == ""
    assert lacking["reason"] == "the case has no such image"
    assert lacking["t1_stat_mean"]
    assert complete["t2_stat_mean"]


@pytest.fixture
def spoilt(data_set: Path, cases: list[str]) -> Path:
    """The mask of the first case."""
    return file_of(data_set, cases[0], "seg")


def moved(mask: Path) -> None:
    labels, geometry = read_volume(mask)
    affine = geometry.affine.copy()
    affine[0, 3] += 5
    write_label_map(mask, labels.astype(np.uint8), Geometry(geometry.shape, affine), overwrite=True)


def cropped(mask: Path) -> None:
    labels, geometry = read_volume(mask)
    smaller = labels[:-1].astype(np.uint8)
    write_label_map(mask, smaller, Geometry(smaller.shape, geometry.affine), overwrite=True)


def torn(mask: Path) -> None:
    mask.write_bytes(mask.read_bytes()[:200])


def unknown_value(mask: Path) -> None:
    labels, geometry = read_volume(mask)
    labels[0, 0, 0] = 9
    write_label_map(mask, labels.astype(np.uint8), geometry, overwrite=True)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (moved, "not on the grid of its image: origin"),
        (cropped, "not on the grid of its image: shape"),
        (torn, "cannot read the file"),
        (unknown_value, "set mask_convention"),
    ],
)
def test_a_bad_case_stops_no_other(
    damage: object, said: str, spoilt: Path, data_set: Path, cases: list[str], tmp_path: Path
) -> None:
    damage(spoilt)  # type: ignore[operator]  # one of the functions above
    found = extract(data_set, tmp_path / "f.csv", settings=FAST)
    assert list(found.failed) == cases[:1]
    assert said in found.failed[cases[0]]
    assert {row["case_id"] for row in table(found.table)} == {cases[1]}
    assert found.record["partial"]
    with pytest.raises(DataError, match="1 of 2 cases"):
        found.check_complete()


def test_headers_may_differ_when_the_user_says_so(spoilt: Path, data_set: Path, tmp_path: Path) -> None:
    moved(spoilt)
    assert not extract(data_set, tmp_path / "f.csv", settings=FAST, check_affine=False).failed


def test_image_with_nan(data_set: Path, cases: list[str], spoilt: Path, tmp_path: Path) -> None:
    inside = tuple(np.argwhere(read_volume(spoilt)[0] == 2)[0])
    path = file_of(data_set, cases[0], "t1")
    image, geometry = read_volume(path)
    image[inside] = np.nan
    write_image(path, image, geometry, overwrite=True)
    found = extract(data_set, tmp_path / "f.csv", settings=FAST, modalities=("t1",))
    assert f"{cases[0]}: WT in t1: 1 voxels are not finite and are left out" in found.notes
    assert all(row["value"] != "nan" for row in table(found.table))


def test_an_empty_mask_is_blank_with_its_reason(
    data_set: Path, cases: list[str], spoilt: Path, tmp_path: Path
) -> None:
    geometry = read_geometry(spoilt)
    write_label_map(spoilt, np.zeros(geometry.shape, dtype=np.uint8), geometry, overwrite=True)
    found = extract(data_set, tmp_path / "f.csv", settings=FAST)
    rows = [row for row in table(found.table) if row["case_id"] == cases[0]]
    assert {(row["value"], row["reason"]) for row in rows} == {("", "the region is empty")}
    assert found.record["blank"]["the region is empty"] == len(rows)


def test_nothing_is_written_when_no_case_works(data_set: Path, cases: list[str], tmp_path: Path) -> None:
    for case_id in cases:
        torn(file_of(data_set, case_id, "seg"))
    output = tmp_path / "out" / "f.csv"
    with pytest.raises(DataError, match="2 of 2 cases"):
        extract(data_set, output, settings=FAST)
    assert not list(output.parent.iterdir())


def test_masks_without_images(data_set: Path, cases: list[str], tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in (cases[0], "stranger"):
        shutil.copy(file_of(data_set, cases[0], "seg"), masks / f"{name}.nii.gz")
    found = extract(masks, tmp_path / "f.csv", images=data_set, settings=FAST)
    assert "the mask has no images" in found.failed["stranger"]
    assert f"1 cases without a mask are left out ({cases[1]})" in found.notes
    skipped = extract(
        masks, tmp_path / "f.csv", images=data_set, settings=FAST, missing="skip", overwrite=True
    )
    assert not skipped.failed
    assert "1 masks without images are left out (stranger)" in skipped.notes


@pytest.mark.parametrize(
    ("settings", "error", "where"),
    [
        ({"form": "long"}, ConfigError, "form"),
        ({"missing": "penalise"}, ConfigError, "missing"),
        ({"jobs": 0}, ConfigError, "jobs"),
        ({"modalities": ("pd",)}, ConfigError, "modalities"),
        ({"modalities": ("t1", "t1n")}, ConfigError, "modalities"),
        ({"mask_convention": "brats2099"}, ConfigError, "mask_convention"),
        ({"output": "features.txt"}, ConfigError, "output"),
        ({"masks": "nowhere"}, DataError, None),
        ({"images": "nowhere"}, DataError, None),
        ({"mask_pattern": "*_none.nii.gz"}, LayoutError, None),
    ],
)
def test_settings_that_cannot_work(
    settings: dict[str, object],
    error: type[Brats3dError],
    where: str | None,
    data_set: Path,
    tmp_path: Path,
) -> None:
    arguments = {"masks": data_set, "output": tmp_path / "f.csv", "settings": FAST} | settings
    with pytest.raises(error) as caught:
        extract(**arguments)  # type: ignore[arg-type]  # wrong on purpose
    if where is not None:
        assert caught.value.where == where
    assert not list(tmp_path.glob("*.csv"))


def test_an_existing_table_is_kept(data_set: Path, tmp_path: Path) -> None:
    output = tmp_path / "f.csv"
    output.write_text("mine")
    with pytest.raises(OutputError):
        extract(data_set, output, settings=FAST)
    assert output.read_text() == "mine"
    assert main(["extract", f"--masks={data_set}", f"--output={output}", "--families=location"]) == 2
    extract(data_set, output, settings=FAST, overwrite=True)
    assert output.read_text() != "mine"


def test_masks_alone_need_no_torch(tmp_path: Path) -> None:
    statements = (
        "import sys, brats3d.workflows.extract; sys.exit(bool({'torch', 'monai'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", statements], cwd=tmp_path, check=False).returncode == 0


def test_no_masks_named() -> None:
    assert main(["extract"]) == 2


def test_messages_speak_of_masks(data_set: Path, cases: list[str], tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    for folder in ("a", "b"):
        (masks / folder).mkdir(parents=True)
        shutil.copy(file_of(data_set, cases[0], "seg"), masks / folder / f"{cases[0]}.nii.gz")
    for images in (None, data_set):
        with pytest.raises(LayoutError) as caught:
            extract(masks, tmp_path / "f.csv", images=images)
        assert caught.value.what == "two files could be the mask for the same case"
        assert "mask_pattern" in str(caught.value)
    with pytest.raises(ConfigError) as unknown:
        extract(data_set, tmp_path / "f.csv", regions={"RC": ["RC"]})
    assert "mask_convention" in str(unknown.value)


def test_morphology_says_which_package_it_lacks(
    data_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    with pytest.raises(MissingExtraError, match=r"brats3d\[features\]"):
        extract(data_set, tmp_path / "f.csv")
    assert not list(tmp_path.glob("*.csv"))
    extract(data_set, tmp_path / "f.csv", settings=FeatureSettings(families=("statistics",)))


@pytest.mark.real
def test_a_real_case_of_other_naming(real_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "pat0003").symlink_to(real_data / "brats2015" / "brats_2013_pat0003_1")
    found = extract(
        data,
        tmp_path / "f.csv",
        settings=FAST,
        pattern={
            "flair": "{case}/Flair_subtrMeanDivStd.nii.gz",
            "t1ce": "{case}/T1c_subtrMeanDivStd.nii.gz",
            "label": "{case}/OTMultiClass.nii.gz",
            "mask": "{case}/brainmask.nii.gz",
        },
        mask_convention="brats2012",
        modalities=("t1c", "flair"),
        form="wide",
    )
    rows = table(found.table)
    assert len(rows) == 3
    assert all(float(row["loc_brain_fraction"]) < 0.3 for row in rows if row["loc_brain_fraction"])
    assert "t1ce_stat_mean" in rows[0]


@pytest.mark.real
def test_a_real_case(real_data: Path, tmp_path: Path) -> None:
    case_id = "BraTS2021_00006"
    found = extract(real_data / "brats2021" / case_id, tmp_path / "f.csv")
    rows = table(found.table)
    assert not found.failed
    assert not any(row["reason"] for row in rows)
    volumes = {row["region"]: float(row["value"]) for row in rows if row["feature"] == "morph_volume_mesh"}
    assert 0 < volumes["ET"] < volumes["TC"] < volumes["WT"]
    shares = {row["region"]: float(row["value"]) for row in rows if row["feature"] == "loc_brain_fraction"}
    assert 0 < shares["WT"] < 0.5
