"""A server that asks for a token, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chromium import NEEDED, Browser
from served import Server, served
from viewer_page import ViewerPage

pytestmark = NEEDED


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for a token."""
    folder = tmp_path_factory.mktemp("guarded")
    with served(folder, "--classical", "[otsu.yaml]", "--token", "open sesame, open") as started:
        yield started


def test_axe_finds_no_barrier_before_the_token(browser: Browser, guarded: Server) -> None:
    browser.open(guarded.address)
    assert browser.barriers_in_both_schemes() == []
    browser.expect("the server responded with a status of 401")


def test_nobody_enters_without_it(browser: Browser, guarded: Server) -> None:
    browser.open(guarded.address)
    assert "token" in browser.run("return document.body.innerText").lower()
    assert not browser.all("#drop-zone")
    browser.expect("the server responded with a status of 401")


def test_its_address_lets_a_browser_in_and_forgets_it(browser: Browser, guarded: Server) -> None:
    browser.open(f"{guarded.address}/?token=open%20sesame,%20open")
    ViewerPage(browser, guarded.address).open()
    assert "token" not in browser.driver.current_url
    assert "sesame" not in guarded.log.read_text().partition("Ctrl-C")[2]
