"""Connections that say nothing for too long are closed; what is no HTTP gets an answer like all others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from brats3d.viewer.http.headers import SECURITY_HEADERS

MOST_CONNECTIONS = 600
LARGEST_HEADERS = 32 * 1024
"""Bytes of the headers of a request."""

_LARGEST_READ = 64 * 1024
"""Bytes that are taken from a connection at once; asyncio's own 256 KiB add up where many send."""

_REQUEST_SECONDS = 20.0
"""Within which the headers of a request have come, from its first byte or the connection's begin."""

_LEFTOVER_SECONDS = 30.0
"""For which the rest of a body is read (and dropped) after the answer, so that visitors hear the answer."""

_NOT_HTTP = {
    "error": {
        "what": "the request is not HTTP, or its headers are too long",
        "where": None,
        "got": None,
        "expected": f"HTTP/1.1 with at most {LARGEST_HEADERS} bytes of headers",
        "remedy": None,
    }
}


class Connection(H11Protocol):
    """A connection that cannot be held open by saying little (slow loris)."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, unless there are too many connections."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        if hasattr(transport, "max_size"):
            transport.max_size = _LARGEST_READ
        self._close_in(_REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._go_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of the headers, if there is one."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            if self.conn.our_state is not h11.DONE:
                self._go_on()
        elif self._deadline is None and not self.transport.is_closing():
            self._close_in(_REQUEST_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the rest of a body that nobody reads any more, if there is one."""
        if self.conn.their_state is h11.SEND_BODY:
            self._close_in(_LEFTOVER_SECONDS)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        body = json.dumps(_NOT_HTTP).encode()
        headers: list[tuple[str, str]] = [
            *SECURITY_HEADERS.items(),
            ("cache-control", "no-store"),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        events: tuple[Any, ...] = (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _close_in(self, seconds: float) -> None:
        self._go_on()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _go_on(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
