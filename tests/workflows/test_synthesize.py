"""The workflow behind ``synthesize``."""

from __future__ import annotations

from pathlib import Path

import pytest

from brats3d.data.discovery import discover
from brats3d.errors import ConfigError
from brats3d.workflows.synthesize import synthesize

SIZE = (32, 32, 32)


def test_it_writes_a_data_set_and_shows_progress(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    homes = synthesize(tmp_path, cases=3, layout="brats2023", seed=2, size=SIZE)
    assert [home.name for home in homes] == [f"BraTS-GLI-{i:05d}-000" for i in range(3)]
    assert len(discover(tmp_path).cases) == 3
    shown = capsys.readouterr()
    assert "3/3" in shown.err
    assert shown.out == ""


def test_quiet_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synthesize(tmp_path, cases=1, size=SIZE, labels=False, quiet=True)
    assert capsys.readouterr() == ("", "")
    assert discover(tmp_path).cases[0].label is None


def test_an_unknown_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="brats2021"):
        synthesize(tmp_path, cases=1, layout="brats21", size=SIZE, quiet=True)
