"""Bodies other than uploaded files are short, and come soon."""

from __future__ import annotations

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brats3d.viewer.http.refusals import BodyTooLong, Stalled, refusal

_STALLED_SECONDS = 20.0


class BodyLimit:
    """Reads a body before anything is done; refuses long ones with 413 and those that do not come with 408.

    Uploaded files (``PUT``) pass: they are streamed, and their receiver counts.

    Args:
        app: What answers.
        most_bytes: The limit.
    """

    def __init__(self, app: ASGIApp, most_bytes: int = 64 * 1024) -> None:
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] == "PUT":
            await self._app(scope, receive, send)
            return
        try:
            with anyio.fail_after(_STALLED_SECONDS):
                first: Message | None = await self._read(receive)
        except BodyTooLong as error:
            await refusal(error, 413)(scope, receive, send)
            return
        except TimeoutError:
            await refusal(Stalled("the body of the request did not come"), 408)(scope, receive, send)
            return

        async def receive_again() -> Message:
            nonlocal first
            if first is None:
                return await receive()
            message, first = first, None
            return message

        await self._app(scope, receive_again, send)

    async def _read(self, receive: Receive) -> Message:
        """The body as one message; or that the visitor has gone."""
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            body += message.get("body", b"")
            if len(body) > self._most:
                raise BodyTooLong(
                    "the body of the request is too long",
                    got=f"more than {self._most} bytes",
                    expected=f"at most {self._most} bytes",
                    remedy="send images with PUT /api/uploads/{id}/files/{name}",
                )
            if not message.get("more_body", False):
                return {"type": "http.request", "body": body, "more_body": False}
