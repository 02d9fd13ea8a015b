"""The text of batch scripts, and what they do with SLURM's programs and Python played by others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from brats3d.__main__ import main
from brats3d.clusters.submit import submit
from brats3d.clusters.words import parted
from brats3d.config import SubmitConfig
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError, DataError, OutputError

JOB = {"name": "run", "time": "24:00:00"}
# Plays srun (which drops its options), scontrol and sbatch (which write down their words), and python.
PLAYED = {
    "srun": 'while [[ $1 == --* ]]; do shift; done\n"$@"',
    "scontrol": 'printf "%s\\n" "$*" >> "$PLAYED/scontrol.txt"',
    "sbatch": 'printf "%s\\n" "$*" >> "$PLAYED/sbatch.txt"; echo "4$(wc -l < "$PLAYED/sbatch.txt");cluster"',
    "python": f'"{sys.executable}" -c "import json, sys; print(json.dumps(sys.argv[1:]))" "$@"\nexit $CODE',
}


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder on the PATH with the programs that are played, and an odd current folder."""
    folder = tmp_path / "played"
    folder.mkdir()
    for name, text in PLAYED.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    odd = tmp_path / "o'dd $HOME [x] p%j"
    odd.mkdir()
    monkeypatch.chdir(odd)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PLAYED", str(folder))
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return folder


def head(script: Path) -> dict[str, str]:
    lines = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH --")]
    return {key: value for key, _, value in (line[10:].partition("=") for line in lines)}


def started(script: Path, code: int = 0, **variables: str) -> tuple[int, list[str]]:
    """Exit code of a script, and the words that Python was given."""
    environment = os.environ | {"CODE": str(code)} | variables
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout.splitlines()[0])


def made(*options: str, **job: object) -> Path:
    return submit(SubmitConfig(**{**JOB, "environment": "true", **job}), options).scripts[0]


class TestHead:
    def test_of_several_machines_with_gpus(self, played: Path) -> None:
        script = made(nodes=2, gpus_per_node=8, cpus_per_gpu=6, mem="200G", partition="gpu", account="me")
        options = head(script)
        wanted = {
            "job-name": "run",
            "nodes": "2",
            "ntasks-per-node": "8",
            "gpus-per-node": "8",
            "cpus-per-task": "6",
            "mem": "200G",
            "time": "24:00:00",
            "partition": "gpu",
            "account": "me",
            "signal": "USR1@90",
            "open-mode": "append",
            "requeue": "",
        }
        assert options.items() >= wanted.items()
        assert options["output"].endswith("p%%j/%x-%j.log'")

    def test_without_gpus_there_is_a_process_on_each_machine(self, played: Path) -> None:
        options = head(made(nodes=2, gpus_per_node=0))
        assert options["ntasks-per-node"] == "1"
        assert "gpus-per-node" not in options

    def test_of_folds(self, played: Path) -> None:
        options = head(made("--split.folds", "5", array="folds"))
        assert options["array"] == "0-4"
        assert options["output"].endswith("/%x-%A_%a.log'")


class TestStart:
    def test_the_first(self, played: Path) -> None:
        Path("odd 'n.yaml").write_text("trainer: {max_epochs: 3, devices: 4}")
        script = made("--config", "odd 'n.yaml", "--data.root", "da ta", nodes=2, gpus_per_node=8)
        code, words = started(script)
        assert code == 0
        assert words[:2] == ["-m", "brats3d.fit"]
        given = dict(zip(words[2::2], words[3::2], strict=True))
        assert given == {
            "--config": str(Path("odd 'n.yaml").absolute()),
            "--trainer.num_nodes": "2",
            "--trainer.devices": "8",
            "--trainer.accelerator": "gpu",
            "--trainer.strategy": "ddp",
            "--data.root": "da ta",
            "--name": "run",
        }
        assert words.index("--config") < words.index("--trainer.devices")

    def test_one_process_needs_no_strategy(self, played: Path) -> None:
        _, words = started(made())
        assert "--trainer.strategy" not in words

    def test_the_next_continues(self, played: Path) -> None:
        script = made()
        run = Path("runs/run").absolute()
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "last.ckpt").touch()
        assert started(script) == (0, ["-m", "brats3d.fit", "--resume", str(run)])

    def test_after_one_that_was_killed_before_its_first_checkpoint(self, played: Path) -> None:
        script = made()
        first = started(script)[1]
        assert "--resume" not in first  # what is there may be another job's
        assert started(script, SLURM_RESTART_COUNT="1")[1] == [*first, "--resume", "auto"]

    def test_each_fold_is_a_run(self, played: Path) -> None:
        script = made("--split.folds", "3", array="folds")
        _, words = started(script, SLURM_ARRAY_TASK_ID="2")
        assert words[words.index("--split.fold") + 1] == "2"
        assert words[words.index("--name") + 1] == "run-fold2"

    def test_without_an_environment_it_is_this_python(self, played: Path) -> None:
        assert f"python={sys.executable}\n" in made(environment=None).read_text()


class TestEnd:
    @pytest.mark.parametrize("code", [75, 138])
    def test_an_interrupted_training_goes_back_into_the_queue(self, played: Path, code: int) -> None:
        assert started(made(), code)[0] == 75
        assert (played / "scontrol.txt").read_text() == "requeue 7\n"
        assert [path.name for path in Path("runs").iterdir()] == []

    @pytest.mark.parametrize("code", [0, 1, 2, 143])
    def test_other_ends_are_passed_on(self, played: Path, code: int) -> None:
        assert started(made(), code)[0] == code
        assert not (played / "scontrol.txt").exists()


class TestEnsemble:
    def test_of_all_folds(self, played: Path) -> None:
        config = SubmitConfig(
            name="run", array="folds", predict_input="new", environment="true", gpus_per_node=2
        )
        done = submit(config, ["--split.folds", "2", "--folder", "all runs"])
        assert [path.name for path in done.scripts] == ["run.sbatch", "run-predict.sbatch"]
        code, words = started(done.scripts[1])
        assert code == 0
        runs = [str(Path(f"all runs/run-fold{fold}").absolute()) for fold in (0, 1)]
        assert words[:5] == ["-m", "brats3d.predict", "--run", *runs]
        assert words[words.index("--input") + 1] == str(Path("new").absolute())
        assert words[words.index("--output") + 1] == str(Path("predictions/run").absolute())
        _, again = started(done.scripts[1], SLURM_RESTART_COUNT="1")
        assert again == [*words, "--overwrite", "true"]
        assert subprocess.run(["bash", "-c", done.command], capture_output=True, check=False).returncode == 0
        assert "afterok:41" in (played / "sbatch.txt").read_text()

    def test_is_submitted_to_run_after_them(self, played: Path, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["--name", "run", "--array", "folds", "--predict_input", "new", "--go", "--time", "90"]
        assert main(["submit", *words, "--", "--split.folds", "2"]) == 0
        first, second = (played / "sbatch.txt").read_text().splitlines()
        assert first == f"--parsable {Path('run.sbatch').absolute()}"
        script = Path("run-predict.sbatch").absolute()
        assert second == f"--parsable --dependency=afterok:41 --kill-on-invalid-dep=yes {script}"
        assert capsys.readouterr().out.splitlines()[-2:] == ["submitted as job 41", "submitted as job 42"]


@pytest.mark.parametrize("options", [[], ["--split.folds", "3"]])
@pytest.mark.parametrize("environment", [None, "module load cuda\nsource 'my venv/bin/activate'"])
def test_bash_can_read_them(played: Path, options: list[str], environment: str | None) -> None:
    job = {"array": "folds", "predict_input": "new"} if options else {}
    done = submit(SubmitConfig(name="a 'b", environment=environment, **job), options)
    for script in done.scripts:
        assert script.read_text().endswith("\n")
        checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_words_are_parted() -> None:
    words = ["--config", "a.yaml", "--name", "x", "--config=b.yaml", "--", "--seed", "1"]
    assert parted(words) == (
        ["--name", "x"],
        ["--config", "a.yaml", "--config", "b.yaml", "--seed", "1"],
    )


class TestSites:
    """Folds that are sites are counted before the job waits."""

    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        write_phantoms(tmp_path / "data", cases=4, size=(32, 32, 32), seed=1)
        ids = [case.case_id for case in discover(tmp_path / "data").cases]
        rows = [f"{name},{site}" for name, site in zip([*ids, "other"], "abcaz", strict=True)]
        file = tmp_path / "sites.csv"
        file.write_text("\n".join(["case_id,site", *rows]))
        return file

    def options(self, table: Path, *more: str) -> list[str]:
        root = str(table.with_name("data"))
        return ["--data.root", root, "--split.sites", str(table), "--split.test", "0", *more]

    def test_one_fold_for_each_site_of_the_cases(self, played: Path, table: Path) -> None:
        job = {"array": "folds", "predict_input": "new"}
        done = submit(SubmitConfig(**JOB, **job), self.options(table))
        assert head(done.scripts[0])["array"] == "0-2"
        assert "runs/run-fold2" in done.scripts[1].read_text()

    def test_a_table_that_does_not_fit_the_cases(self, played: Path, table: Path) -> None:
        table.write_text("case_id,site\nother,a\n")
        with pytest.raises(DataError, match="leaves cases out"):
            made(*self.options(table), array="folds")
        assert list(Path().iterdir()) == []

    def test_a_test_that_takes_a_whole_site(self, played: Path, table: Path) -> None:
        with pytest.raises(DataError, match="all cases of a site"):
            made(*self.options(table, "--split.test", "3"), array="folds")
        assert list(Path().iterdir()) == []


class TestUserErrors:
    @pytest.mark.parametrize(
        ("job", "where"),
        [
            ({"name": None}, "name"),
            ({"name": "a/b"}, "name"),
            ({"name": "a\nb"}, "name"),
            ({"nodes": 0}, "nodes"),
            ({"gpus_per_node": -1}, "gpus_per_node"),
            ({"cpus_per_gpu": 0}, "cpus_per_gpu"),
            ({"time": "a day"}, "time"),
            ({"time": "0:00"}, "time"),
            ({"time": "1:2:3:4"}, "time"),
            ({"mem": "much"}, "mem"),
            ({"partition": "a b"}, "partition"),
            ({"account": ""}, "account"),
            ({"predict_input": "new"}, "predict_input"),
            ({"array": "folds"}, "split.folds"),
            ({"output": "a\nb/job"}, "output"),
        ],
    )
    def test_jobs(self, played: Path, job: dict, where: str, check_refused: Callable[..., None]) -> None:
        check_refused(SubmitConfig(**{**JOB, **job}), (), where)

    @pytest.mark.parametrize(
        ("options", "where"),
        [
            (("--name", "other"), "options after --"),
            (("--resume=last",), "options after --"),
            (("--trainer.devices", "2"), "trainer.devices"),
            (("--trainer.max_epoch", "2"), "brats3d fit"),
            (("--patch.batch_size", "0"), "patch.batch_size"),
            (("--config", "no.yaml"), "no.yaml"),
            (("--config",), "--config"),
        ],
    )
    def test_trainings(
        self, played: Path, options: tuple[str, ...], where: str, check_refused: Callable[..., None]
    ) -> None:
        check_refused(SubmitConfig(**JOB), options, where)

    @pytest.mark.parametrize("time", ["90", "90:30", "24:00:00", "2-12", "2-12:30", "2-12:30:15"])
    def test_times_that_slurm_knows(self, played: Path, time: str) -> None:
        assert head(made(time=time))["time"] == time

    def test_a_script_is_not_replaced(self, played: Path) -> None:
        script = made()
        with pytest.raises(OutputError, match="--overwrite"):
            made("--seed", "1")
        assert "--seed" not in script.read_text()
        assert "--seed 1" in made("--seed", "1", overwrite=True).read_text()

    def test_no_slurm(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert main(["submit", "--name", "run", "--go"]) == 2
        assert "no SLURM on this machine" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_slurm_refuses(self, played: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (played / "sbatch").write_text("#!/bin/bash\necho 'invalid partition specified: x' >&2\nexit 1\n")
        assert main(["submit", "--name", "run", "--partition", "x", "--go"]) == 2
        assert "invalid partition specified: x" in capsys.readouterr().err


@pytest.fixture
def check_refused() -> Callable[..., None]:
    """Checks that a job is refused, why, and that nothing is written."""

    def check(config: SubmitConfig, options: tuple[str, ...], where: str) -> None:
        with pytest.raises(ConfigError) as caught:
            submit(config, options)
        assert str(caught.value.where) == where
        assert list(Path().iterdir()) == []

    return check
