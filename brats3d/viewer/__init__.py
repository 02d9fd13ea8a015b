"""The web page, and what it is made of: what is given to it is segmented by a model and shown.

In Python, without a server::

    from brats3d.viewer import AppConfig, SegmentationService, offered_models

    with SegmentationService(offered_models(AppConfig(run=("runs/first",)))) as service:
        job = service.submit(case, "first")  # a brats3d.Case
        job.wait()
        job.result({"ET": 0.4}).as_dict()

Names are loaded on first use, so that the import is quick.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brats3d.config import AppConfig as AppConfig
    from brats3d.viewer.job import Job as Job
    from brats3d.viewer.offered_model import OfferedModel as OfferedModel
    from brats3d.viewer.offering import offered_models as offered_models
    from brats3d.viewer.refusals import JobGone as JobGone
    from brats3d.viewer.refusals import NotDone as NotDone
    from brats3d.viewer.refusals import QueueFull as QueueFull
    from brats3d.viewer.results import Result as Result
    from brats3d.viewer.service import SegmentationService as SegmentationService

_HOMES: Mapping[str, str] = MappingProxyType(
    {
        "AppConfig": "brats3d.config",
        "Job": "brats3d.viewer.job",
        "JobGone": "brats3d.viewer.refusals",
        "NotDone": "brats3d.viewer.refusals",
        "OfferedModel": "brats3d.viewer.offered_model",
        "QueueFull": "brats3d.viewer.refusals",
        "Result": "brats3d.viewer.results",
        "SegmentationService": "brats3d.viewer.service",
        "offered_models": "brats3d.viewer.offering",
    }
)
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
