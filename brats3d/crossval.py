"""``brats3d crossval``: one run per fold, each case scored by the run that did not train on it."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import CrossvalConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(CrossvalConfig, arguments, "brats3d crossval")
        from brats3d.workflows.crossval import crossval
        from brats3d.workflows.messages import log_to_terminal

        log_to_terminal()
        result = crossval(config)
        if result.waiting:
            print(f"not finished yet: {', '.join(result.waiting)}")
        else:
            print(f"{result.table}\nresults: {result.folder}")

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
