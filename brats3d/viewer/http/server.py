"""The server: uvicorn with this package's limits, which says when it listens and ends on signals."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from brats3d.viewer.http.connections import LARGEST_HEADERS, Connection

_KEEP_ALIVE_SECONDS = 30
_ENDING_SECONDS = 3


class Server(uvicorn.Server):
    """A server of one application.

    Args:
        app: The application.
        on_listening: Called once it answers.
        on_ending: Called when it is told to end, before it waits for the answers that it is giving.
    """

    def __init__(
        self, app: ASGIApp, *, on_listening: Callable[[], None], on_ending: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                h11_max_incomplete_event_size=LARGEST_HEADERS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_ENDING_SECONDS,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        self._on_listening, self._on_ending = on_listening, on_ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give the last answers."""
        self._on_ending()
        await super().shutdown(sockets)


@contextlib.contextmanager
def until_told() -> Iterator[None]:
    """End what runs inside at Ctrl-C or SIGTERM, as usual as any other end.

    uvicorn raises the signal that ended it once more, for those who started it; SIGTERM's default action
    would end this process before it could tidy up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
