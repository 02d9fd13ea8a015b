"""Brain-tumour segmentation on four-modality MRI.

Whatever a verb does, a notebook does in one call::

    import brats3d

    found = brats3d.discover("BraTS2021")  # cases, layout, label convention
    result = brats3d.fit(brats3d.load_config("cpu_20min.yaml", data__root="BraTS2021"))
    brats3d.predict(brats3d.PredictConfig(run=(str(result.run),), input="new_cases"))
    brats3d.evaluate("predictions", "BraTS2021")

Names are loaded on first use, so that ``import brats3d`` is quick and needs no torch.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from brats3d.version import __version__ as __version__

if TYPE_CHECKING:
    from brats3d.bundles.predict import predict as predict
    from brats3d.cases import Case as Case
    from brats3d.clusters.submit import submit as submit
    from brats3d.config import AdaptConfig as AdaptConfig
    from brats3d.config import CrossvalConfig as CrossvalConfig
    from brats3d.config import EnsembleConfig as EnsembleConfig
    from brats3d.config import FitConfig as FitConfig
    from brats3d.config import PredictConfig as PredictConfig
    from brats3d.config import PrepareConfig as PrepareConfig
    from brats3d.config import SubmitConfig as SubmitConfig
    from brats3d.config import SweepConfig as SweepConfig
    from brats3d.config import load_config as load_config
    from brats3d.data.discovery import discover as discover
    from brats3d.errors import Brats3dError as Brats3dError
    from brats3d.inference.segmenter import Segmenter as Segmenter
    from brats3d.labels import LabelConvention as LabelConvention
    from brats3d.labels import Region as Region
    from brats3d.workflows.adapt import adapt as adapt
    from brats3d.workflows.crossval import crossval as crossval
    from brats3d.workflows.ensemble import ensemble as ensemble
    from brats3d.workflows.evaluate import evaluate as evaluate
    from brats3d.workflows.fit import fit as fit
    from brats3d.workflows.prepare import prepare as prepare
    from brats3d.workflows.sweep import sweep as sweep
    from brats3d.workflows.synthesize import synthesize as synthesize

_HOMES: Mapping[str, str] = MappingProxyType(
    {
        "AdaptConfig": "config",
        "Brats3dError": "errors",
        "Case": "cases",
        "CrossvalConfig": "config",
        "EnsembleConfig": "config",
        "ExportConfig": "config",
        "FitConfig": "config",
        "LabelConvention": "labels",
        "PredictConfig": "config",
        "PrepareConfig": "config",
        "Region": "labels",
        "Segmenter": "inference.segmenter",
        "SubmitConfig": "config",
        "SweepConfig": "config",
        "adapt": "workflows.adapt",
        "crossval": "workflows.crossval",
        "discover": "data.discovery",
        "ensemble": "workflows.ensemble",
        "evaluate": "workflows.evaluate",
        "export": "bundles.export",
        "fit": "workflows.fit",
        "load_config": "config",
        "predict": "bundles.predict",
        "prepare": "workflows.prepare",
        "submit": "clusters.submit",
        "sweep": "workflows.sweep",
        "synthesize": "workflows.synthesize",
    }
)
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _Package(ModuleType):
    """Keeps ``brats3d.fit`` the function when the verb's module of the same name is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
