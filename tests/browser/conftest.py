"""A browser, models that find the tumours of phantoms, and a server that offers them; each started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, chromium
from made_up_cases import train_on_pictures, train_on_volumes, write_case
from served import EXAMPLE, Server, served
from viewer_page import ViewerPage


@pytest.fixture(scope="session")
def only_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of all tests; use ``browser``."""
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def browser(only_chromium: Browser) -> Iterator[Browser]:
    """A browser without a past; a test that leaves complaints in its log fails."""
    only_chromium.reset()
    yield only_chromium
    assert only_chromium.complaints() == []


@pytest.fixture(scope="session")
def new_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Case folders that no model has seen: 100 with a tumour, 200 without."""
    root = tmp_path_factory.mktemp("new")
    write_case(root, 100)
    write_case(root, 200, tumour=False)
    return root


@pytest.fixture(scope="session")
def with_tumour(new_cases: Path) -> Path:
    """Folder of a case with a tumour and its label map."""
    return new_cases / "BraTS2021_00100"


@pytest.fixture(scope="session")
def without_tumour(new_cases: Path) -> Path:
    """Folder of a case without a tumour."""
    return new_cases / "BraTS2021_00200"


@pytest.fixture(scope="session")
def volume_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run of a 3-D network."""
    return train_on_volumes(tmp_path_factory.mktemp("volumes")).run


@pytest.fixture(scope="session")
def picture_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run of a 2-D network for single pictures."""
    return train_on_pictures(tmp_path_factory.mktemp("pictures")).run


@pytest.fixture(scope="session")
def server(volume_run: Path, picture_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that offers the 3-D run, the 2-D run, the example of a bundle, and fuzzy K-means."""
    runs = ("--run", f"[{volume_run},{picture_run}]")
    others = ("--bundle", f"[{EXAMPLE}]", "--classical", "[fuzzy_kmeans.yaml]")
    with served(tmp_path_factory.mktemp("server"), *runs, *others) as started:
        yield started


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[ViewerPage]:
    """The page just opened; a test in which it asks another server for anything fails."""
    opened = ViewerPage(browser, server.address).open()
    yield opened
    assert opened.elsewhere() == []
