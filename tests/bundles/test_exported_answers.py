"""Exported bundles say what this package says, when MONAI runs them without it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d.bundles.running import job, run_bundle
from brats3d.config import PredictConfig
from brats3d.errors import RunError
from brats3d.metrics import write_lesions_csv, write_metrics_csv
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.predict import predict

Make = Callable[[str], Path]
KINDS = ("sigmoid", "softmax", "slices")
CASE = "BraTS2021_00001"
SCORED = ["inference.json", "evaluate.json"]


@pytest.fixture(scope="module")
def turned(labelled_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with axes of its own: in ``files`` one file for each modality, in ``stacked`` all in one."""
    root = tmp_path_factory.mktemp("turned")
    folder = root / "files" / CASE
    folder.mkdir(parents=True)
    images = []
    for modality in ("t1", "t1ce", "t2", "flair"):
        image = nib.load(labelled_set / CASE / f"{CASE}_{modality}.nii.gz")
        plain = nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine)
        images.append(plain.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])))
        nib.save(images[-1], folder / f"{CASE}_{modality}.nii.gz")
    (root / "stacked").mkdir()
    stacked = np.stack([np.asarray(image.dataobj) for image in images], axis=-1)
    nib.save(nib.Nifti1Image(stacked, images[0].affine), root / "stacked" / f"{CASE}.nii.gz")
    return root


@pytest.fixture(scope="module")
def moved(labelled_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case whose label map lies elsewhere than its images, as its header has it."""
    root = tmp_path_factory.mktemp("moved")
    shutil.copytree(labelled_set / CASE, root / CASE)
    label = root / CASE / f"{CASE}_seg.nii.gz"
    image = nib.load(label)
    affine = image.affine.copy()
    affine[0, 3] += 5
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), label)
    return root


@pytest.fixture(scope="module")
def answers(
    bundle_of: Make,
    labelled_set: Path,
    turned: Path,
    moved: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What bundles of every kind wrote, one folder for each job."""
    folder = tmp_path_factory.mktemp("answers")

    def asked(name: str, kind: str, data: Path, configs: list[str], **changes: Any) -> dict[str, Any]:
        return job(bundle_of(kind), data, folder / name, configs, **changes)

    # One process for all, whose scripts are those of the first: they are the same in every bundle.
    run_bundle(
        bundle_of("sigmoid"),
        [
            *(asked(kind, kind, labelled_set, SCORED) for kind in KINDS),
            asked("torchscript", "sigmoid", labelled_set, ["inference.json", "torchscript.json"]),
            asked("stacked", "softmax", turned / "stacked", ["inference.json"]),
            asked("another profile", "slices", labelled_set, SCORED, profile="brats2025"),
            asked("moved", "slices", moved, SCORED, check_affine=False),
        ],
    )
    return folder


def predicted(run: Path, data: Path, output: Path) -> list[Path]:
    return predict(
        PredictConfig(
            run=(str(run),), input=str(data), output=str(output), probabilities=True, accelerator="cpu"
        )
    )


def check_same(expected: list[Path], output: Path) -> None:
    assert expected
    seen = set()
    for path in expected:
        ours, theirs = nib.load(path), nib.load(output / path.name)
        np.testing.assert_array_equal(theirs.dataobj, ours.dataobj)
        assert (output / path.name).read_bytes() == path.read_bytes()  # the header, too
        seen |= set(np.unique(ours.dataobj))
        name = path.name.replace(".nii.gz", "_probabilities.nii.gz")
        pair = [nib.load(folder / name).get_fdata() for folder in (path.parent, output)]
        np.testing.assert_allclose(*pair, atol=1e-4)
    assert len(seen) > 1, "a prediction without any tumour tells nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_predicts_and_scores_as_this_package(
    answers: Path, run_of: Make, labelled_set: Path, tmp_path: Path, kind: str
) -> None:
    output = answers / kind
    paths = predicted(run_of(kind), labelled_set, tmp_path / "predict")
    check_same(paths, output)
    for path in paths:  # evaluate shall see label maps alone
        path.with_name(path.name.replace(".nii.gz", "_probabilities.nii.gz")).unlink()
    expected = evaluate(tmp_path / "predict", labelled_set, quiet=True)
    write_metrics_csv(tmp_path / "expected.csv", expected.rows)
    assert (output / "metrics.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    write_lesions_csv(tmp_path / "lesions.csv", expected.lesions)
    assert (output / "lesions.csv").read_bytes() == (tmp_path / "lesions.csv").read_bytes()
    summary = json.loads((output / "metrics.json").read_text())
    assert summary["cases"] == 4
    assert summary == {name: json.loads(json.dumps(expected.summary[name])) for name in summary}


def test_scores_by_another_profile(answers: Path) -> None:
    summary = json.loads((answers / "another profile" / "metrics.json").read_text())
    assert summary["profile"]["name"] == "brats2025"
    assert summary["profile"]["definition"] == "pooled"


def test_torchscript_gives_the_same_answer(
    answers: Path, run_of: Make, labelled_set: Path, tmp_path: Path
) -> None:
    check_same(predicted(run_of("sigmoid"), labelled_set, tmp_path / "predict"), answers / "torchscript")


def test_a_4d_file_gives_the_same_answer_in_its_own_axes(
    answers: Path, turned: Path, run_of: Make, tmp_path: Path
) -> None:
    check_same(predicted(run_of("softmax"), turned / "files", tmp_path / "predict"), answers / "stacked")


def test_a_label_map_on_another_grid(bundle_of: Make, moved: Path, answers: Path, tmp_path: Path) -> None:
    assert (answers / "moved" / "metrics.csv").exists()
    with pytest.raises(RunError, match="does not run") as caught:
        run_bundle(bundle_of("slices"), [job(bundle_of("slices"), moved, tmp_path / "out", SCORED)])
    assert "DataError" in str(caught.value.got)
    assert not (tmp_path / "out" / "metrics.csv").exists()


def test_a_bundle_that_needs_this_package_does_not_run(
    bundle_of: Make, labelled_set: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(bundle_of("sigmoid"), tmp_path / "bundle"))
    runner = bundle / "scripts" / "runner.py"
    runner.write_text(runner.read_text().replace("import logging", "import logging\nimport brats3d", 1))
    with pytest.raises(RunError, match="does not run") as caught:
        run_bundle(bundle, [job(bundle, labelled_set, tmp_path / "out", ["inference.json"])])
    assert caught.value.got == "ModuleNotFoundError: No module named 'brats3d'"
