"""The example in ``bundles/``: small, with the scripts that this version writes, and working."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from brats3d.bundles.predict import predict
from brats3d.bundles.running import job, run_bundle
from brats3d.bundles.vendoring import vendored_scripts
from brats3d.config import PredictConfig
from brats3d.data.phantom import write_phantoms
from brats3d.workflows.evaluate import evaluate

BUNDLES = Path(__file__).parents[2] / "bundles"
EXAMPLE = BUNDLES / "brats3d_phantoms"


def test_it_is_small_and_says_what_it_is() -> None:
    files = [path for path in EXAMPLE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 5e6
    assert "never seen real MRI" in (BUNDLES / "README.md").read_text()
    assert "Phantoms, made up by brats3d" in (EXAMPLE / "docs" / "README.md").read_text()


def test_its_scripts_are_those_that_this_version_writes() -> None:
    folder = EXAMPLE / "scripts"
    scripts = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.py")}
    written = vendored_scripts()
    differing = [name for name in {**scripts, **written} if scripts.get(name) != written.get(name)]
    assert not differing, "write them again, see bundles/README.md"


def test_it_segments_phantoms_it_has_not_seen_with_and_without_this_package(tmp_path: Path) -> None:
    data, ours, theirs = tmp_path / "data", tmp_path / "ours", tmp_path / "theirs"
    write_phantoms(data, cases=2, size=(64, 64, 64), seed=77)
    predict(PredictConfig(bundle=str(EXAMPLE), input=str(data), output=str(ours), accelerator="cpu"))
    # The cache of bytecode goes elsewhere: the example stays as it is.
    run_bundle(EXAMPLE, [job(EXAMPLE, data, theirs, ["inference.json"])])
    paths = sorted(ours.glob("*.nii.gz"))
    assert len(paths) == 2
    for path in paths:
        np.testing.assert_array_equal(nib.load(theirs / path.name).dataobj, nib.load(path).dataobj)
    rows = evaluate(ours, data, quiet=True).rows
    assert np.mean([row["dice"] for row in rows if row.region == "WT"]) > 0.8
