"""``brats3d fit``: train, validate, test, and write a run."""

from __future__ import annotations

import os
from collections.abc import Sequence

from brats3d.config import FitConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        # torch reads this when it is imported; else a lost connection prints a page about its inside.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        config = parse_arguments(FitConfig, arguments, "brats3d fit")
        from brats3d.metrics import format_table
        from brats3d.workflows.fit import fit
        from brats3d.workflows.messages import log_to_terminal

        log_to_terminal()
        result = fit(config)
        if result.rows:
            print(format_table(result.rows))
        elif result.text:
            print(result.text)
        if result.before:
            from brats3d.workflows.finetuning import format_change

            print("\nthe same cases before and after the fine-tuning")
            print(format_change(result.before, result.rows))
        scored = result.summary["split"]
        scores = f"{scored} cases, best checkpoint" if scored else "no case was held out, nothing is scored"
        print(f"{scores}; run folder: {result.run}")

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
