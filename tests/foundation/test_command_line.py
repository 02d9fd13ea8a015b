"""The command line: help without torch, exit codes, messages without tracebacks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from brats3d import __version__, config
from brats3d.__main__ import VERBS, main
from brats3d.config import FitConfig, PredictConfig, SynthesizeConfig, from_dict, load_config, parse_arguments
from brats3d.config.reading import setting_kinds
from brats3d.config.words import spelled_out

HEAVY = ("torch", "monai", "pytorch_lightning", "nibabel", "scipy", "matplotlib")
ROOT = Path(config.__file__).parents[1]


def python(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, in another folder than the checkout."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::RuntimeWarning"}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def heavy_after(statements: str, cwd: Path) -> list[str]:
    """Heavy packages that are loaded once ``statements`` have run."""
    ending = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = python("-c", f"{statements}\n{ending}", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load(done.stderr.splitlines()[-1]))


class TestHelp:
    @pytest.mark.parametrize("verb", VERBS)
    def test_a_verb_explains_itself_without_heavy_packages(self, verb: str, tmp_path: Path) -> None:
        statements = (
            "import runpy, sys\n"
            f"sys.argv = ['brats3d', '--help']\n"
            f"try: runpy.run_module('brats3d.{verb}', run_name='__main__')\n"
            "except SystemExit as ending: assert ending.code == 0, ending.code"
        )
        assert heavy_after(statements, tmp_path) == []

    def test_scoring_needs_no_heavy_packages(self, tmp_path: Path) -> None:
        assert not {"torch", "monai"} & set(heavy_after("import brats3d.workflows.evaluate", tmp_path))

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_key_is_in_the_help(self, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ending:
            main([verb, "--help"])
        assert ending.value.code == 0
        shown = capsys.readouterr().out
        kind = {
            "fit": FitConfig,
            "crossval": config.CrossvalConfig,
            "sweep": config.SweepConfig,
            "prepare": config.PrepareConfig,
            "predict": PredictConfig,
            "evaluate": config.EvaluateConfig,
            "extract": config.ExtractConfig,
            "report": config.ReportConfig,
            "adapt": config.AdaptConfig,
            "ensemble": config.EnsembleConfig,
            "export": config.ExportConfig,
            "submit": config.SubmitConfig,
            "app": config.AppConfig,
            "synthesize": SynthesizeConfig,
            "benchmark": config.BenchmarkConfig,
        }[verb]
        for key in setting_kinds(kind):
            assert f"--{key}" in shown
        assert "--config" in shown
        assert "--print_config" in shown

    def test_as_a_module(self, tmp_path: Path) -> None:
        done = python("-m", "brats3d.synthesize", "--help", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "usage: brats3d synthesize" in done.stdout

    @pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
    def test_the_verbs_are_listed(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(words) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        assert all(verb in shown.out for verb in VERBS)

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"{__version__}\n"

    def test_an_unknown_verb(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["fitt"]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "unknown verb 'fitt'" in shown.err
        assert all(verb in shown.err for verb in VERBS)


class TestUserErrors:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("fit", "--trainer.max_epoch", "3"), "did you mean 'trainer.max_epochs'"),
            (("fit", "--trainer.max_epochs", "many"), "invalid value"),
            (("fit", "--config", "no.yaml"), "configuration file not found"),
            (("predict",), "--run runs/NAME"),
            (("predict", "--run", "no_such_run", "--input", "."), "not a run"),
            (("evaluate",), "two folders are needed"),
            (("evaluate", "--predictions", "a", "--references", "b"), "do not exist"),
            (
                ("evaluate", "--predictions", ".", "--references", ".", "--labels", "{1: EX}"),
                "unknown tissue",
            ),
            (("synthesize",), "no folder to write to"),
            (("synthesize", "out", "--layout", "brats21"), "brats2021"),
            (("synthesize", "out", "--cases", "-1"), "case"),
            (("fit", "--data.root", "no_such_folder", "--folder", "r"), "no_such_folder"),
            (("fit", "--data.root", ".", "--folder", "r"), "error"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
    )
    def test_exit_code_2_and_a_message_on_stderr(
        self,
        words: tuple[str, ...],
        message: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(words) == 2
        shown = capsys.readouterr()
        assert "brats3d: error: " in shown.err
        assert message in shown.err
        assert "Traceback" not in shown.err
        assert shown.out == ""
        assert not list(tmp_path.iterdir())

    def test_as_a_process(self, tmp_path: Path) -> None:
        done = python("-m", "brats3d.fit", "--trainer.max_epoch", "3", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("brats3d: error: unknown configuration key 'trainer.max_epoch'")
        assert "Traceback" not in done.stderr
        done = python("-m", "brats3d", "no_verb", cwd=tmp_path)
        assert done.returncode == 2
        assert not list(tmp_path.iterdir())


class TestPrintConfig:
    def printed(self, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
        with pytest.raises(SystemExit) as ending:
            main(words)
        assert ending.value.code == 0
        return yaml.safe_load(capsys.readouterr().out)

    def test_it_can_be_read_back(self, capsys: pytest.CaptureFixture[str]) -> None:
        shown = self.printed(capsys, "fit", "--config", "cpu_20min.yaml", "--seed", "3", "--print_config")
        assert from_dict(FitConfig, shown) == load_config("cpu_20min.yaml", seed=3)

    def test_beside_a_positional_word(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.printed(capsys, "synthesize", "--print_config", "out")["output"] == "out"
        assert self.printed(capsys, "synthesize", "out", "--print_config")["output"] == "out"


def synthesize(*words: str) -> SynthesizeConfig:
    return parse_arguments(SynthesizeConfig, words, "brats3d synthesize", positionals=("output",))


def predict(*words: str) -> PredictConfig:
    return parse_arguments(PredictConfig, words, "brats3d predict")


class TestWords:
    @pytest.mark.parametrize(
        "words",
        [
            "out --cases 3 --size 32,48,64",
            "--cases 3 --size [32,48,64] out",
            "--cases=3 --size 32 48 64 out",
            "--size=32,48,64 --output out --cases 3",
            "--labels out --cases 3 --size (32,48,64)",
            "--labels true --size 1,1,1 --size 32,48,64 out --cases 3",
        ],
    )
    def test_out_is_found_wherever_it_stands(self, words: str) -> None:
        assert synthesize(*words.split()) == SynthesizeConfig(output="out", cases=3, size=(32, 48, 64))

    @pytest.mark.parametrize("name", ["a folder", "a: b", "2021", "[x]", "Größe"])
    def test_any_name_is_a_name(self, name: str) -> None:
        assert synthesize(name).output == name

    @pytest.mark.parametrize(
        "words",
        [
            ("--run", "a", "b"),
            ("--run", "a", "--run", "b"),
            ("--run=a", "--run=b"),
            ("--run", "a,b"),
            ("--run", "[a, b]"),
            ("--run", '["a", "b"]'),
        ],
    )
    def test_several_runs(self, words: Sequence[str]) -> None:
        assert predict(*words, "--input", "x") == PredictConfig(run=("a", "b"), input="x")

    @pytest.mark.parametrize("name", ["runs/first", "2021", "last", "~/x y", "."])
    def test_one_run(self, name: str) -> None:
        assert predict("--run", name).run == (name,)

    def test_switches(self) -> None:
        for words in ("--overwrite", "--overwrite true", "--overwrite=true", "--overwrite --run a"):
            assert predict(*words.split()).overwrite
        assert not predict("--overwrite", "false").overwrite
        assert predict("--flips").flips is True
        assert predict().flips is None

    def test_single_files(self) -> None:
        assert predict("--files.t1", "a.nii", "--files.flair", "b.nii").files == {
            "t1": "a.nii",
            "flair": "b.nii",
        }

    def test_resume_alone_is_the_newest_run(self) -> None:
        for words, run in (((), None), (("--resume",), "last"), (("--resume", "runs/x"), "runs/x")):
            assert parse_arguments(FitConfig, words, "brats3d fit").resume == run
        assert parse_arguments(FitConfig, ["--resume", "--seed", "1"], "brats3d fit").resume == "last"

    def test_lists_of_numbers_end_at_a_word(self) -> None:
        kinds = {"size": tuple[int, ...], "scale": tuple[float, float] | None, "name": str}
        words = ["--size", "1", "2", "x", "--scale", "-1.5", "2e3", "--name", "-y"]
        assert spelled_out(words, kinds, positionals=("out",)) == [
            "--size=[1, 2]",
            "--out=x",
            "--scale=[-1.5, 2e3]",
            "--name",
            "-y",
        ]
