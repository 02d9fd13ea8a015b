"""The folder of a bundle: that its files are there, and its configuration as data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brats3d.errors import RunError

_INFERENCES = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_METADATA = "configs/metadata.json"
_WEIGHTS = "models/model.pt"


class UnfamiliarError(Exception):
    """A bundle that is not of the kind a reader knows; the message says in what it differs."""


@dataclass(frozen=True)
class BundleFolder:
    """A bundle, its configuration read and nothing of it executed.

    Attributes:
        path: The folder.
        inference: File that says how cases are segmented.
        config: Content of that file; None if it is YAML.
        metadata: Content of ``configs/metadata.json``.
    """

    path: Path
    inference: Path
    config: dict[str, Any] | None
    metadata: dict[str, Any]

    @property
    def weights(self) -> Path:
        """Weights of the network."""
        return self.path / _WEIGHTS

    @classmethod
    def open(cls, path: str | Path) -> BundleFolder:
        """Read the configuration of a bundle.

        Raises:
            RunError: No bundle is there, or a file of it is missing or torn.
        """
        folder = Path(path)
        inference = next((folder / name for name in _INFERENCES if (folder / name).is_file()), None)
        present = {name: (folder / name).is_file() for name in (_METADATA, _WEIGHTS)}
        if inference is None or not all(present.values()):
            missing = [] if inference is not None else [_INFERENCES[0]]
            raise _incomplete(folder, [*missing, *(name for name, there in present.items() if not there)])
        is_json = inference.suffix == ".json"
        config = _read_json(inference) if is_json else None
        return cls(folder, inference, config, _read_json(folder / _METADATA))


def _incomplete(folder: Path, missing: list[str]) -> RunError:
    if not folder.is_dir():
        got, remedy = "no folder of that name", "name the folder of a bundle, such as bundles/NAME"
    elif (folder / "config.yaml").is_file():
        got, remedy = "a run", f"predict with --run {folder}, or make a bundle of it with `brats3d export`"
    else:
        got, remedy = f"without {', '.join(missing)}", "copy the whole bundle again, weights included"
    is_bundle = (folder / "configs").is_dir()
    return RunError(
        "the bundle is incomplete" if is_bundle else "not a bundle",
        where=folder,
        got=got,
        expected=f"a folder in MONAI's layout: {_INFERENCES[0]}, {_METADATA}, {_WEIGHTS}",
        remedy=remedy,
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _torn(path, str(error)) from error
    if not isinstance(content, dict):
        raise _torn(path, f"a {type(content).__name__}")
    return content


def _torn(path: Path, got: str) -> RunError:
    return RunError(
        "cannot read a file of the bundle",
        where=path,
        got=got,
        expected="JSON with names and values",
        remedy="copy the bundle again, or mend the file",
    )
