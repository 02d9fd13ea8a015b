"""``brats3d evaluate``: score label maps of any tool against references."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import EvaluateConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(EvaluateConfig, arguments, "brats3d evaluate")
        from brats3d.workflows.evaluate import evaluate_as_configured

        result = evaluate_as_configured(config)
        for note in result.notes:
            print(note)
        print(result.table())

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
