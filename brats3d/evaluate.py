"""``brats3d evaluate``: score label maps of any tool against references, or compare two tools."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import EvaluateConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code: 2 also where single cases failed."""

    def run() -> None:
        config = parse_arguments(EvaluateConfig, arguments, "brats3d evaluate")
        if config.compare:
            from brats3d.workflows.comparing import compare_as_configured as work
        else:
            from brats3d.workflows.evaluate import evaluate_as_configured as work  # type: ignore[assignment]

        result = work(config)
        for note in result.notes:
            print(note)
        print(result.table())
        result.check_complete()

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
