"""``brats3d prepare``: crop, normalise and compress each case once, ahead of training."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import PrepareConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(PrepareConfig, arguments, "brats3d prepare")
        from brats3d.workflows.messages import log_to_terminal
        from brats3d.workflows.prepare import prepare

        log_to_terminal()
        done = prepare(config)
        print(f"{len(done.cases)} prepared cases in {done.store}, {done.size_mib:.1f} MiB")

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
