"""``brats3d export``: a run as a self-contained MONAI bundle."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import ExportConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(ExportConfig, arguments, "brats3d export")
        from brats3d.bundles.export import export
        from brats3d.workflows.messages import log_to_terminal

        log_to_terminal()
        print(export(config))

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
