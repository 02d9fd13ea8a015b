"""Bodies other than uploaded files are short."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brats3d.viewer.http.refusals import BodyTooLong, refusal


class BodyLimit:
    """Refuses bodies above a limit with 413, except those of uploaded files (``PUT``), which are streamed.

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
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
                raise BodyTooLong(
                    "the body of the request is too long",
                    got=f"more than {self._most} bytes",
                    expected=f"at most {self._most} bytes",
                    remedy="upload images with PUT /api/uploads/{id}/files/{name}",
                )
            return message

        try:
            await self._app(scope, receive_limited, send)
        except BodyTooLong as error:
            await refusal(error, 413)(scope, receive, send)
