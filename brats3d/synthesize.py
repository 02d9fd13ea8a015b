"""``brats3d synthesize OUT``: write a phantom data set."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.config import SynthesizeConfig, parse_arguments
from brats3d.errors import ConfigError, exit_code_on_user_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; see ``--help``. Returns the exit code."""

    def run() -> None:
        config = parse_arguments(SynthesizeConfig, arguments, "brats3d synthesize", positionals=("output",))
        if config.output is None:
            raise ConfigError(
                "no folder to write to", where="output", remedy="brats3d synthesize OUT --cases 10"
            )
        from brats3d.workflows.synthesize import synthesize

        made = synthesize(
            config.output,
            cases=config.cases,
            layout=config.layout,
            seed=config.seed,
            size=config.size,
            labels=config.labels,
        )
        print(f"{len(made)} cases in {config.output}")

    return exit_code_on_user_error(run)


if __name__ == "__main__":
    raise SystemExit(main())
