"""``brats3d predict``: label maps from one run, from several averaged, or from a MONAI bundle."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import PredictConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(PredictConfig, arguments, "brats3d predict")
        from brats3d.bundles.predict import predict
        from brats3d.workflows.messages import log_to_terminal

        log_to_terminal()
        for path in predict(config):
            print(path)

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
