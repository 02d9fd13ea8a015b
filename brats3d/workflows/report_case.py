"""Pages of single cases: what a run, or label maps of any tool, say of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import DataConfig, ReportConfig
from brats3d.errors import ConfigError, OutputError, closest_first
from brats3d.files import write_text
from brats3d.labels import LabelConvention
from brats3d.reporting import ReportedCase
from brats3d.reporting.case_page import render_case_page
from brats3d.workflows.case_method import model_of_run, role_in_run, settings_of_run, thresholds_of_run
from brats3d.workflows.loading import check_segments, load_segmentation
from brats3d.workflows.messages import progress_over
from brats3d.workflows.report_case_predicted import check_predicted, find_label_maps
from brats3d.workflows.report_predicted import PredictedCases
from brats3d.workflows.reported_cases import shown_case, trusts_arrays
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.training_cases import find_cases
from brats3d.workflows.training_curves import REPORT

logger = logging.getLogger(__name__)

_NO_REFERENCE = "There is no reference for the case."
_NO_THRESHOLDS = "It is not known by which thresholds the labels were made; 0.5 is taken."
_OTHER_REGIONS = "The label map of the case has other regions than the model, so that they are not compared."


@dataclass(frozen=True)
class CasePage:
    """What the page of a case says.

    Attributes:
        case: The case.
        model: What segmented it.
        notes: What a reader should know, in sentences.
        settings: What it was made with, by name.
        thresholds: Region to threshold.
    """

    case: ReportedCase
    model: str
    notes: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)


def report_case(config: ReportConfig) -> list[Path]:
    """Write a page for each case that ``config.case`` names.

    Args:
        config: Run (or predictions), cases and output.

    Returns:
        The pages, ``case-ID.html``.

    Raises:
        Brats3dError: Anything the user can mend: the run, its cases, the output folder.
    """
    if config.predictions is not None:
        label_maps = find_label_maps(config)
        check_predicted(config.case, label_maps)
        targets = _targets(config, Path(config.predictions), config.case)
        return _write(_predicted(label_maps, config), targets)
    if config.run is None:
        raise ConfigError(
            "nothing to show the case by",
            where="run",
            remedy="name a run folder: runs/NAME; or label maps: --predictions DIR",
        )
    run = RunFolder.open(config.run)
    check_segments(run)
    cases = _cases_of_run(run, config.case)
    targets = _targets(config, run.path, [case.case_id for case in cases])
    return _write(_segmented(run, cases, config), targets)


def _targets(config: ReportConfig, place: Path, case_ids: Sequence[str]) -> dict[str, Path]:
    """Where the pages go, by case id.

    Raises:
        OutputError: Pages exist and may not be replaced.
    """
    folder = (place if place.is_dir() else place.parent) / REPORT
    output = folder if config.output is None else Path(config.output)
    targets = {name: page_path(output, name) for name in case_ids}
    present = [path for path in targets.values() if path.exists()]
    if present and not config.overwrite:
        raise OutputError(
            "there is a page of the case already",
            where=present[0],
            remedy="pass --overwrite, or choose another --output",
        )
    return targets


def _write(pages: Iterable[CasePage], targets: Mapping[str, Path]) -> list[Path]:
    for page in pages:
        text = written(page)
        write_text(targets[page.case.case_id], text)
        logger.info("wrote the page of %s (%.1f MB)", page.case.case_id, len(text) / 1e6)
    return list(targets.values())


def written(page: CasePage) -> str:
    """Render a page."""
    return render_case_page(
        page.case,
        model=page.model,
        notes=page.notes,
        settings=page.settings,
        thresholds=page.thresholds,
    )


def page_path(output: Path, case_id: str) -> Path:
    """Where the page of a case goes; characters that not every file system takes become underscores."""
    return output / f"case-{re.sub(r'[^A-Za-z0-9._-]', '_', case_id)}.html"


def _segmented(run: RunFolder, cases: Sequence[Case], config: ReportConfig) -> Iterator[CasePage]:
    """Segment case by case, so that memory holds but one."""
    segmentation = load_segmentation([run], checkpoint=config.checkpoint, accelerator=config.accelerator)
    trained = segmentation.convention
    settings = settings_of_run(run, config.checkpoint)
    for case in progress_over(cases, "segmenting"):
        notes = [role_in_run(run, case.case_id)]
        values = replace(case.convention, regions=trained.regions)
        if case.convention.regions != trained.regions:
            values = trained
            if case.label is not None:
                case = replace(case, label=None)
                notes.append(_OTHER_REGIONS)
        shown = shown_case(
            case,
            segmentation(case, values),
            segmentation.modalities,
            values=values,
            trained=trained,
            trust_arrays=trusts_arrays(segmentation),
        )
        yield CasePage(shown, model_of_run(run), notes, settings, thresholds_of_run(run))


def _predicted(label_maps: PredictedCases, config: ReportConfig) -> Iterator[CasePage]:
    """Read case by case."""
    run = None if config.run is None else RunFolder.open(config.run)
    model = f"whatever wrote the label maps in {Path(str(config.predictions)).name}"
    for case_id in progress_over(list(dict.fromkeys(config.case)), "reading"):
        case = label_maps.show(case_id)
        notes = [] if case_id in label_maps.references.paths else [_NO_REFERENCE]
        if case.probabilities is not None and run is None:
            notes.append(_NO_THRESHOLDS)
        if run is None:
            yield CasePage(case, model, notes)
        else:
            yield CasePage(case, model_of_run(run), notes, thresholds=thresholds_of_run(run))


def _cases_of_run(run: RunFolder, wanted: Sequence[str]) -> list[Case]:
    """Find cases by their ids in the data set of a run, or by the folders they lie in."""
    places = {name: Path(name) for name in wanted if "/" in name or Path(name).is_dir()}
    known: dict[str, Case] = {}
    if len(places) < len(set(wanted)):
        known = {case.case_id: case for case in _data_set(run)}
    cases: list[Case] = []
    for name in dict.fromkeys(wanted):
        if name in known:
            cases.append(known[name])
        elif name in places:
            cases += _cases_in(places[name], run.convention())
        else:
            raise _unknown(name, known)
    return cases


def _data_set(run: RunFolder) -> Sequence[Case]:
    """All cases of a run's data set, those without a label map, too."""
    config = run.config()
    if config.data.root is None:
        return find_cases(config).cases
    return assembly.discover_cases(config.data, config.data.root).cases


def _cases_in(folder: Path, trained: LabelConvention) -> list[Case]:
    found = assembly.discover_cases(DataConfig(), folder)
    for note in found.notes:
        logger.info(note)
    if found.convention_known:
        return list(found.cases)
    return [replace(case, convention=trained) for case in found.cases]


def _unknown(name: str, known: Mapping[str, Case]) -> ConfigError:
    closest = closest_first(name, known)[:8]
    return ConfigError(
        "the case is not in the data set of the run",
        where="case",
        got=name,
        expected="ids such as " + ", ".join(closest) + ", or the folder of a case",
        remedy=f"did you mean {closest[0]!r}?" if closest else "name the folder of the case",
    )
