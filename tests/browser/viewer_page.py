"""The web page as its visitor uses it: what is done to it and what it then says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from chromium import Browser
from numpy.typing import NDArray
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of

_LEAST_CHANGED_PIXELS = 30

# A control is reached if a tap on its middle meets it, its label, or something inside; what is meant for
# keyboards alone, such as an input that its label stands for, has no place.
_OUT_OF_REACH = """
const wrong = [];
const page = document.documentElement;
if (page.scrollWidth > page.clientWidth) wrong.push(`${page.scrollWidth} px in ${page.clientWidth}`);
for (const control of document.querySelectorAll("button, input, select, a[href], canvas")) {
  if (!control.checkVisibility() || control.disabled || control.closest(".unseen, .skip")) continue;
  control.scrollIntoView({block: "center", inline: "nearest"});
  const box = control.getBoundingClientRect();
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const own = hit && (control.contains(hit) || hit.contains(control) && hit.closest("label"));
  if (!own || box.left < 0 || box.right > innerWidth + 1) wrong.push(control.outerHTML.slice(0, 120));
}
scrollTo(0, 0);
return wrong;
"""


class ViewerPage:
    """The page in a browser.

    Args:
        browser: Where it is shown.
        address: Where the server listens, such as http://127.0.0.1:8000.
    """

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address

    def open(self) -> ViewerPage:
        """Open it as somebody who comes for the first time."""
        self.browser.open(self.address)
        self.wait_for("empty")
        self.browser.wait(lambda: self.browser.all("input[name=model]"), "models are offered")
        return self

    @property
    def state(self) -> str:
        """What the page is busy with: empty, uploading, ready, segmenting or done."""
        return str(self.browser.run("return document.body.dataset.state"))

    @property
    def busy(self) -> bool:
        """Whether numbers or pictures are still on their way."""
        return bool(self.browser.all("#results[aria-busy=true], #stage[aria-busy=true]"))

    def wait_for(self, *states: str) -> None:
        """Wait until the page is in one of these states and nothing is on its way."""
        self.browser.wait(
            lambda: self.state in states and not self.busy, f"the page is {' or '.join(states)}"
        )

    def drop(self, *paths: Path) -> None:
        """Drop files or folders and wait until they are shown."""
        self.browser.drop("#viewer", paths)
        self.wait_for("ready", "done")
        self.browser.wait(lambda: self.browser.all(".pane[data-drawn=true]"), "the image is drawn")

    def pick(self, *paths: Path) -> None:
        """Choose files in the dialog of the browser and wait until they are shown."""
        self.browser.find("#file-input").send_keys("\n".join(map(str, paths)))
        self.wait_for("ready")

    def drop_in_addition(self, *paths: Path) -> None:
        """Drop files that belong to the case that is open, and say so."""
        self.browser.drop("#viewer", paths)
        self.browser.wait(self.browser.find("#drop-dialog").is_displayed, "it is asked what they belong to")
        files = self.browser.find("#assign-reference")
        self.browser.find("#drop-add").click()
        self._wait_until_replaced(files, "the files are listed again")

    def drop_in_vain(self, *paths: Path) -> str:
        """Drop what is refused, and return what the page says of it."""
        self.browser.drop("#viewer", paths)
        return self.error()

    def error(self) -> str:
        """Wait for an error and return its text."""
        [message] = self.browser.wait(lambda: self.browser.all("[data-testid=error]"), "an error is shown")
        self.wait_for("empty", "ready", "done")
        assert message.find_element("css selector", ".remedy").text
        return message.text

    def choose(self, model: str) -> None:
        """Choose a model by its id."""
        self.browser.find(f"input[name=model][value='{model}']").click()

    def assign(self, modality: str, name: str) -> None:
        """Say that a file holds a modality."""
        select = self.browser.find(f"#assign-{modality}")
        if str(select.get_attribute("value")).startswith(f"{name}|"):
            return
        select.find_element("css selector", f"option[value^='{name}|']").click()
        self._wait_until_replaced(select, f"{modality} is assigned")

    def _wait_until_replaced(self, element: WebElement, what: str) -> None:
        """Wait until the page has made an element anew, and has nothing on its way."""
        self.browser.wait(lambda: staleness_of(element)(self.browser.driver), what)
        self.wait_for("ready")

    def segment(self, model: str | None = None) -> None:
        """Segment and wait for the result and its picture."""
        if model is not None:
            self.choose(model)
        self.browser.find("#segment").click()
        self.wait_for("done")

    def voxels(self) -> dict[str, int]:
        """Voxels (pixels) of each region, as shown."""
        return {
            region: int(text.replace(",", "")) for region, text in self._column("regions", "voxels").items()
        }

    def volumes(self) -> dict[str, float]:
        """Millilitres of each region, as shown."""
        return {region: float(text) for region, text in self._column("regions", "volume").items()}

    def scores(self, name: str) -> dict[str, float]:
        """Score (dice or hd95) of each region, as shown."""
        return {region: float(text) for region, text in self._column("scores", name).items()}

    def _column(self, table: str, name: str) -> dict[str, str]:
        rows = self.browser.all(f"#{table}-table tr[data-region]")
        return {
            str(row.get_dom_attribute("data-region")): row.find_element(
                "css selector", f"[data-number={name}]"
            ).text
            for row in rows
        }

    def slide(self, control: str, value: float) -> None:
        """Move a slider, and wait for what that changes."""
        self.browser.run(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            self.browser.find(control),
            value,
        )
        self.wait_for("ready", "done")

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        for key in keys:
            self.browser.driver.switch_to.active_element.send_keys(key)

    def out_of_reach(self) -> list[str]:
        """Controls that are shown but cannot be clicked, and whether one must scroll sideways for them."""
        return list(self.browser.run(_OUT_OF_REACH))

    def canvas(self, number: int = 0) -> NDArray[np.uint8]:
        """What a canvas shows, uint8 ``(height, width, 3)``."""
        return self.browser.picture(f"#canvas-{number}")

    def changed_canvas(self, *former: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Wait until the first canvas shows something else than all these pictures, and return it."""

        def other() -> list[NDArray[np.uint8]]:
            now = self.canvas()
            return [now] if all(differ(now, one) for one in former) else []

        return self.browser.wait(other, "the picture changes")[0]

    def restored_canvas(self, former: NDArray[np.uint8]) -> None:
        """Wait until the first canvas shows this picture again."""
        self.browser.wait(lambda: not differ(self.canvas(), former), "the picture is as before")

    def elsewhere(self) -> list[str]:
        """Return what was asked of others than the server since the last call."""
        asked = self.browser.requests()
        return [address for address in asked if not address.startswith(f"{self.address}/")]

    def download(self, kind: str, ending: str) -> Path:
        """Follow one of the download links."""
        self.browser.find(f"#download-{kind}").click()
        return self.browser.downloaded(ending)


def differ(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two pictures show different things."""
    return one.shape != other.shape or int((one != other).any(axis=-1).sum()) > _LEAST_CHANGED_PIXELS


ARROW_UP, ARROW_DOWN = Keys.ARROW_UP, Keys.ARROW_DOWN
