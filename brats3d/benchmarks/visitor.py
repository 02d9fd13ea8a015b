"""A user of the web page as a program: sends cases, waits for their segmentation, looks at the results."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_ASK_AGAIN_SECONDS = 0.5
_MOST_SECONDS = 1800.0


@dataclass
class Visitor:
    """One user, with a connection of their own.

    Attributes:
        address: Name and port of the server.
        times_ms: Kind of request to how long each took; the segmentation itself is none.
        done: Cases that were segmented and looked at.
        problems: What went wrong.
    """

    address: str
    times_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    done: int = 0
    problems: list[str] = field(default_factory=list)

    def segment(self, files: Mapping[str, bytes], model: str) -> None:
        """Send a case, wait until it is segmented, look at what was found, and delete it.

        A problem ends it and is noted.
        """
        with self._noting_problems() as connection:

            def ask(kind: str, method: str, path: str, body: bytes | None = None) -> bytes:
                begin = time.perf_counter()
                connection.request(method, path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
                self.times_ms[kind].append(1000 * (time.perf_counter() - begin))
                if answer.status >= 300:
                    raise http.client.HTTPException(f"{kind}: {answer.status} {content[:500]!r}")
                return content

            def told(*request: Any) -> Any:
                return json.loads(ask(*request))

            upload = told("begin an upload", "POST", "/api/uploads")["id"]
            for name, content in files.items():
                ask("send a file", "PUT", f"/api/uploads/{upload}/files/{name}", content)
            ask("get an image", "GET", f"/api/uploads/{upload}/images/flair.nii.gz")
            asked = json.dumps({"upload": upload, "model": model}).encode()
            job = told("join the queue", "POST", "/api/segment", asked)["id"]
            state, end = "queued", time.monotonic() + _MOST_SECONDS
            while state in ("queued", "running") and time.monotonic() < end:
                time.sleep(_ASK_AGAIN_SECONDS)
                state = told("ask how far it is", "GET", f"/api/jobs/{job}")["state"]
            if state != "done":
                raise http.client.HTTPException(f"a segmentation is {state}")
            ask("get volumes", "GET", f"/api/jobs/{job}/result")
            ask("move a threshold", "GET", f"/api/jobs/{job}/result?WT=0.4")
            ask("get the overlay", "GET", f"/api/jobs/{job}/overlay.nii.gz?WT=0.4")
            ask("get the label map", "GET", f"/api/jobs/{job}/labels.nii.gz")
            ask("delete an upload", "DELETE", f"/api/uploads/{upload}")
            self.done += 1

    @contextlib.contextmanager
    def _noting_problems(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(self.address, timeout=120)
        try:
            yield connection
        except (OSError, http.client.HTTPException) as error:
            self.problems.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()
