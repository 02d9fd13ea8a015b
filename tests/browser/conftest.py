"""A browser, started once, that every test finds as new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chromium import Browser, chromium, missing_programs


@pytest.fixture(scope="session")
def only_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of all tests; use ``browser``."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"this machine has no {' and no '.join(missing)} (Debian: chromium, chromium-driver)")
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        started.driver.set_script_timeout(120)
        yield started


@pytest.fixture
def browser(only_chromium: Browser) -> Iterator[Browser]:
    """A browser without a past; a test that leaves complaints in its log fails."""
    only_chromium.reset()
    yield only_chromium
    assert only_chromium.complaints() == []
