"""Features of the regions of many cases, as a table with its definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from brats3d.cases import ALL_MODALITIES, modality_named
from brats3d.config import ExtractConfig
from brats3d.errors import ConfigError, OutputError
from brats3d.features import Discretisation, FeatureSettings
from brats3d.features.tables import FORMS, write_features_csv
from brats3d.files import write_json
from brats3d.labels import LabelConvention
from brats3d.registry import look_up
from brats3d.workflows.conventions import (
    Regions,
    fitting_conventions,
    own_convention,
    stated_convention,
)
from brats3d.workflows.extraction_case import Extractor
from brats3d.workflows.extraction_inputs import SKIP, MaskedCase, about_masks, find_inputs
from brats3d.workflows.extraction_record import record_of
from brats3d.workflows.extraction_results import Collected, Extraction, each_case
from brats3d.workflows.pairing import FAIL
from brats3d.workflows.scoring_jobs import check_jobs


def extract(
    masks: str | Path,
    output: str | Path = "features.csv",
    *,
    images: str | Path | None = None,
    settings: FeatureSettings | None = None,
    form: str = "tidy",
    modalities: Sequence[str] | None = None,
    regions: Regions | None = None,
    mask_pattern: str | None = None,
    mask_convention: LabelConvention | str | None = None,
    layout: str = "auto",
    pattern: Mapping[str, str] | None = None,
    normalise: bool = False,
    missing: str = FAIL,
    check_affine: bool = True,
    overwrite: bool = False,
    jobs: int = 1,
) -> Extraction:
    """Extract features and write them, with a JSON file of definitions, settings and versions beside.

    What is wrong with a single case (a file that is unreadable, on another grid, not a label map) does not
    raise: the others are extracted, and ``failed`` of the result says what is wrong.

    Args:
        masks: Data set, folder of label maps of any tool, or one file.
        output: Table, a name that ends in ``.csv``.
        images: Data set with the images; None takes those of ``masks`` where that is a data set, else the
            features of the masks alone are extracted.
        settings: Which features, and how.
        form: ``tidy`` or ``wide``, see :func:`~brats3d.features.tables.write_features_csv`.
        modalities: Images to use; None takes all that any case has.
        regions: Region name to its tissues, or ``all``; None takes the convention's regions.
        mask_pattern: Which files are masks.
        mask_convention: Meaning of the values; None or ``auto``: what the folder says, else the images'.
        layout: Naming of the images' files.
        pattern: Naming of the user's own, see :func:`~brats3d.data.layouts.pattern.pattern_layout`.
        normalise: Whether images are put in standard deviations from the mean of the brain.
        missing: What a mask without images is: ``fail`` or ``skip``.
        check_affine: Whether headers must agree about the place in space; shapes always must.
        overwrite: Whether an existing table may be replaced.
        jobs: Cases at a time, each in a process of its own.

    Raises:
        LayoutError: No masks, several for one case, or no data set.
        DataError: A path that does not exist, no mask that belongs to an image, or no case that worked.
        ConfigError: A choice that is unknown or cannot work.
        OutputError: The table exists already or cannot be written.
        MissingExtraError: Morphology without scikit-image.
    """
    look_up(FORMS, form, "form")
    look_up(dict.fromkeys((FAIL, SKIP)), missing, "missing")
    check_jobs(jobs)
    table = _checked_output(Path(output), overwrite=overwrite)
    inputs = find_inputs(
        masks,
        images,
        mask_pattern=mask_pattern,
        convention=stated_convention(mask_convention, "mask_convention"),
        layout=layout,
        pattern=pattern,
        missing=missing,
    )
    extractor = Extractor(
        replace(settings or FeatureSettings(), intensity_unit="sd" if normalise else "intensity"),
        _with_regions(inputs.convention, regions),
        _chosen(modalities, inputs.cases),
        normalise,
        check_affine,
    )
    collected = Collected(inputs)
    write_features_csv(
        table, collected.of(each_case(inputs.cases, extractor, jobs)), form, overwrite=overwrite
    )
    notes = (*inputs.notes, *collected.notes)
    record = record_of(
        extractor,
        inputs={"masks": str(masks), "images": None if images is None else str(images), "form": form},
        cases=collected.cases,
        values=collected.values,
        blank=collected.blank,
        notes=notes,
        failed=collected.failed,
        pictured=any(masked.case is not None for masked in inputs.cases),
    )
    write_json(table.with_suffix(".json"), record)
    return Extraction(table, record, notes, collected.failed)


def extract_as_configured(config: ExtractConfig) -> Extraction:
    """Extract as the command line says.

    Raises:
        Brats3dError: Anything the user can mend, see :func:`extract`.
    """
    if config.masks is None:
        raise ConfigError("masks are needed", where="masks", remedy="brats3d extract --masks DIR")
    own = None if config.labels is None else own_convention(config.labels, config.regions)
    return extract(
        config.masks,
        config.output,
        images=config.images,
        settings=FeatureSettings(
            config.families,
            Discretisation(config.bins, config.bin_width, config.bin_start),
            config.glcm,
            config.glcm_distance,
        ),
        form=config.form,
        modalities=config.modalities,
        regions=config.regions,
        mask_pattern=config.mask_pattern,
        mask_convention=own or config.mask_convention,
        layout=config.layout,
        pattern=config.pattern,
        normalise=config.normalise,
        missing=config.missing,
        check_affine=config.check_affine,
        overwrite=config.overwrite,
        jobs=config.jobs,
    )


def _with_regions(convention: LabelConvention, regions: Regions | None) -> LabelConvention:
    try:
        return fitting_conventions(convention, convention, regions)[0]
    except ConfigError as error:
        raise about_masks(error) from error


def _chosen(modalities: Sequence[str] | None, cases: Sequence[MaskedCase]) -> tuple[str, ...]:
    present = {name for masked in cases if masked.case is not None for name in masked.case.images}
    if modalities is None:
        return tuple(name for name in ALL_MODALITIES if name in present)
    chosen = tuple(name if name in present else modality_named(name, "modalities") for name in modalities)
    absent = [name for name in chosen if name not in present]
    if absent or len(set(chosen)) != len(chosen):
        raise ConfigError(
            f"no case has images of {absent[0]}" if absent else "a modality is named twice",
            where="modalities",
            got=", ".join(chosen),
            expected=", ".join(sorted(present)) or "images: name their data set in images",
        )
    return chosen


def _checked_output(table: Path, *, overwrite: bool) -> Path:
    if table.suffix.lower() != ".csv":
        raise ConfigError(
            "the output is not named as a table", where="output", got=table, expected="a name ending in .csv"
        )
    for path in (table, table.with_suffix(".json")):
        if path.exists() and not overwrite:
            raise OutputError(
                "the output exists already",
                where=path,
                remedy="pass --overwrite, or choose another --output",
            )
    return table
