"""``brats3d benchmark NAME``: measure speed and memory beside other tools."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import BenchmarkConfig, parse_arguments
from brats3d.errors import exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(BenchmarkConfig, arguments, "brats3d benchmark", positionals=("name",))
        from brats3d.benchmarks.registry import run_benchmark

        print(run_benchmark(config).table())

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
