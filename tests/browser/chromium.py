"""A headless Chromium as the tests use it: what it shows, asks for and complains of."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import axe_core_python
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

T = TypeVar("T")

PROGRAMS = {"browser": "/usr/bin/chromium", "driver": "/usr/bin/chromedriver"}
PATIENCE_S = 120.0
_AXE = Path(axe_core_python.__file__).parent / "axe.min.js"
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root there is none
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # Nothing but this machine can be reached, so a request elsewhere fails in the log at once.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


_MISSING = [path for path in PROGRAMS.values() if shutil.which(path) is None]
# A mark, not a skip in a fixture, so that nothing is trained in vain beforehand.
NEEDED = pytest.mark.skipif(
    bool(_MISSING), reason=f"no {', no '.join(_MISSING)} (Debian: chromium, chromium-driver)"
)


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Start a browser whose profile and downloads lie in ``folder``; ended whatever happens."""
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAMS["browser"]
    for flag in (*_FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("perfLoggingPrefs", {"enableNetwork": True, "enablePage": False})
    driver = webdriver.Chrome(options=options, service=Service(PROGRAMS["driver"]))
    driver.set_script_timeout(PATIENCE_S)
    try:
        yield Browser(driver, folder / "downloads")
    finally:
        driver.quit()


class Browser:
    """One window.

    Attributes:
        driver: Selenium's driver, for what has no method here.
        downloads: Folder that downloads go to; emptied by :meth:`reset`.
    """

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def reset(self) -> None:
        """Forget everything: page, cookies, downloads, screen, logs."""
        self.driver.get("about:blank")
        self.command("Network.clearBrowserCookies")
        self.command("Network.clearBrowserCache")
        shutil.rmtree(self.downloads, ignore_errors=True)
        self.downloads.mkdir()
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self.command("Emulation.setTouchEmulationEnabled", enabled=False)
        self.look(1280, 800)
        self.requests()
        self.complaints()

    def command(self, name: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript in the page and return its result."""
        return self.driver.execute_script(script, *arguments)

    def look(self, width: int, height: int, *, dark: bool = False, touch: bool = False) -> None:
        """Set the size of the window's inside in pixels, the colour scheme, and the kind of screen."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self.command("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        # Colours on their way to others would be judged as they are.
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.command("Emulation.setEmulatedMedia", media="", features=[scheme, still])

    def open(self, address: str | Path) -> None:
        """Go to a page, or to a file on disk."""
        self.driver.get(address.as_uri() if isinstance(address, Path) else address)

    def find(self, css: str) -> WebElement:
        """Return the only element that a selector names."""
        found = self.all(css)
        assert len(found) == 1, f"{len(found)} elements are {css}"
        return found[0]

    def all(self, css: str) -> list[WebElement]:
        """Return the elements that a selector names."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def wait(self, happened: Callable[[], T], what: str) -> T:
        """Wait until something is true and return it; in vain, say what the page shows."""
        try:
            return WebDriverWait(self.driver, PATIENCE_S, 0.1).until(lambda _: happened())
        except TimeoutException:
            shown = self.run("return document.body.innerText")
            raise AssertionError(f"in vain: {what}\n{shown}\n{self.complaints()}") from None

    def requests(self) -> list[str]:
        """Return the addresses asked for since the last call, but for what pages hold in themselves."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(str(message["params"]["request"]["url"]))
            elif message["method"] == "Network.webSocketCreated":
                found.append(str(message["params"]["url"]))
        return [
            address for address in found if not address.startswith(("about:", "blob:", "chrome:", "data:"))
        ]

    def complaints(self) -> list[str]:
        """Return errors of scripts, of the security policy and of loading since the last call."""
        entries = self.driver.get_log("browser")
        return [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]

    def expect(self, complaint: str) -> None:
        """Take a complaint that belongs to the test out of the log; there must be one, and none besides."""
        complaints = self.complaints()
        assert complaints
        assert all(complaint in each for each in complaints), complaints

    def picture(self, css: str) -> NDArray[np.uint8]:
        """Return what an element looks like, uint8 ``(height, width, 3)``."""
        shot = Image.open(io.BytesIO(self.find(css).screenshot_as_png))
        return np.asarray(shot.convert("RGB"))

    def drop(self, css: str, paths: Sequence[Path]) -> None:
        """Drop files and folders on an element, as from a file manager."""
        self.run("arguments[0].scrollIntoView({block: 'center'})", self.find(css))
        box = self.find(css).rect
        x, y = self.run("return [scrollX, scrollY]")
        place = {"x": box["x"] + box["width"] / 2 - x, "y": box["y"] + box["height"] / 2 - y}
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.command("Input.dispatchDragEvent", type=kind, data=data, **place)

    def touch(self, css: str, *steps: Sequence[tuple[float, float]]) -> None:
        """Put fingers on an element, move them from step to step, and lift them.

        Args:
            css: The element.
            steps: Where each finger is, as shares of its width and height.
        """
        box = "arguments[0].scrollIntoView(); const r = arguments[0].getBoundingClientRect();"
        left, top, width, height = self.run(f"{box} return [r.x, r.y, r.width, r.height]", self.find(css))
        for number, fingers in enumerate(steps):
            points = [{"x": left + x * width, "y": top + y * height} for x, y in fingers]
            kind = "touchMove" if number else "touchStart"
            self.command("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        self.command("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def downloaded(self, ending: str) -> Path:
        """Wait for the download of a file of this ending."""

        def finished() -> Path | None:
            files = [path for path in self.downloads.iterdir() if path.name.endswith(ending)]
            return files[0] if files else None

        return self.wait(finished, f"a download that ends in {ending}")

    def barriers_in_both_schemes(self) -> list[str]:
        """Return what axe-core finds of serious or critical impact, in light and in dark colours."""
        found = []
        for dark in (True, False):
            self.look(1280, 800, dark=dark)
            found += [f"{'dark' if dark else 'light'}: {barrier}" for barrier in self._barriers()]
        return found

    def _barriers(self) -> list[str]:
        self.run(_AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, {resultTypes: ['violations']})"
            ".then(result => done(result.violations), error => done([{id: String(error), impact: 'critical',"
            " help: 'axe-core failed', nodes: []}]));"
        )
        return [
            f"{rule['impact']}: {rule['id']}: {rule['help']}: "
            + "; ".join(f"{node['html'][:200]} ({node.get('failureSummary', '')})" for node in rule["nodes"])
            for rule in found
            if rule["impact"] in ("serious", "critical")
        ]

    def printed(self) -> bytes:
        """Return the page as a PDF on A4."""
        page = self.command("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)
        return base64.b64decode(page["data"])
