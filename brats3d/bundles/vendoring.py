"""Modules of this package as the ``scripts`` of a bundle, with the imports rewritten.

A bundle must prepare, segment and clean up a case as ``brats3d predict`` does, on machines without
brats3d. A second implementation would drift from the first one, so the bundle takes the modules
themselves: those of :mod:`brats3d.bundles.scripts`, which MONAI's configuration names, and whatever
these import, directly or not. ``brats3d.bundles.scripts.x`` becomes ``scripts.x``, every other
``brats3d.x`` becomes ``scripts.core.x``; nothing but import statements is changed.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from brats3d.files import write_text

PACKAGE = "brats3d"
ENTRY = "brats3d.bundles.scripts"
_NOTICE = "# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.\n"


def vendored_scripts() -> dict[str, str]:
    """Return the scripts of a bundle: path below ``scripts/`` to source text."""
    folder = Path(_source(ENTRY)).parent
    waiting = [ENTRY, *(f"{ENTRY}.{file.stem}" for file in folder.glob("[!_]*.py"))]
    found: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        text = _source(module).read_text(encoding="utf-8")
        found[module] = _rewritten(text)
        waiting += _imported(text)
    scripts = {_target(module): _NOTICE + text for module, text in found.items()}
    for path in list(scripts):
        for parent in Path(path).parents:
            scripts.setdefault((parent / "__init__.py").as_posix(), _NOTICE)
    return dict(sorted(scripts.items()))


def write_scripts(bundle: Path) -> None:
    """Write the scripts of a bundle into its folder.

    Raises:
        OutputError: A file cannot be written.
    """
    for name, text in vendored_scripts().items():
        write_text(bundle / "scripts" / name, text)


def _source(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    assert spec.origin is not None, module
    return Path(spec.origin)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is no package
        return False


def _import_statements(text: str) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.split(".")[0] == PACKAGE for name in names):
            assert isinstance(node, ast.ImportFrom), "modules that go into bundles write `from ... import`"
            yield node


def _imported(text: str) -> Iterator[str]:
    """Modules of this package that ``text`` imports names from, or imports as a whole."""
    for node in _import_statements(text):
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if _is_module(whole) else str(node.module)


def _rewritten(text: str) -> str:
    lines = text.splitlines(keepends=True)
    for node in _import_statements(text):
        line = lines[node.lineno - 1]
        line = re.sub(rf"\bfrom {re.escape(ENTRY)}\b", "from scripts", line, count=1)
        lines[node.lineno - 1] = re.sub(rf"\bfrom {PACKAGE}\b", "from scripts.core", line, count=1)
    return "".join(lines)


def _target(module: str) -> str:
    """Path below ``scripts/`` of a module."""
    if module == ENTRY or module.startswith(f"{ENTRY}."):
        parts = ["", *module.removeprefix(ENTRY).split(".")[1:]]
    else:
        parts = ["core", *module.split(".")[1:]]
    name = "/".join(part for part in parts if part)
    if _source(module).name == "__init__.py":
        return f"{name}/__init__.py" if name else "__init__.py"
    return f"{name}.py"
