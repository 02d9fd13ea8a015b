"""``brats3d ensemble``: fuse predictions, of any tools, into one label map per case."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import EnsembleConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(EnsembleConfig, arguments, "brats3d ensemble")
        from brats3d.workflows.ensemble import ensemble
        from brats3d.workflows.messages import log_to_terminal

        log_to_terminal()
        for path in ensemble(config):
            print(path)

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
