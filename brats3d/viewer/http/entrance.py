"""The entrance: wrong names, other sites and visitors without the token go no further."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from brats3d.viewer.http.refusals import NotAllowed, refusal
from brats3d.viewer.http.security import COOKIE, Security

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN = frozenset({"/api/health"})
_YEAR_SECONDS = 365 * 24 * 3600
_BEARER = "bearer "


class Entrance:
    """Checks ``Host`` (DNS rebinding), ``Origin`` (other sites' pages) and the token.

    Args:
        app: What answers those who may enter.
        security: What visitors must show.
        sign_in_page: HTML for a browser without the token.
    """

    def __init__(self, app: ASGIApp, security: Security, sign_in_page: str) -> None:
        self._app, self._security, self._sign_in_page = app, security, sign_in_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._stopped(scope)
        await (answer or self._app)(scope, receive, send)

    def _stopped(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._security.answers_to(headers.get("host", "")):
            error = NotAllowed(
                "this server does not answer to that name",
                where="Host header",
                expected="localhost or 127.0.0.1, unless the server was given a token",
                remedy="open the address that the server printed",
            )
            return refusal(error, 421)
        if scope["method"] not in _SAFE and not _same_site(headers):
            error = NotAllowed(
                "pages of other sites may change nothing here",
                where="Origin header",
                expected="a page of this server, or a program",
                remedy="open the page of this server itself",
            )
            return refusal(error, 403)
        return self._without_token(scope, headers)

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        if self._security.token is None or scope["path"] in _OPEN:
            return None
        if self._security.knows_cookie(_cookie(headers)):
            return None
        address = str((scope.get("client") or ("",))[0])
        shown = _shown_token(scope, headers)
        wait = self._security.throttle.wait_seconds(address)
        if shown and wait:
            error = NotAllowed("too many wrong tokens", remedy=f"wait {wait:.0f} seconds")
            return refusal(error, 429, {"retry-after": f"{wait:.0f}"})
        if shown and self._security.knows(shown):
            self._security.throttle.right(address)
            return self._with_cookie(scope) if _is_page(scope) else None
        if shown:
            self._security.throttle.wrong(address)
        if _is_page(scope):
            return HTMLResponse(self._sign_in_page, 401)
        return refusal(_no_token(), 401, {"www-authenticate": "Bearer"})

    def _with_cookie(self, scope: Scope) -> Response:
        """Redirect, so that the token stays neither in the address bar nor in the history."""
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            self._security.cookie,
            max_age=_YEAR_SECONDS,
            httponly=True,
            samesite="strict",
            secure=scope.get("scheme") == "https",
        )
        return answer


def _is_page(scope: Scope) -> bool:
    return scope["path"] == "/" and scope["method"] in {"GET", "HEAD"}


def _no_token() -> NotAllowed:
    return NotAllowed(
        "this server asks for a token",
        expected="the header `Authorization: Bearer TOKEN`, or a browser that opened `/?token=TOKEN`",
        remedy="the server printed the token when it started",
    )


def _shown_token(scope: Scope, headers: Headers) -> str:
    authorization = headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    return QueryParams(scope["query_string"]).get("token", "") if _is_page(scope) else ""


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _same_site(headers: Headers) -> bool:
    """Whether no browser says that a page of another site asks; programs say nothing."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    # The scheme may differ behind a proxy that decrypts.
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""
