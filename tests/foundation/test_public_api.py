"""``import brats3d``: quick, lazily loaded, and the same whatever was imported before."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import brats3d

NAMES = sorted(brats3d.__all__)
ROOT = Path(brats3d.__file__).parents[1]


def run(statements: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", statements], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_needs_nothing_heavy() -> None:
    heavy = run(
        "import sys, brats3d, brats3d.config, brats3d.errors\n"
        "dir(brats3d)\n"
        "print([n for n in ('torch', 'monai', 'numpy', 'nibabel', 'jsonargparse') if n in sys.modules])"
    )
    assert heavy == "[]"


def test_a_configuration_needs_no_torch() -> None:
    assert run("import sys, brats3d; brats3d.load_config(); print('torch' in sys.modules)") == "False"


def test_finding_cases_needs_no_torch() -> None:
    assert (
        run("import sys, brats3d; brats3d.discover; brats3d.Case; print('torch' in sys.modules)") == "False"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_documented(name: str) -> None:
    value = getattr(brats3d, name)
    assert inspect.isclass(value) or inspect.isfunction(value)
    assert value.__name__ == name
    assert inspect.getdoc(value)
    assert name in dir(brats3d)


def test_the_names_of_the_contract_are_there() -> None:
    wanted = {"discover", "load_config", "fit", "predict", "evaluate", "synthesize"}
    wanted |= {"Segmenter", "Case", "Region", "LabelConvention"}
    assert wanted <= set(NAMES)


def test_dir_names_everything_once() -> None:
    assert brats3d.load_config is brats3d.load_config
    assert len(dir(brats3d)) == len(set(dir(brats3d)))
    assert set(NAMES) <= set(dir(brats3d))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        brats3d.fitt  # noqa: B018 - the access is what is tested


@pytest.mark.parametrize(
    "statements",
    [
        "import brats3d.NAME",
        "import brats3d.workflows.NAME, brats3d.NAME",
        "import brats3d.NAME, brats3d.workflows.NAME",
        "import brats3d; brats3d.NAME; import brats3d.NAME",
        "import importlib; importlib.import_module('brats3d.NAME')",
        "from brats3d import NAME; import brats3d.NAME",
    ],
)
def test_a_verb_in_the_package_stays_the_function(statements: str) -> None:
    # `evaluate` stands for the other verbs, whose modules are as light but whose functions load torch.
    for_all = "import brats3d.fit, brats3d.predict, brats3d.synthesize"
    shown = run(
        f"{statements.replace('NAME', 'evaluate')}\n{for_all}\n"
        "import types, brats3d\n"
        "assert isinstance(brats3d.evaluate, types.FunctionType), brats3d.evaluate\n"
        "assert not {'fit', 'predict', 'synthesize'} & set(vars(brats3d)), vars(brats3d)\n"
        "print(brats3d.evaluate.__module__)"
    )
    assert shown == "brats3d.workflows.evaluate"


def test_all_verbs_stay_functions() -> None:
    shown = run(
        "import brats3d.workflows.fit, brats3d.fit, brats3d.predict, types\n"
        "from brats3d import *\n"
        "print([isinstance(verb, types.FunctionType) for verb in (fit, predict, evaluate, synthesize)])"
    )
    assert shown == "[True, True, True, True]"


def test_the_version_is_that_of_the_project() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE).group(1) == brats3d.__version__  # type: ignore[union-attr]
