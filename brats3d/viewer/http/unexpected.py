"""Defects: a visitor hears that there was one, the log says where in the program, and no more."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)


class UnexpectedErrors:
    """Answers 500 for whatever no route has foreseen."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            # The message of an unknown error may hold what a visitor sent, patients' names included.
            _LOG.error("unexpected %s at %s", type(error).__name__, place_of(error))
            if not started:
                await _ANSWER(scope, receive, send)


def place_of(error: BaseException) -> str:
    """The last lines of the program that an error went through, innermost first, without its message."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-4:])
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


_ANSWER = JSONResponse(
    {
        "error": {
            "what": "the server failed at this",
            "where": None,
            "got": None,
            "expected": None,
            "remedy": "try again; if it fails again, tell whoever runs the server to look at its log",
        }
    },
    500,
)
