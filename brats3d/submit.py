"""``brats3d submit``: a batch script that trains on a SLURM cluster, requeues itself and resumes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from brats3d.config import SubmitConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        from brats3d.clusters.words import parted

        own, training = parted(sys.argv[1:] if arguments is None else arguments)
        config = parse_arguments(SubmitConfig, own, "brats3d submit")
        from brats3d.clusters.submit import submit

        done = submit(config, training)
        for script in done.scripts:
            print(script)
        for job in done.jobs:
            print(f"submitted as job {job}")
        if not done.jobs:
            print(f"submit with: {done.command}")

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
