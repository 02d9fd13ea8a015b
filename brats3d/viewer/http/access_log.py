"""One line per request: method, kind of path, status, time; no names of files, no ids, no query."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)


class AccessLog:
    """Writes the lines."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            # The path as it is declared, such as /api/uploads/{upload_id}: what visitors wrote stays out.
            path = getattr(scope.get("route"), "path", "-")
            level = logging.DEBUG if path.startswith("/static") and status < 400 else logging.INFO
            milliseconds = 1000 * (time.perf_counter() - begin)
            _LOG.log(level, "%s %s %s %.0f ms", scope["method"], path, status or "ended", milliseconds)
