"""``brats3d evaluate``: score label maps of any tool against references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from brats3d.config import DataConfig, EvaluateConfig, parse_arguments
from brats3d.errors import ConfigError, exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(EvaluateConfig, arguments, "brats3d evaluate")
        if config.predictions is None or config.references is None:
            raise ConfigError(
                "two folders are needed",
                where="predictions, references",
                remedy="brats3d evaluate --predictions DIR --references DIR",
            )
        from brats3d.assembly import label_convention
        from brats3d.workflows.evaluate import evaluate

        folder = Path(config.predictions)
        sides = (config.prediction_convention, config.reference_convention)
        conventions = [
            label_convention(DataConfig(convention=s, labels=config.labels, regions=config.regions))
            for s in sides
        ]
        shared = (
            "prediction_pattern",
            "reference_pattern",
            "missing",
            "check_affine",
            "definition",
            "policy",
            "overwrite",
            "jobs",
        )
        result = evaluate(
            config.predictions,
            config.references,
            config.output or (folder if folder.is_dir() else folder.parent),
            prediction_convention=conventions[0],
            reference_convention=conventions[1],
            **{name: getattr(config, name) for name in shared},
        )
        for note in result.notes:
            print(note)
        print(result.table())

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
