"""``brats3d report``: a page that shows a run, label maps of any tool, or a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import ReportConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(ReportConfig, arguments, "brats3d report", positionals=("run",))
        from brats3d.workflows.messages import log_to_terminal

        log_to_terminal()
        if config.case:
            from brats3d.workflows.report_case import report_case

            print("\n".join(map(str, report_case(config))))
            return
        from brats3d.workflows.report import report

        print(report(config))

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
