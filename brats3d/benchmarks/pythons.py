"""Pythons of other tools, whose packages cannot be installed beside brats3d."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from brats3d.errors import ConfigError, MissingExtraError


@dataclass(frozen=True)
class OtherPython:
    """What is known of another tool's Python before it runs.

    Attributes:
        package: Distribution that it must have.
        setting: Field of the configuration that names it.
        remedy: How to make one and how to pass it.
    """

    package: str
    setting: str
    remedy: str

    def check(self, python: str | None, *, needed: bool) -> None:
        """Check what the configuration says.

        Args:
            python: Name or path of the program, or None.
            needed: Whether it may not be None.

        Raises:
            ConfigError: It is needed and not given, or it is no program.
        """
        if python is None and not needed:
            return
        if python is None or shutil.which(python) is None:
            raise ConfigError(
                f"{self.package} needs a Python of its own",
                where=self.setting,
                got="no path" if python is None else f"{python}, which is no program",
                expected=f"a Python that has the package {self.package}",
                remedy=self.remedy,
            )

    def without_package(self, contender: str, package: str, python: str | None) -> MissingExtraError:
        """Make the error for a ``contender`` whose ``package`` this Python turned out to lack."""
        return MissingExtraError(
            f"{contender} cannot be measured: the package {package} is not installed",
            where=python,
            remedy=self.remedy,
        )


BRATS_EVALUATION = OtherPython(
    "brats-evaluation",
    "brats_evaluation_python",
    "python3.11 -m venv reference && reference/bin/pip install brats-evaluation==0.0.10 'numpy<2.3', then "
    "--brats_evaluation_python reference/bin/python",
)
NNUNET = OtherPython(
    "nnunetv2",
    "nnunet_python",
    "python3 -m venv nnunet && nnunet/bin/pip install nnunetv2, then --nnunet_python nnunet/bin/python",
)
