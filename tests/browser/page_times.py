"""How soon the web page is there, and how soon a case that is dropped on it.

``python tests/browser/page_times.py FOLDER`` makes a phantom of 240x240x155 voxels, serves the page on
loopback, and opens it in a headless Chromium (WebGL in software) several times.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from chromium import chromium
from served import served
from viewer_page import ViewerPage

from brats3d.data.phantom import write_phantoms

TURNS = 5
SIZE = (240, 240, 155)


def main(folder: Path) -> None:
    """Print medians and ranges in seconds."""
    [case] = write_phantoms(folder / "cases", cases=1, size=SIZE, with_labels=False)
    files = sorted(case.iterdir())
    opened, shown = [], []
    with served(folder, "--classical", "fuzzy_kmeans.yaml") as server, chromium(folder) as browser:
        for _ in range(TURNS):
            browser.reset()
            begin = time.perf_counter()
            page = ViewerPage(browser, server.address).open()
            opened.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            page.drop(*files)
            shown.append(time.perf_counter() - begin)
    for what, seconds in (("page open, models listed", opened), ("four files dropped until drawn", shown)):
        print(f"{what}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
