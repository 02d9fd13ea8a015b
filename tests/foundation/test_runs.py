"""The folder of a run: what is written comes back; what is missing or damaged is named."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from brats3d.config import FitConfig, load_config
from brats3d.data.splits import Split
from brats3d.errors import ConfigError, OutputError, RunError
from brats3d.labels import CONVENTIONS, LabelConvention, custom_convention
from brats3d.workflows.runs import RunFolder, environment

SPLIT = Split(("a", "b"), ("c",), ("d",))
RECORDS = ("config.yaml", "environment.json", "labels.json", "split.json")


def begun(config: FitConfig, convention: LabelConvention = CONVENTIONS["brats2017"]) -> RunFolder:
    run = RunFolder.new(config)
    run.begin(config, split=SPLIT, layout="brats2021", convention=convention)
    return run


@pytest.fixture
def config(tmp_path: Path) -> FitConfig:
    return load_config(name="first", folder=tmp_path / "runs", data__labels={1: "ET"}, seed=7)


@pytest.fixture
def run(config: FitConfig) -> RunFolder:
    return begun(config)


class TestBeginning:
    def test_what_is_written_comes_back(self, run: RunFolder, config: FitConfig) -> None:
        assert run.path == Path(config.folder) / "first"
        assert run.config() == config
        assert run.split() == SPLIT
        assert run.convention() == CONVENTIONS["brats2017"]
        assert tuple(sorted(p.name for p in run.path.iterdir() if p.is_file())) == RECORDS
        assert json.loads((run.path / "environment.json").read_text())["seed"] == 7

    @pytest.mark.parametrize(
        "convention",
        [
            *CONVENTIONS.values(),
            custom_convention({9: "stone", 1: "left"}, {"Z": ["left", "stone"], "A": ["left"]}),
        ],
        ids=lambda convention: convention.name,
    )
    def test_any_convention_comes_back_with_its_order(
        self, config: FitConfig, convention: LabelConvention
    ) -> None:
        again = begun(config, convention).convention()
        assert again == convention
        assert again.region_names == convention.region_names
        assert again.class_names == convention.class_names

    def test_choosing_a_folder_writes_nothing(self, config: FitConfig) -> None:
        RunFolder.new(config)
        assert not Path(config.folder).exists()

    def test_without_a_name_model_and_time_make_one(self, tmp_path: Path) -> None:
        made = RunFolder.new(load_config("unet2d_flair_t1ce.yaml", folder=tmp_path))
        assert made.path.name.startswith("unet2d-20")

    def test_a_run_is_never_overwritten(self, run: RunFolder, config: FitConfig) -> None:
        with pytest.raises(OutputError, match="exists already") as caught:
            RunFolder.new(config)
        assert f"--resume {run.path}" in str(caught.value.remedy)

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
    def test_a_failure_leaves_no_half_run(
        self, config: FitConfig, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        replace, done = os.replace, []

        def fail_at_the_second(*paths: str) -> None:
            if done:
                raise OSError(number, os.strerror(number))
            done.append(paths)
            replace(*paths)

        monkeypatch.setattr(os, "replace", fail_at_the_second)
        with pytest.raises(OutputError):
            begun(config)
        assert not list(Path(config.folder).iterdir())

    def test_a_file_where_the_folder_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "runs").write_text("")
        with pytest.raises(OutputError, match="a file stands"):
            begun(load_config(name="x", folder=tmp_path / "runs"))


class TestOpening:
    def test_by_folder_by_name_and_by_last(self, run: RunFolder, config: FitConfig) -> None:
        for given in (run.path, str(run.path), "first", "last"):
            assert RunFolder.open(given, folder=config.folder) == run

    def test_last_is_the_newest(self, run: RunFolder, config: FitConfig) -> None:
        newer = begun(load_config(name="a", folder=config.folder))
        os.utime(run.path / "config.yaml", (1, 1))
        assert RunFolder.open("last", folder=config.folder) == newer

    def test_an_unknown_run_names_the_closest(self, run: RunFolder, config: FitConfig) -> None:
        with pytest.raises(RunError, match=r"did you mean .*first") as caught:
            RunFolder.open("frist", folder=config.folder)
        assert caught.value.where == "frist"

    @pytest.mark.parametrize("given", ["x", "last", "."])
    def test_where_there_is_none(self, tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(RunError, match="brats3d fit"):
            RunFolder.open(given)


class TestDamage:
    @pytest.mark.parametrize(
        "content", [None, "", "{", "[]", "{}", '{"train": 3}', '{"train":1,"val":2,"test":3}']
    )
    def test_a_damaged_split(self, run: RunFolder, content: str | None) -> None:
        path = run.path / "split.json"
        path.unlink() if content is None else path.write_text(content)
        with pytest.raises(RunError, match="incomplete") as caught:
            run.split()
        assert caught.value.where == path

    @pytest.mark.parametrize(
        "content",
        [
            None,
            "{",
            "[]",
            "{}",
            '{"regions": 3}',
            '{"convention":"x","values":{"a":"ET"},"regions":{"ET":["ET"]}}',
        ],
    )
    def test_damaged_labels(self, run: RunFolder, content: str | None) -> None:
        path = run.path / "labels.json"
        path.unlink() if content is None else path.write_text(content)
        with pytest.raises(RunError, match="incomplete") as caught:
            run.convention()
        assert caught.value.where == path

    def test_a_damaged_configuration(self, run: RunFolder) -> None:
        (run.path / "config.yaml").write_text("modl: {}")
        with pytest.raises(ConfigError, match="did you mean 'model'") as caught:
            run.config()
        assert caught.value.where == run.path / "config.yaml"


class TestCheckpoints:
    def test_best_falls_back_to_last(self, run: RunFolder) -> None:
        (run.checkpoints / "last.ckpt").touch()
        assert run.checkpoint("best") == run.checkpoint("last") == run.checkpoints / "last.ckpt"
        (run.checkpoints / "best.ckpt").touch()
        assert run.checkpoint() == run.checkpoints / "best.ckpt"

    def test_none_yet(self, run: RunFolder) -> None:
        with pytest.raises(RunError, match="no checkpoint yet"):
            run.checkpoint()

    def test_an_unknown_kind(self, run: RunFolder) -> None:
        with pytest.raises(RunError, match="unknown checkpoint 'worst'") as caught:
            run.checkpoint("worst")
        assert caught.value.expected == "best or last"


def test_the_environment_says_what_a_result_depends_on() -> None:
    found = environment(3)
    assert found["seed"] == 3
    assert {"torch", "monai", "numpy"} <= set(found["packages"])
    assert found["cores"] >= 1
    assert json.loads(json.dumps(found)) == found
