"""Configuration: defaults, files, overrides, and messages about what is wrong with them."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d import config as configuration
from brats3d.config import (
    DataConfig,
    EvaluateConfig,
    FitConfig,
    ModelConfig,
    PredictConfig,
    PrepareConfig,
    SynthesizeConfig,
    TrainerConfig,
    from_dict,
    load_config,
    parse_arguments,
    recipe_folder,
    recipe_path,
    save_config,
    to_plain,
    to_yaml,
)
from brats3d.errors import ConfigError

VERBS = (FitConfig, PrepareConfig, PredictConfig, EvaluateConfig, SynthesizeConfig)


def fit_words(*words: str) -> FitConfig:
    return parse_arguments(FitConfig, words, "brats3d fit")


def written(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text)
    return path


class TestDefaults:
    @pytest.mark.parametrize("kind", VERBS)
    def test_nothing_given_is_the_default(self, kind: type[Any]) -> None:
        assert parse_arguments(kind, [], "brats3d") == from_dict(kind, {}) == kind()

    def test_no_file_is_the_quick_start(self) -> None:
        assert load_config() == FitConfig()
        assert load_config("quick_start.yaml") == FitConfig()

    def test_configurations_are_frozen(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            FitConfig().seed = 1  # type: ignore[misc]

    @pytest.mark.parametrize(
        "kind", [kind for kind in vars(configuration).values() if dataclasses.is_dataclass(kind)]
    )
    def test_every_key_is_described(self, kind: type[Any]) -> None:
        body = inspect.getsource(kind).splitlines()
        for name in inspect.get_annotations(kind):  # inherited keys are described where they come from
            line = next(i for i, text in enumerate(body) if text.startswith(f"    {name}: "))
            assert body[line + 1].strip().startswith('"""'), f"{kind.__name__}.{name} has no description"


class TestRoundTrip:
    CHANGED = load_config(
        name="007",
        data__root="a: b",
        data__labels={1: "ET", 2: "NCR"},
        data__regions={"core": ("ET", "NCR")},
        data__pattern={"flair": "{case}/F.nii.gz"},
        preprocess__spacing_mm=(1.0, 1, 2.5),
        patch__size=(64, 64),
        model__params={"filters": [8, 16], "norm": "none", "dropout": 0.1, "deep": {"a": [1, None]}},
        optim__lr=1e-7,
        optim__ema_decay=None,
        trainer__devices=2,
        inference__window_batch=3,
        postprocess__thresholds={"WT": 0.4},
    )

    @pytest.mark.parametrize("config", [FitConfig(), CHANGED], ids=["default", "changed"])
    def test_yaml_comes_back_equal(self, config: FitConfig, tmp_path: Path) -> None:
        path = tmp_path / "config.yaml"
        save_config(config, path)
        assert path.read_text() == to_yaml(config)
        assert load_config(path) == config
        assert fit_words("--config", str(path)) == config

    def test_plain_values_come_back_equal(self) -> None:
        assert from_dict(FitConfig, to_plain(self.CHANGED)) == self.CHANGED
        assert self.CHANGED.name == "007"
        assert self.CHANGED.data.labels == {1: "ET", 2: "NCR"}
        assert self.CHANGED.data.regions == {"core": ("ET", "NCR")}

    def test_predictions_too(self) -> None:
        config = PredictConfig(run=("runs/a", "runs/b"), files={"t1": "x.nii.gz"}, flips=True)
        assert from_dict(PredictConfig, yaml.safe_load(to_yaml(config))) == config

    @given(
        lr=st.floats(1e-9, 1e3),
        epochs=st.integers(1, 10**6),
        size=st.lists(st.integers(1, 512), min_size=2, max_size=3),
        root=st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), max_size=12),
        stratify=st.booleans(),
    )
    @settings(deadline=None, max_examples=20)
    def test_any_values_come_back_equal(
        self, lr: float, epochs: int, size: list[int], root: str | None, stratify: bool
    ) -> None:
        plain = to_plain(FitConfig())
        plain["optim"]["lr"] = lr
        plain["trainer"]["max_epochs"] = epochs
        plain["patch"]["size"] = size
        plain["data"]["root"] = root
        plain["split"]["stratify"] = stratify
        made = from_dict(FitConfig, plain)
        assert (made.optim.lr, made.trainer.max_epochs) == (lr, epochs)
        assert (made.patch.size, made.data.root, made.split.stratify) == (tuple(size), root, stratify)
        assert yaml.safe_load(to_yaml(made)) == plain

    def test_one_configuration_does_not_reach_into_the_next(self) -> None:
        first = load_config()
        first.model.params["filters"] = [1]
        assert load_config() == fit_words() == FitConfig()
        assert first != FitConfig()


class TestOverrides:
    def test_in_code(self, tmp_path: Path) -> None:
        made = load_config("cpu_20min.yaml", trainer__max_epochs=2, data__root=tmp_path)
        assert made.trainer.max_epochs == 2
        assert made.data.root == str(tmp_path)
        assert made.model == load_config("cpu_20min.yaml").model

    def test_a_whole_section(self) -> None:
        made = load_config(trainer=TrainerConfig(max_epochs=3), data=DataConfig(root="x"), data__layout="msd")
        assert made.trainer == TrainerConfig(max_epochs=3)
        assert (made.data.root, made.data.layout) == ("x", "msd")

    def test_on_the_command_line_later_words_win(self) -> None:
        assert fit_words("--config", "cpu_20min.yaml", "--trainer.max_epochs", "7").trainer.max_epochs == 7
        assert fit_words("--seed", "1", "--seed=-2").seed == -2

    @pytest.mark.parametrize(
        "words", [["--trainer.max-epochs", "7"], ["--trainer.max-epochs=7"], ["--trainer.max_epochs", "7"]]
    )
    def test_dashes_are_underscores(self, words: list[str]) -> None:
        config = parse_arguments(FitConfig, [*words, "--patch.batch-size", "3"], "brats3d fit")
        assert (config.trainer.max_epochs, config.patch.batch_size) == (7, 3)

    def test_parameters_of_a_component(self) -> None:
        assert fit_words("--model.params.filters=[8, 16]").model.params == {"filters": [8, 16]}
        assert fit_words("--model.params", "{feature_size: 24}").model.params == {"feature_size": 24}
        added = fit_words("--config", "unet3d.yaml", "--model.params.dropout", "0.1").model.params
        assert added == load_config("unet3d.yaml").model.params | {"dropout": 0.1}
        assert load_config(model__params={"feature_size": 24}).model.params == {"feature_size": 24}

    def test_parameters_of_a_file_replace_the_default(self) -> None:
        for made in (load_config("swin_unetr3d.yaml"), fit_words("--config", "swin_unetr3d.yaml")):
            assert "filters" not in made.model.params

    def test_numbers_in_scientific_notation(self, tmp_path: Path) -> None:
        path = written(tmp_path, "optim: {lr: 1e-3}\nloss: {params: {alpha: 1e-3}}\n")
        for made in (load_config(path), fit_words("--config", str(path)), fit_words("--optim.lr", "1e-3")):
            assert made.optim.lr == 0.001
        assert load_config(path).loss.params == {"alpha": 0.001}

    def test_null(self) -> None:
        assert fit_words("--optim.ema_decay", "null").optim.ema_decay is None
        assert fit_words("--preprocess.spacing_mm=null").preprocess.spacing_mm is None

    def test_labels_of_the_user(self) -> None:
        made = fit_words("--data.labels", "{1: ET, 2: NCR}", "--data.regions", "{core: [ET, NCR]}").data
        assert made.labels == {1: "ET", 2: "NCR"}
        assert made.regions == {"core": ("ET", "NCR")}


class TestRecipes:
    def test_they_are_found_from_anywhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        made = fit_words("--config", "cpu_20min.yaml")
        assert made == fit_words("--config=cpu_20min.yaml") == load_config("cpu_20min.yaml")
        assert made != FitConfig()

    def test_a_file_of_that_name_here_comes_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("cpu_20min.yaml").write_text("seed: 5\n")
        assert load_config("cpu_20min.yaml").seed == 5
        assert recipe_path("unet3d.yaml") == recipe_folder() / "unet3d.yaml"

    def test_an_unknown_one_names_the_closest(self) -> None:
        for load in (lambda: load_config("cpu_20mn.yaml"), lambda: fit_words("--config", "cpu_20mn.yaml")):
            with pytest.raises(ConfigError, match=r"did you mean 'cpu_20min.yaml'"):
                load()


class TestMistakes:
    @pytest.mark.parametrize(
        ("overrides", "wrong", "closest"),
        [
            ({"modl__x": 1}, "modl", "model"),
            ({"sed": 1}, "sed", "seed"),
            ({"trainer__max_epoch": 1}, "trainer.max_epoch", "trainer.max_epochs"),
            ({"data__phantoms__caes": 1}, "data.phantoms.caes", "data.phantoms.cases"),
            ({"trainer_max_epochs": 1}, "trainer_max_epochs", "trainer.max_epochs"),
        ],
    )
    def test_an_unknown_key_in_code(self, overrides: dict[str, Any], wrong: str, closest: str) -> None:
        with pytest.raises(ConfigError, match=f"unknown configuration key {wrong!r}") as caught:
            load_config(**overrides)
        assert f"did you mean {closest!r}?" in str(caught.value.remedy)

    @pytest.mark.parametrize(
        ("words", "wrong", "closest"),
        [
            (("--trainer.max_epoch", "3"), "trainer.max_epoch", "trainer.max_epochs"),
            (("--trainr.max_epochs=3",), "trainr.max_epochs", "trainer.max_epochs"),
            (("--sed=3",), "sed", "seed"),
            (("--fold", "3"), "fold", "folder"),
            (("--data", "{rot: x}"), "data.rot", "data.root"),
            (("foldr",), "foldr", "folder"),
        ],
    )
    def test_an_unknown_key_on_the_command_line(
        self, words: tuple[str, ...], wrong: str, closest: str
    ) -> None:
        with pytest.raises(ConfigError, match=f"unknown configuration key {wrong!r}") as caught:
            fit_words(*words)
        assert f"did you mean {closest!r}?" in str(caught.value.remedy)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("trainer: {max_epoch: 3}", r"did you mean 'trainer\.max_epochs'"),
            ("trainr: {max_epochs: 3}", "did you mean 'trainer'"),
            ("config: other.yaml", "unknown configuration key 'config'"),
            ("1: 2", "unknown configuration key '1'"),
            ("data:", "the section 'data' has no keys"),
            ("data: {phantoms: 3}", r"the section 'data\.phantoms' has no keys"),
            ("trainer: [1]", "the section 'trainer' has no keys"),
            ("- 1", "not a mapping"),
            ("a: [", "cannot read"),
        ],
    )
    def test_a_file_that_cannot_work_is_named(self, tmp_path: Path, text: str, message: str) -> None:
        path = written(tmp_path, text)
        for load in (lambda: load_config(path), lambda: fit_words(f"--config={path}")):
            with pytest.raises(ConfigError, match=message) as caught:
                load()
            assert caught.value.where == path

    def test_a_file_that_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="cannot read"):
            load_config(tmp_path / "x.yaml")

    def test_an_empty_file_changes_nothing(self, tmp_path: Path) -> None:
        path = written(tmp_path, "# model: {name: unet}\n")
        assert load_config(path) == fit_words("--config", str(path)) == FitConfig()

    @pytest.mark.parametrize(
        ("key", "value", "kind"),
        [
            ("trainer.max_epochs", "many", "int"),
            ("trainer.max_epochs", 2.5, "int"),
            ("trainer.max_epochs", True, "int"),
            ("optim.lr", "fast", "float"),
            ("patch.size", "big", "tuple[int, ...]"),
            ("patch.size", [1.5, 2], "tuple[int, ...]"),
            ("preprocess.spacing_mm", [1.0, 1.0], "tuple[float, float, float] | None"),
            ("data.labels", {"a": "ET"}, "dict[int, str] | None"),
            ("trainer.deterministic", "perhaps", "bool"),
            ("inference.window_batch", "x", "Literal['auto']"),
        ],
    )
    def test_a_wrong_type_is_named_with_key_value_and_type(self, key: str, value: Any, kind: str) -> None:
        words = [f"--{key}", str(value).replace("True", "true")]
        for load in (lambda: load_config(**{key.replace(".", "__"): value}), lambda: fit_words(*words)):
            with pytest.raises(ConfigError, match="invalid value") as caught:
                load()
            assert caught.value.where == key
            assert kind in str(caught.value.expected)
            assert caught.value.got is not None

    def test_a_key_below_a_value(self) -> None:
        with pytest.raises(ConfigError, match="'name' has no keys"):
            load_config(model=ModelConfig(), model__name__x=1)
        with pytest.raises(ConfigError, match="'data' has no keys"):
            load_config(data=None, data__root="x")

    def test_an_option_without_its_value(self) -> None:
        for words in (("--trainer.max_epochs",), ("--config",), ("--patch.size", "--seed", "1")):
            with pytest.raises(ConfigError, match="expected one argument"):
                fit_words(*words)
