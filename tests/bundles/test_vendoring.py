"""Scripts of a bundle: this package's own modules, complete, with nothing but their imports changed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import brats3d
from brats3d.bundles.vendoring import vendored_scripts

PACKAGE = Path(brats3d.__file__).parent


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    return vendored_scripts()


def imported_modules(text: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.append(str(node.module))
    return found


def test_nothing_of_this_package_is_imported(scripts: dict[str, str]) -> None:
    roots = {name.split(".")[0] for text in scripts.values() for name in imported_modules(text)}
    assert "brats3d" not in roots
    assert not roots & {"pytorch_lightning", "jsonargparse", "rich", "yaml"}


def test_all_that_is_imported_is_there(scripts: dict[str, str]) -> None:
    own = {name for text in scripts.values() for name in imported_modules(text) if name.startswith("scripts")}
    assert "scripts.core.transforms.preprocessing" in own
    for name in own:
        path = "/".join(name.split(".")[1:])
        assert f"{path}.py" in scripts or f"{path}/__init__.py" in scripts, name
    for path in scripts:
        for parent in Path(path).parents:
            assert (parent / "__init__.py").as_posix() in scripts


@pytest.mark.parametrize("module", ["metrics/comparison", "metrics/ranking", "data/layouts/tree"])
def test_what_a_bundle_never_does_is_left_out(scripts: dict[str, str], module: str) -> None:
    assert (PACKAGE / f"{module}.py").exists()
    assert f"core/{module}.py" not in scripts


def test_only_imports_are_changed(scripts: dict[str, str]) -> None:
    changed = 0
    for path, text in scripts.items():
        source = PACKAGE / path.removeprefix("core/") if path.startswith("core/") else None
        if source is None:
            source = PACKAGE / "bundles" / "scripts" / path
        lines = text.splitlines()[1:]
        if not lines:  # a package whose own names nobody needs
            assert Path(path).name == "__init__.py"
            continue
        for here, there in zip(lines, source.read_text().splitlines(), strict=True):
            if here != there:
                assert there.lstrip().startswith("from brats3d."), there
                assert here.lstrip().startswith("from scripts."), here
                changed += 1
    assert changed > 50
