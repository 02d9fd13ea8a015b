"""Configuration: frozen dataclasses, read from YAML and the command line.

This is the only module that knows jsonargparse. Every field is described by the string below it;
``python -m brats3d.fit --help`` prints those. Defaults are the embedded quick start: phantoms and a
small 3-D U-Net.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from brats3d.command_line import spelled_out
from brats3d.errors import ConfigError, closest_first
from brats3d.files import write_text

T = TypeVar("T")

# `--resume` alone continues the newest run.
_ALONE = {"resume": "last"}


@dataclass(frozen=True)
class PhantomConfig:
    """Phantoms that stand in for a data set when ``data.root`` is not given."""

    cases: int = 16
    """Number of phantoms."""
    size: tuple[int, int, int] = (64, 64, 64)
    """Voxels along each axis."""
    seed: int = 0
    """Seed of the set of phantoms."""
    without_et: float = 0.0
    """Share of tumours without enhancing part."""


@dataclass(frozen=True)
class DataConfig:
    """Where the cases are and what their files and labels mean."""

    root: str | None = None
    """Folder of the data set; without it, phantoms are used."""
    layout: str = "auto"
    """Naming of the files (brats2018, brats2020, brats2021, brats2023, msd, nnunet, pattern), or auto."""
    pattern: dict[str, str] | None = None
    """Your own naming: modality, label or mask to a pattern such as {flair: '{case}/Flair.nii.gz'}."""
    modalities: tuple[str, ...] = ("t1", "t1ce", "t2", "flair")
    """Modalities given to the network, in channel order."""
    convention: str = "auto"
    """Label convention (brats2017, brats2023 ...); auto takes the layout's."""
    labels: dict[int, str] | None = None
    """Your own label convention: value to tissue, such as {1: ET, 2: NCR, 3: ED}."""
    regions: dict[str, tuple[str, ...]] | None = None
    """Your own regions: name to tissues; by default ET, TC and WT."""
    label_geometry: str = "strict"
    """strict: a label map whose header disagrees with the images is an error; trust_array: it is not."""
    store: str | None = None
    """Folder of prepared cases, shared by runs; by default `.prepared` beside the runs."""
    workers: int | None = None
    """Processes that read and augment patches; by default none on CPUs, else one per core."""
    phantoms: PhantomConfig = field(default_factory=PhantomConfig)
    """Phantoms that stand in for a data set."""


@dataclass(frozen=True)
class SplitConfig:
    """How patients are parted into training, validation and test."""

    val: float = 0.2
    """Patients for validation: a fraction below 1, or a number."""
    test: float = 0.2
    """Patients for the held-out test: a fraction below 1, or a number."""
    folds: int | None = None
    """Number of cross-validation folds; `val` then does not count."""
    fold: int = 0
    """Fold used for validation, from 0."""
    csv: str | None = None
    """Table with the columns case_id and split (train, val, test); overrides the rest."""
    seed: int = 0
    """Seed of the shuffle."""
    stratify: bool = True
    """Spread cases with and without the first region (ET) evenly."""


@dataclass(frozen=True)
class PreprocessConfig:
    """What is done to every case, once, before training and before prediction."""

    orientation: str = "RAS"
    """Axis codes every case is brought to."""
    spacing_mm: tuple[float, float, float] | None = None
    """Voxel size to resample to; by default each case keeps its own."""
    crop_to_brain: bool = True
    """Keep only the box around the brain."""
    margin_voxels: int = 0
    """Voxels kept around that box."""
    normalise: str = "zscore"
    """zscore (inside the brain, per modality) or none."""
    bias_field: bool = False
    """N4 bias-field correction (needs brats3d[itk])."""
    clip: float | None = 5.0
    """Largest absolute value after z-scoring; null: none."""
    denoise: str | None = None
    """curvature_flow or anisotropic_diffusion (need brats3d[itk]); null: none."""


@dataclass(frozen=True)
class SliceConfig:
    """Slices for 2-D networks."""

    axis: str = "axial"
    """axial, coronal or sagittal."""
    first: int | None = None
    """First slice used in training, counted in the original volume."""
    last: int | None = None
    """Last slice used in training (inclusive)."""


@dataclass(frozen=True)
class PatchConfig:
    """What one training step sees."""

    size: tuple[int, ...] = (48, 48, 48)
    """Patch size in voxels; two numbers for 2-D networks (slices are resized to it)."""
    batch_size: int = 2
    """Patches per step and process."""
    per_epoch: int = 40
    """Patches per epoch over all processes."""
    foreground: float = 0.5
    """Share of patches centred on a tumour voxel (a class drawn evenly)."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training patches; a probability of 0 switches one off."""

    flip_probability: float = 0.5
    """Mirroring, for each axis."""
    rotation_probability: float = 0.2
    """Rotation."""
    rotation_degrees: float = 30.0
    """Largest angle."""
    scaling_probability: float = 0.2
    """Zoom."""
    scaling_range: tuple[float, float] = (0.7, 1.4)
    """Smallest and largest zoom factor."""
    noise_probability: float = 0.15
    """Gaussian noise."""
    noise_std: float = 0.1
    """Largest standard deviation, in z-score units."""
    blur_probability: float = 0.1
    """Gaussian blur."""
    blur_sigma_range: tuple[float, float] = (0.5, 1.0)
    """Range of its sigma in voxels."""
    brightness_probability: float = 0.15
    """An offset, different for each modality."""
    brightness_offset: float = 0.2
    """Largest offset, in z-score units."""
    contrast_probability: float = 0.15
    """Contrast about the mean of the brain."""
    contrast_range: tuple[float, float] = (0.75, 1.25)
    """Range of its factor."""
    gamma_probability: float = 0.3
    """Gamma curve."""
    gamma_range: tuple[float, float] = (0.7, 1.5)
    """Range of its exponent."""
    low_resolution_probability: float = 0.15
    """Simulated low resolution."""
    low_resolution_range: tuple[float, float] = (0.5, 1.0)
    """Range of its zoom factor."""


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    name: str = "unet"
    """unet, attention_unet, residual_unet, dynunet, segresnet or swin_unetr."""
    spatial_dims: int = 3
    """2 (slices) or 3 (volumes)."""
    head: str = "sigmoid"
    """sigmoid (one channel per region) or softmax (one channel per class, background included)."""
    params: dict[str, Any] = field(default_factory=lambda: {"filters": [16, 32, 64, 128]})
    """Parameters of the network, see the model's documentation."""


@dataclass(frozen=True)
class LossConfig:
    """The training loss."""

    name: str = "dice_ce"
    """dice, cross_entropy, dice_ce, focal, tversky, focal_tversky or generalized_dice."""
    params: dict[str, Any] = field(default_factory=dict)
    """Parameters of the loss."""


@dataclass(frozen=True)
class OptimConfig:
    """Optimiser, learning rate over time, and averaging of weights."""

    name: str = "adamw"
    """adamw, adam or sgd."""
    lr: float = 3e-3
    """Peak learning rate."""
    weight_decay: float = 1e-5
    """Weight decay."""
    momentum: float = 0.99
    """Momentum of sgd (Nesterov)."""
    schedule: str = "cosine"
    """poly, cosine, one_cycle, plateau or constant."""
    warmup: float = 0.03
    """Share of the training over which the rate rises linearly from zero."""
    plateau_patience: int = 10
    """Validations without a better Dice before `plateau` lowers the rate."""
    plateau_factor: float = 0.5
    """Factor by which `plateau` lowers the rate."""
    ema_decay: float | None = 0.99
    """Decay of the exponential moving average of the weights that is validated and kept; null: off."""


@dataclass(frozen=True)
class TrainerConfig:
    """Names and meanings are Lightning's ``Trainer``'s, but for ``max_minutes``."""

    max_epochs: int = 10
    """Epochs; with `max_minutes`, an upper bound."""
    max_minutes: float | None = None
    """Time budget of the whole fit without the final test; the schedule stretches or shrinks to fit."""
    accelerator: str = "auto"
    """auto, cpu, gpu ..."""
    devices: int | str = "auto"
    """Processes or GPUs per machine."""
    num_nodes: int = 1
    """Machines."""
    strategy: str = "auto"
    """auto, ddp ..."""
    precision: str = "auto"
    """bf16-mixed, 16-mixed, 32-true, or auto: bf16 where the hardware is fast at it, CPUs included."""
    gradient_clip_val: float | None = 12.0
    """Largest norm of the gradient."""
    accumulate_grad_batches: int = 1
    """Batches per optimiser step."""
    check_val_every_n_epoch: int = 5
    """Epochs between validations; the last epoch always validates."""
    log_every_n_steps: int = 10
    """Steps between log lines."""
    deterministic: bool = False
    """Same result bit for bit, at some cost in speed."""
    enable_progress_bar: bool = True
    """Show progress on a terminal."""
    checkpoint_every_n_minutes: float = 5.0
    """Minutes between checkpoints of the last state; each validation writes one too."""


@dataclass(frozen=True)
class InferenceConfig:
    """How whole volumes are predicted."""

    window: tuple[int, ...] | None = None
    """Window size in voxels; by default the training patch."""
    overlap: float = 0.5
    """Share of a window that overlaps the next one."""
    flips: bool = False
    """Average over all mirror images (test-time augmentation)."""
    window_batch: int | Literal["auto"] = "auto"
    """Windows predicted at once; auto sizes it to the memory."""


@dataclass(frozen=True)
class PostprocessConfig:
    """From probabilities to regions."""

    thresholds: dict[str, float] = field(default_factory=dict)
    """Region to threshold; 0.5 where none is given."""
    min_component_ml: dict[str, float] = field(default_factory=dict)
    """Region to smallest volume of a connected component that is kept."""
    et_to_ncr_below_ml: float = 0.0
    """ET of less volume than this in a case becomes NCR; 0: off."""


@dataclass(frozen=True)
class FitConfig:
    """Everything that makes a run."""

    name: str | None = None
    """Name of the run; by default model and time."""
    folder: str = "runs"
    """Folder that holds the runs."""
    seed: int = 0
    """Seed of weights, patches and augmentation."""
    resume: str | None = None
    """Run folder to continue (alone or with `last`: the newest one); its own config.yaml is used."""
    data: DataConfig = field(default_factory=DataConfig)
    """Cases and labels."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """Training, validation, test."""
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    """Preprocessing."""
    slices: SliceConfig = field(default_factory=SliceConfig)
    """Slices for 2-D networks."""
    patch: PatchConfig = field(default_factory=PatchConfig)
    """Training patches."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Network."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Loss."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimisation."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Training loop."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """Sliding window."""
    postprocess: PostprocessConfig = field(default_factory=PostprocessConfig)
    """Postprocessing."""


@dataclass(frozen=True)
class PredictConfig:
    """Predict with one run, or with several whose probabilities are averaged."""

    run: tuple[str, ...] = ()
    """Run folder(s), such as runs/NAME; several are averaged."""
    input: str | None = None
    """A case folder, a data set, or nothing when single files are given."""
    files: dict[str, str] | None = None
    """Single files of one case: modality to path."""
    output: str = "predictions"
    """Folder for the label maps, one per case, named after it."""
    layout: str = "auto"
    """Naming of the input's files."""
    pattern: dict[str, str] | None = None
    """Your own naming, as in data.pattern."""
    convention: str = "auto"
    """Label convention of the output; auto: that of the input's data set."""
    checkpoint: str = "best"
    """best or last."""
    probabilities: bool = False
    """Also write the probability maps, one channel per region."""
    overwrite: bool = False
    """Replace label maps that exist."""
    accelerator: str = "auto"
    """auto, cpu or gpu."""
    flips: bool | None = None
    """Average over mirror images; by default as the run says."""
    overlap: float | None = None
    """Overlap of windows; by default as the run says."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Score label maps, of any tool, against references."""

    predictions: str | None = None
    """Folder with predicted label maps."""
    references: str | None = None
    """Folder with reference label maps, or a data set."""
    output: str | None = None
    """Folder for metrics.csv and metrics.json; by default the predictions' folder."""
    prediction_pattern: str | None = None
    """Which files are predictions, such as '*_pred.nii.gz'."""
    reference_pattern: str | None = None
    """Which files are references, such as '*_seg.nii.gz'."""
    prediction_convention: str = "auto"
    """Label convention of the predictions; auto: that of the references."""
    reference_convention: str = "auto"
    """Label convention of the references; auto: that of their data set."""
    labels: dict[int, str] | None = None
    """Your own convention for both sides: value to tissue."""
    regions: dict[str, tuple[str, ...]] | None = None
    """Your own regions: name to tissues."""
    missing: str = "error"
    """error, skip, or penalise: score a missing prediction as the worst."""
    definition: str = "area"
    """Surface definition of HD95: area (BraTS), directed (MONAI) or pooled (medpy)."""
    policy: str = "brats2023"
    """What a metric is worth when a mask is empty."""
    check_affine: bool = True
    """Whether headers must agree; shapes always must."""
    overwrite: bool = False
    """Replace results that exist."""
    jobs: int = 1
    """Processes."""


@dataclass(frozen=True)
class SynthesizeConfig:
    """Write a phantom data set."""

    output: str | None = None
    """Folder to write to (or the first argument)."""
    cases: int = 10
    """Number of cases."""
    layout: str = "brats2021"
    """Naming of the files."""
    seed: int = 0
    """Seed of the data set."""
    size: tuple[int, int, int] = (96, 96, 96)
    """Voxels along each axis."""
    labels: bool = True
    """Write label maps."""


def parse_arguments(
    cls: type[T], arguments: Sequence[str] | None, prog: str, positionals: Sequence[str] = ()
) -> T:
    """Read ``cls`` from the command line.

    Args:
        cls: One of the dataclasses of this module.
        arguments: Words after the verb; None takes ``sys.argv``.
        prog: Program name for ``--help``.
        positionals: Fields that may also be given by position.

    Raises:
        ConfigError: An unknown key (the closest is suggested) or a value of the wrong type.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    words = spelled_out(words, _kinds(cls), positionals=positionals, alone=_ALONE)
    words = _checked_files(cls, words)
    parser = _parser(cls, prog)  # type: ignore[arg-type]  # classes are hashable
    return _build(cls, parser, lambda: parser.parse_args(words), prog)


def load_config(path: str | os.PathLike[str] | None = None, **overrides: Any) -> FitConfig:
    """Read the configuration of a run.

    Args:
        path: YAML file, the name of a shipped recipe such as ``cpu_20min.yaml``, or None for defaults.
        overrides: Nested keys joined by two underscores, such as ``trainer__max_epochs=2``.

    Raises:
        ConfigError: The file is missing, has an unknown key, or a value of the wrong type.
    """
    content: dict[str, Any] = {}
    if path is not None:
        file = recipe_path(path)
        content = _read_yaml(file)
        _check_keys(FitConfig, content, file)
    for dotted, value in overrides.items():
        target = content
        *parents, last = dotted.split("__")
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{parent!r} has no keys", where=dotted.replace("__", "."), got=target)
        target[last] = to_plain(value)
    return from_dict(FitConfig, content)


def from_dict(cls: type[T], content: Mapping[str, Any]) -> T:
    """Build ``cls`` from plain nested values, with the checks of the command line.

    Raises:
        ConfigError: An unknown key or a value of the wrong type.
    """
    plain = to_plain(content)
    _check_keys(cls, plain, cls.__name__)
    parser = _parser(cls, cls.__name__)  # type: ignore[arg-type]  # classes are hashable
    return _build(cls, parser, lambda: parser.parse_object(plain), cls.__name__)


def to_yaml(config: Any) -> str:
    """Render a config as YAML that :func:`load_config` reads back."""
    import yaml

    return yaml.safe_dump(to_plain(config), sort_keys=False, default_flow_style=None)


def to_plain(config: Any) -> Any:
    """Turn dataclasses, tuples and paths into dictionaries, lists and text."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {item.name: to_plain(getattr(config, item.name)) for item in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {key: to_plain(value) for key, value in config.items()}
    if isinstance(config, tuple | list):
        return [to_plain(value) for value in config]
    return os.fspath(config) if isinstance(config, os.PathLike) else config


def save_config(config: FitConfig, path: Path) -> None:
    """Write the resolved configuration of a run, atomically."""
    write_text(path, to_yaml(config))


def recipe_folder() -> Path:
    """Folder of the shipped recipes: inside the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "configs"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "configs"


def recipe_path(path: str | os.PathLike[str]) -> Path:
    """Return ``path``, or the shipped recipe of that name when there is no such file here.

    Raises:
        ConfigError: Neither exists; the message lists the recipes, closest first.
    """
    given = Path(path)
    if given.is_file():
        return given
    shipped = recipe_folder() / given.name
    if given.suffix in {".yaml", ".yml"} and shipped.is_file():
        return shipped
    names = closest_first(given.name, [file.name for file in recipe_folder().glob("*.yaml")])
    raise ConfigError(
        "configuration file not found",
        where=given,
        expected="a YAML file, or a shipped recipe: " + ", ".join(names),
        remedy=f"did you mean {names[0]!r}?" if names else None,
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError("cannot read the configuration", where=path, got=reason) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError("the configuration is not a mapping", where=path, got=type(content).__name__)
    return content


@functools.cache
def _parser(cls: type[Any], prog: str) -> Any:
    from jsonargparse import ActionConfigFile, ArgumentParser, set_parsing_settings

    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(prog=prog, description=cls.__doc__, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file or name of a shipped recipe")
    parser.add_class_arguments(cls)
    return parser


def _build(cls: type[T], parser: Any, parse: Any, where: str) -> T:
    from jsonargparse import ArgumentError

    try:
        namespace = parse()
    except (ArgumentError, TypeError, KeyError, ValueError) as error:
        raise _explain(cls, error, where) from error
    values = namespace.as_dict()
    values.pop("config", None)
    return _instantiate(cls, values)


def _instantiate(cls: type[T], values: Mapping[str, Any]) -> T:
    from typing import get_type_hints

    hints = get_type_hints(cls)
    made = {}
    for name, value in values.items():
        nested = hints[name]
        made[name] = _instantiate(nested, value) if dataclasses.is_dataclass(nested) else _frozen(value)  # type: ignore[arg-type]
    return cls(**made)


def _frozen(value: Any) -> Any:
    """Paths of jsonargparse and namespaces become plain values."""
    return value.as_dict() if hasattr(value, "as_dict") else value


def _kinds(cls: type[Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key to type, for all keys of a configuration; sections come before their keys."""
    from typing import get_type_hints

    kinds = {}
    for name, hint in get_type_hints(cls).items():
        kinds[prefix + name] = hint
        if dataclasses.is_dataclass(hint):
            kinds |= _kinds(hint, f"{prefix}{name}.")  # type: ignore[arg-type]
    return kinds


def _check_keys(cls: type[Any], content: Mapping[str, Any], where: object) -> None:
    """Check that all keys exist and that sections are mappings.

    Raises:
        ConfigError: They do not, or are not.
    """
    kinds = _kinds(cls)

    def check(section: Mapping[str, Any], prefix: str) -> None:
        for name, value in section.items():
            key = f"{prefix}{name}"
            if key not in kinds:
                raise _unknown_key(cls, key, where)
            if not dataclasses.is_dataclass(kinds[key]):
                continue
            if not isinstance(value, Mapping):
                example = next(known for known in kinds if known.startswith(f"{key}."))
                raise ConfigError(
                    f"the section {key!r} has no keys",
                    where=where,
                    got=value,
                    expected=f"keys such as {example}",
                    remedy="give it keys, or leave the section out",
                )
            check(value, f"{key}.")

    check(content, "")


def _unknown_key(cls: type[Any], key: str, where: object) -> ConfigError:
    return ConfigError(
        f"unknown configuration key {key!r}",
        where=where,
        got=key,
        remedy=f"did you mean {closest_first(key, _kinds(cls))[0]!r}? `--help` lists all keys",
    )


def _explain(cls: type[Any], error: Exception, where: str) -> ConfigError:
    """Turn a message of the parser into one that names the key and the closest that exists."""
    text = " ".join(str(error).split())
    name = None
    if found := re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", text):
        name = f"{found.group(1)}.{found.group(2)}"
    elif found := re.search(r"nrecognized arguments: (?:--)?([^\s=]+)", text):
        name = found.group(1)
    kinds = _kinds(cls)
    if name is not None and name not in kinds:
        return _unknown_key(cls, name, where)
    if found := re.search(r"Parser key [\"']([\w.]+)[\"']: (.*)", text):
        key, reason = found.groups()
        given = re.search(r"(?:Got value|Given value): (.*)", reason)
        return ConfigError(
            "invalid value in the configuration",
            where=key,
            got=(given.group(1) if given else reason)[:300],
            expected=_readable(kinds[key]) if key in kinds else None,
        )
    return ConfigError("invalid configuration", where=where, got=text[:400])


def _readable(kind: Any) -> str:
    if dataclasses.is_dataclass(kind):
        return "a section with keys of its own"
    return kind.__name__ if kind in (int, float, str, bool) else str(kind).replace("typing.", "")


def _checked_files(cls: type[Any], words: Sequence[str]) -> list[str]:
    """Find the files named by ``--config`` and check their keys, so that messages name the file."""
    made: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--config" and waiting:
            word = f"--config={waiting.pop(0)}"
        if word.startswith("--config="):
            path = recipe_path(word.removeprefix("--config="))
            content = _read_yaml(path)
            _check_keys(cls, content, path)
            if not content:  # all commented out
                continue
            word = f"--config={path}"
        made.append(word)
    return made
