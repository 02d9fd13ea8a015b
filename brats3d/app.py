"""``brats3d app``: a page that segments what is dropped on it, and shows it."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import AppConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(AppConfig, arguments, "brats3d app")
        from brats3d.viewer.serving import serve
        from brats3d.workflows.messages import log_to_terminal

        log_to_terminal()
        serve(config)

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
