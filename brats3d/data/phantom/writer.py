"""Data sets of phantoms on disk, in the naming of any layout."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brats3d.data.phantom.generation import CONVENTION, Phantom, make_phantom
from brats3d.data.phantom.grid import check_size
from brats3d.data.phantom.lookalikes import LOOKALIKES
from brats3d.data.phantom.lookalikes.lookalike import Wanted
from brats3d.data.phantom.lookalikes.writing import write_lookalike
from brats3d.data.phantom.namings import NAMINGS, CaseFiles, Naming
from brats3d.data.phantom.parameters import PhantomParameters
from brats3d.errors import ConfigError, OutputError
from brats3d.files import atomic_path
from brats3d.imaging import write_image, write_label_map
from brats3d.registry import look_up


@dataclass(frozen=True)
class _Plan:
    """One case to write."""

    case_id: str
    seed: int
    visit: int
    parameters: PhantomParameters


def write_phantoms(
    root: str | Path,
    *,
    cases: int,
    layout: str = "brats2021",
    seed: int = 0,
    size: tuple[int, int, int] = (96, 96, 96),
    with_labels: bool = True,
    visits: int = 1,
    parameters: PhantomParameters | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    jobs: int = 1,
    on_case: Callable[[str], object] | None = None,
) -> list[Path]:
    """Write a data set of phantoms; equal arguments write equal voxels.

    Nothing is written when any of the files exists already. A case that fails half-way is removed.

    Args:
        root: Folder of the data set; made if missing.
        cases: Number of examinations.
        layout: Name in :data:`~brats3d.data.phantom.namings.NAMINGS` or
            :data:`~brats3d.data.phantom.lookalikes.LOOKALIKES`.
        seed: Seed of the data set, 0 or more; data sets with different seeds share no phantom.
        size: Voxels along each axis, at least 32.
        with_labels: Whether label maps are written (else it is named as a validation set).
        visits: Examinations of each patient; more than 1 where case names tell the visit.
        parameters: Ranges the phantoms are drawn from. Tumours without ET are spread evenly over
            the patients, so that small data sets have their share too.
        spacing_mm: Voxel size, see :func:`~brats3d.data.phantom.generation.make_phantom`.
        jobs: Threads.
        on_case: Called with the case id after each case.

    Returns:
        For each case its folder, or its first image where cases have no folder.

    Raises:
        ConfigError: Unknown layout, or a number that cannot work.
        OutputError: A file exists already, or the folder cannot be written to.
    """
    chosen = PhantomParameters() if parameters is None else parameters
    _check_numbers(cases=(cases, 1), visits=(visits, 1), jobs=(jobs, 1), seed=(seed, 0))
    check_size(size)
    look_up({**NAMINGS, **LOOKALIKES}, layout, "layout")
    if layout in LOOKALIKES and visits == 1:
        wanted = [Wanted(number, seed, size, with_labels, chosen) for number in range(cases)]
        return write_lookalike(Path(root), LOOKALIKES[layout], wanted, jobs=jobs, on_case=on_case)
    naming = NAMINGS.get(layout)
    if naming is None or (visits > 1 and not naming.has_visits):
        raise ConfigError(
            f"case names of {layout!r} do not tell the visit",
            where="visits",
            got=visits,
            expected="1, or one of the layouts " + ", ".join(n for n in NAMINGS if NAMINGS[n].has_visits),
        )
    folder = Path(root)
    plans = [_plan(naming, number, seed, visits, with_labels, chosen) for number in range(cases)]
    _refuse_to_overwrite(folder, naming, plans, with_labels)

    def write(plan: _Plan) -> Path:
        phantom = make_phantom(
            plan.seed, size, parameters=plan.parameters, spacing_mm=spacing_mm, visit=plan.visit
        )
        enhancing = bool(CONVENTION.to_regions(phantom.labels)[0].any())
        files = naming.place(folder, plan.case_id, with_labels, enhancing)
        _write_case(files, phantom, naming, with_labels)
        return files.home

    written = _run(write, plans, jobs, on_case)
    if naming.describe is not None:
        content = naming.describe([plan.case_id for plan in plans], with_labels)
        with atomic_path(folder / "dataset.json", overwrite=False) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return written


def _check_numbers(**numbers: tuple[int, int]) -> None:
    for name, (value, least) in numbers.items():
        if value < least:
            raise ConfigError(f"{name} out of range", where=name, got=value, expected=f"{least} or more")


def _plan(
    naming: Naming, number: int, seed: int, visits: int, labelled: bool, parameters: PhantomParameters
) -> _Plan:
    patient, visit = divmod(number, visits)
    own_seed = int(np.random.SeedSequence([seed, patient]).generate_state(1, np.uint64)[0])
    share = parameters.probability_without_et
    start = np.random.default_rng(seed).random()
    without_et = math.floor(start + share * (patient + 1)) > math.floor(start + share * patient)
    return _Plan(
        naming.case_id(patient, visit, labelled),
        own_seed,
        visit,
        replace(parameters, probability_without_et=float(without_et)),
    )


def _refuse_to_overwrite(folder: Path, naming: Naming, plans: list[_Plan], labelled: bool) -> None:
    planned = [] if naming.describe is None else [folder / "dataset.json"]
    for plan in plans:
        for enhancing in (False, True):
            files = naming.place(folder, plan.case_id, labelled, enhancing)
            planned += [*files.images.values(), files.label]
    for path in planned:
        if path.exists():
            raise OutputError(
                "the output exists already",
                where=path,
                expected="a folder without these cases",
                remedy="choose another output folder, or remove the data set that is there",
            )


def _run(
    write: Callable[[_Plan], Path], plans: list[_Plan], jobs: int, on_case: Callable[[str], object] | None
) -> list[Path]:
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(write, plan): plan for plan in plans}
        try:
            for done in as_completed(futures):
                done.result()
                if on_case is not None:
                    on_case(futures[done].case_id)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _write_case(files: CaseFiles, phantom: Phantom, naming: Naming, labelled: bool) -> None:
    by_path: dict[Path, list[str]] = {}
    for modality, path in files.images.items():
        by_path.setdefault(path, []).append(modality)
    written: list[Path] = []
    try:
        for path, modalities in by_path.items():
            channels = [phantom.images[modality] for modality in modalities]
            voxels = channels[0] if len(channels) == 1 else np.stack(channels, axis=-1)
            write_image(path, voxels, phantom.geometry, overwrite=False)
            written.append(path)
        if labelled:
            labels = naming.convention.from_classes(CONVENTION.to_classes(phantom.labels))
            write_label_map(files.label, labels, phantom.geometry, overwrite=False)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
