"""``brats3d adapt``: a run for another data set, without its labels."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import AdaptConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(AdaptConfig, arguments, "brats3d adapt")
        from brats3d.workflows.adapt import adapt
        from brats3d.workflows.finetuning import format_change
        from brats3d.workflows.messages import log_to_terminal

        log_to_terminal()
        result = adapt(config)
        if result.after:
            print(format_change(result.before, result.after))
        print(f"gap {result.gaps[0]:.3f} before, {min(result.gaps):.3f} after; run folder: {result.run}")

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
