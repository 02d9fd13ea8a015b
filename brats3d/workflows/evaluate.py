"""Score label maps, of any tool, against references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brats3d.config import EvaluateConfig
from brats3d.data.discovery import AUTO
from brats3d.errors import ConfigError, DataError
from brats3d.labels import LabelConvention
from brats3d.metrics import DEFAULT_PROFILE, EmptyPolicy, Profile
from brats3d.registry import look_up
from brats3d.workflows.conventions import (
    Regions,
    convention_as_dict,
    fitting_conventions,
    own_convention,
    stated_convention,
)
from brats3d.workflows.evaluation import Evaluation, sum_up
from brats3d.workflows.evaluation_files import check_replaceable, write_results
from brats3d.workflows.pairing import FAIL, MISSING_CHOICES, find_predictions, find_references, pair
from brats3d.workflows.scored_cases import Finished, ScoredCases, fingerprint
from brats3d.workflows.scoring import Scoring
from brats3d.workflows.scoring_jobs import check_jobs, score_pairs
from brats3d.workflows.scoring_rules import chosen_profile


def evaluate(
    predictions: str | Path,
    references: str | Path,
    output: str | Path | None = None,
    *,
    prediction_pattern: str | None = None,
    reference_pattern: str | None = None,
    prediction_convention: LabelConvention | str | None = AUTO,
    reference_convention: LabelConvention | str | None = AUTO,
    regions: Regions | None = None,
    missing: str = FAIL,
    check_affine: bool = True,
    profile: Profile | str = DEFAULT_PROFILE,
    definition: str | None = None,
    policy: EmptyPolicy | str | None = None,
    penalty_mm: float | None = None,
    tolerances_mm: Sequence[float] | None = None,
    overwrite: bool = False,
    jobs: int = 1,
    quiet: bool = False,
) -> Evaluation:
    """Score label maps against references and write the tables and their summary.

    What is wrong with a single case (a file that is unreadable, on another grid, not a label map, or
    without its partner) does not raise: the others are scored, and ``failed`` of the result says what is
    wrong; :meth:`Evaluation.check_complete` raises.

    With an output folder, cases that were scored there before with the same settings and the same file
    contents are not computed again (see :mod:`~brats3d.workflows.scored_cases`).

    Args:
        predictions: Folder of predicted label maps, or one file.
        references: Data set, folder of label maps, or one file.
        output: Folder for ``metrics.csv``, ``lesions.csv`` and ``metrics.json``; None writes nothing.
        prediction_pattern: Which files are predictions, see
            :func:`~brats3d.workflows.pairing.match_pattern`; None finds them by the case ids.
        reference_pattern: Which files are references; None takes the label maps of a data set in a
            known layout, else all volumes (only those called ``seg`` or the like where some are).
        prediction_convention: Meaning of the predicted values; ``auto`` or None: what a
            ``dataset.json`` in the folder says, else that of the references.
        reference_convention: Meaning of the reference values; ``auto`` or None: that of the data set.
        regions: Region name to its tissues, or ``all`` (the convention's regions and each tissue by
            itself); None takes the convention's regions.
        missing: What a file without a partner is: ``fail`` (a failed case), ``skip`` (a note) or
            ``penalise`` (a missing prediction gets the worst scores).
        check_affine: Whether the headers must agree about the place in space; shapes always must.
        profile: Rules of the scores, or the name of some in :data:`~brats3d.metrics.PROFILES`.
        definition: Surface definition of the distances; None: the profile's, as for the next three.
        policy: What a metric is worth when a mask is empty.
        penalty_mm: Distance charged where none can be measured, for regions and lesions.
        tolerances_mm: Tolerances of the normalised surface Dice.
        overwrite: Whether existing results of other inputs or settings may be replaced.
        jobs: Cases scored at a time.
        quiet: Leave out the progress bar.

    Raises:
        LayoutError: A side without label maps, or with several for one case.
        DataError: A folder that does not exist, or no prediction that belongs to a reference.
        ConfigError: An unknown choice, or conventions that are not given or do not fit.
        OutputError: The results exist already or cannot be written.
    """
    rules = chosen_profile(
        profile,
        definition=definition,
        policy=policy,
        penalty_mm=penalty_mm,
        tolerances_mm=tolerances_mm,
    )
    look_up(dict.fromkeys(MISSING_CHOICES), missing, "missing")
    check_jobs(jobs)
    stated = (
        stated_convention(prediction_convention, "prediction_convention"),
        stated_convention(reference_convention, "reference_convention"),
    )
    sides = (existing_path(predictions, "predictions"), existing_path(references, "references"))
    expected = find_references(sides[1], reference_pattern, stated[1])
    predicted = find_predictions(sides[0], expected.paths, prediction_pattern, stated[0])
    pairing = pair(predicted, expected, missing=missing)
    conventions = fitting_conventions(predicted.convention, expected.convention, regions)
    scoring = Scoring(rules, conventions, check_affine)
    inputs = {
        "predictions": str(sides[0]),
        "references": str(sides[1]),
        "prediction_pattern": prediction_pattern,
        "reference_pattern": reference_pattern,
        "missing": missing,
        "check_affine": check_affine,
        "prediction_convention": convention_as_dict(conventions[0]),
        "reference_convention": convention_as_dict(conventions[1]),
    }
    if output is None:
        outcome = score_pairs(pairing.pairs, scoring, None, jobs=jobs, quiet=quiet)
        return sum_up(outcome, pairing, profile=rules, inputs=inputs, notes=expected.notes)
    folder = Path(output)
    journal = ScoredCases(folder, scoring.as_dict())
    evaluation = fingerprint([scoring.as_dict(), inputs])
    check_replaceable(folder, journal.finished, evaluation, overwrite=overwrite)
    outcome = score_pairs(pairing.pairs, scoring, journal, jobs=jobs, quiet=quiet)
    found = sum_up(outcome, pairing, profile=rules, inputs=inputs, notes=expected.notes)
    files = write_results(folder, found.rows, found.lesions, found.summary, partial=bool(found.failed))
    journal.finish(outcome.digests, Finished(evaluation, files))
    return found


def evaluate_as_configured(config: EvaluateConfig) -> Evaluation:
    """Evaluate as the command line says; the results go beside the predictions unless it says where.

    Raises:
        Brats3dError: Anything the user can mend, see :func:`evaluate`.
    """
    if config.predictions is None or config.references is None:
        raise ConfigError(
            "two folders are needed",
            where="predictions, references",
            remedy="brats3d evaluate --predictions DIR --references DIR",
        )
    folder = Path(config.predictions)
    output = config.output or (folder if folder.is_dir() else folder.parent)
    return evaluate(config.predictions, config.references, output, **settings_of(config))


def settings_of(config: EvaluateConfig) -> dict[str, Any]:
    """Return the keyword arguments of :func:`evaluate` that the command line says.

    Raises:
        ConfigError: Labels and regions that do not fit.
    """
    own = None if config.labels is None else own_convention(config.labels, config.regions)
    return {
        "prediction_pattern": config.prediction_pattern,
        "reference_pattern": config.reference_pattern,
        "prediction_convention": own or config.prediction_convention,
        "reference_convention": own or config.reference_convention,
        "regions": config.regions,
        "missing": config.missing,
        "check_affine": config.check_affine,
        "profile": config.profile,
        "definition": config.definition,
        "policy": config.policy,
        "penalty_mm": config.penalty_mm,
        "tolerances_mm": config.tolerances_mm,
        "overwrite": config.overwrite,
        "jobs": config.jobs,
    }


def existing_path(path: str | Path, side: str) -> Path:
    """Return the absolute path of what the user named.

    Raises:
        DataError: It does not exist.
    """
    found = Path(path).expanduser().absolute()
    if not found.exists():
        raise DataError(
            f"the {side} do not exist" if side.endswith("s") else f"the {side} does not exist",
            where=found,
            expected="a folder with label maps, or one file",
            remedy="check the path",
        )
    return found
