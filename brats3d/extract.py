"""``brats3d extract``: features of regions by the IBSI definitions, from images and masks to a table."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import ExtractConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code: 2 also where single cases failed."""

    def run() -> None:
        config = parse_arguments(ExtractConfig, arguments, "brats3d extract")
        from brats3d.workflows.extract import extract_as_configured

        result = extract_as_configured(config)
        for note in result.notes:
            print(note)
        print(result.summary_line())
        result.check_complete()

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
