"""The program that the README shows, as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np

EXAMPLE = Path(__file__).with_name("client_example.py")
README = Path(__file__).parents[3] / "README.md"


def test_the_readme_shows_it() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") in README.read_text(encoding="utf-8")


def test_the_example_prints_volumes_and_saves_the_label_map(server, make_volume, tmp_path: Path) -> None:
    case = tmp_path / "case"
    case.mkdir()
    for modality in ("t1", "t1ce", "t2", "flair"):
        (case / f"a_{modality}.nii.gz").write_bytes(make_volume(modality))
    command = [sys.executable, str(EXAMPLE), server.url, str(case), "spots"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == ["ET: 0.12 ml", "TC: 0.12 ml", "WT: 0.12 ml"]
    labels = np.asarray(nibabel.load(tmp_path / "labels.nii.gz").dataobj)
    assert (labels[4:8, 4:9, 3:6] == 3).all()
    assert np.count_nonzero(labels) == 60
