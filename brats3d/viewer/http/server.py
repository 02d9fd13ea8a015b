"""The server: uvicorn with this package's limits, which says when it listens and ends on signals."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI

from brats3d.viewer.http.connections import LARGEST_HEADERS, Connection

_KEEP_ALIVE_SECONDS = 30
_ENDING_SECONDS = 3


class Server(uvicorn.Server):
    """A server of one application.

    Args:
        app: The application; its ``state.ending`` is set when the server is told to end.
        on_listening: Called once it answers.
    """

    def __init__(self, app: FastAPI, on_listening: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                h11_max_incomplete_event_size=LARGEST_HEADERS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_ENDING_SECONDS,
                log_config=None,
                # What goes wrong is logged by this package, without what visitors sent.
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        self._app, self._on_listening = app, on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give the last answers; streams of events end at once."""
        self._app.state.ending.set()
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
    before = signal.signal(signal.SIGTERM, _end_once)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
