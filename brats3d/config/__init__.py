"""Configuration: frozen dataclasses, read from YAML and the command line."""

from brats3d.config.adapt import AdaptConfig
from brats3d.config.app import AppConfig
from brats3d.config.benchmark import BenchmarkConfig
from brats3d.config.classical import ClassicalConfig, load_classical_config
from brats3d.config.crossval import CrossvalConfig
from brats3d.config.data import DataConfig, PhantomConfig, PreprocessConfig, SplitConfig
from brats3d.config.ensemble import EnsembleConfig
from brats3d.config.export import ExportConfig
from brats3d.config.extract import ExtractConfig
from brats3d.config.inference import InferenceConfig, PostprocessConfig
from brats3d.config.initialising import initialised
from brats3d.config.patches import AugmentConfig, PatchConfig, SliceConfig
from brats3d.config.prepare import PrepareConfig
from brats3d.config.reading import from_dict, load_config, parse_arguments, save_config, to_plain, to_yaml
from brats3d.config.recipes import recipe_folder, recipe_path
from brats3d.config.report import ReportConfig
from brats3d.config.resuming import check_resumed, differences, extended, with_absolute_paths
from brats3d.config.run import FitConfig
from brats3d.config.submit import SubmitConfig
from brats3d.config.sweep import SweepConfig
from brats3d.config.training import ClassifyConfig, LossConfig, ModelConfig, OptimConfig, TrainerConfig
from brats3d.config.verbs import EvaluateConfig, PredictConfig, SynthesizeConfig

__all__ = [
    "AdaptConfig",
    "AppConfig",
    "AugmentConfig",
    "BenchmarkConfig",
    "ClassicalConfig",
    "ClassifyConfig",
    "CrossvalConfig",
    "DataConfig",
    "EnsembleConfig",
    "EvaluateConfig",
    "ExportConfig",
    "ExtractConfig",
    "FitConfig",
    "InferenceConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "PatchConfig",
    "PhantomConfig",
    "PostprocessConfig",
    "PredictConfig",
    "PrepareConfig",
    "PreprocessConfig",
    "ReportConfig",
    "SliceConfig",
    "SplitConfig",
    "SubmitConfig",
    "SweepConfig",
    "SynthesizeConfig",
    "TrainerConfig",
    "check_resumed",
    "differences",
    "extended",
    "from_dict",
    "initialised",
    "load_classical_config",
    "load_config",
    "parse_arguments",
    "recipe_folder",
    "recipe_path",
    "save_config",
    "to_plain",
    "to_yaml",
    "with_absolute_paths",
]
