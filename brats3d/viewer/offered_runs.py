"""Runs as models, each by itself and behind a gate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from brats3d import assembly
from brats3d.config import AppConfig
from brats3d.errors import ConfigError
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.rules import PostprocessingRules
from brats3d.workflows.loading import check_segments, load_segmentation
from brats3d.workflows.runs import RunFolder

if TYPE_CHECKING:
    from brats3d.workflows.segmentation import CaseSegmentation


def offered_runs(config: AppConfig) -> list[OfferedModel]:
    """Every run, and every run that the gate fits behind it, too.

    Raises:
        ConfigError: A run classifies, or the gate fits no run.
        RunError: A run is missing or incomplete.
    """
    found: list[OfferedModel] = []
    misfit: ConfigError | None = None
    fits = False
    for path in config.run:
        run = RunFolder.open(path)
        load = _loader(run, config)
        found.append(offered_run(run, config, load))
        if config.gate is None:
            continue
        try:
            found.append(_behind_gate(config.gate, run, config, found[-1], load))
            fits = True
        except ConfigError as error:
            misfit = error
    if misfit is not None and not fits:
        raise misfit
    return found


def offered_run(
    run: RunFolder, config: AppConfig, load: Callable[[], CaseSegmentation] | None = None
) -> OfferedModel:
    """Offer a run.

    Args:
        run: The run.
        config: How it segments.
        load: Returns it, loaded once.

    Raises:
        ConfigError: It classifies.
        RunError: It is incomplete.
    """
    check_segments(run)
    run.checkpoint()
    settings, convention = run.config(), run.convention()
    loaded = load or _loader(run, config)
    name = run.path.resolve().name
    return OfferedModel(
        id=name,
        title=f"{name} ({settings.model.name}, {settings.model.spatial_dims}-D)",
        kind="run",
        dimensions=settings.model.spatial_dims,
        modalities=tuple(assembly.modalities(settings)),
        convention=convention,
        rules=PostprocessingRules(assembly.build_postprocessing(settings, convention), convention),
        open=lambda: nullcontext(loaded()),
    )


def _loader(run: RunFolder, config: AppConfig) -> Callable[[], CaseSegmentation]:
    @functools.cache
    def load() -> CaseSegmentation:
        return load_segmentation(
            [run], accelerator=config.accelerator, flips=config.flips, overlap=config.overlap
        )

    return load


def _behind_gate(
    gate: str, run: RunFolder, config: AppConfig, alone: OfferedModel, load: Callable[[], CaseSegmentation]
) -> OfferedModel:
    """The same run, with the same weights, behind a gate."""
    from brats3d.workflows.gate_loading import check_agrees, read_threshold
    from brats3d.workflows.gating import behind_gate, open_gate

    classifier = open_gate(gate)
    check_agrees(classifier.config(), classifier.path, run.config(), run.path)
    read_threshold(classifier)
    classifier.checkpoint()

    @functools.cache
    def loaded() -> CaseSegmentation:
        return behind_gate(gate, load(), [run], accelerator=config.accelerator)

    return replace(
        alone,
        id=f"{alone.id}-gated",
        title=f"{alone.title} behind the gate {classifier.path.resolve().name}",
        open=lambda: nullcontext(loaded()),
        gated=True,
    )
