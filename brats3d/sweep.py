"""``brats3d sweep``: one run for each combination of settings, and one table of their scores."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import SweepConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(SweepConfig, arguments, "brats3d sweep")
        from brats3d.workflows.messages import log_to_terminal
        from brats3d.workflows.sweep import sweep

        log_to_terminal()
        result = sweep(config)
        print(f"{result.table}\nresults: {result.folder}")

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
