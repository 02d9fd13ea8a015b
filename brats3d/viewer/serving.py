"""``brats3d app``: models, uploads and the web server put together, and taken apart again."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from brats3d.config import AppConfig
from brats3d.errors import ConfigError
from brats3d.extras import import_extra
from brats3d.viewer.workplace import workplace

if TYPE_CHECKING:
    from brats3d.viewer.http.security import Security

_LOG = logging.getLogger(__name__)
_SHORTEST_TOKEN = 16
_TURN_SECONDS = 0.001
_MOST_MINUTES = 7 * 24 * 60.0


def serve(config: AppConfig, announce: Callable[[str], None] | None = None) -> None:
    """Serve the page until Ctrl-C or SIGTERM; then end what runs, and delete uploads and results.

    Args:
        config: Models, address, limits.
        announce: Told the address to open, with the token if there is one, once the server answers; by
            default it is printed.

    Raises:
        ConfigError: A setting that cannot work, or an address where nobody may listen.
        MissingExtraError: FastAPI or uvicorn is not installed.
        OutputError: There is no folder for uploads.
        RunError: A run or bundle that is missing or incomplete.
    """
    for package in ("fastapi", "uvicorn"):
        import_extra(package, "the web page", "app")
    from brats3d.viewer.http.application import build_app
    from brats3d.viewer.http.listening import listen, url_of
    from brats3d.viewer.http.server import Server, until_told
    from brats3d.viewer.offering import offered_models
    from brats3d.viewer.service import SegmentationService
    from brats3d.viewer.uploads import Limits, UploadStore

    _check(config)
    with contextlib.ExitStack() as stack:
        stack.enter_context(until_told())
        stack.enter_context(_short_turns())
        listener = stack.enter_context(listen(config.host, config.port))
        security = security_of(config, listener)
        models = offered_models(config)
        folder = stack.enter_context(workplace(config.folder))
        uploads = stack.enter_context(contextlib.closing(UploadStore(folder, Limits.of(config))))
        service = stack.enter_context(
            SegmentationService(models, folder, keep_minutes=config.keep_minutes, queue_limit=config.queue)
        )
        url = url_of(listener, config.host)
        if security.token is not None:
            url += f"?token={quote(security.token, safe='')}"
        titles = ", ".join(model.title for model in models)
        message = f"brats3d: {titles}\nbrats3d: open {url}  (Ctrl-C ends)"
        tell = announce or partial(print, flush=True)
        Server(build_app(service, uploads, security), lambda: tell(message)).run([listener])


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    """Let the thread that answers interrupt the one that computes after a millisecond, instead of five."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def security_of(config: AppConfig, listener: socket.socket) -> Security:
    """What visitors must show: a token, wherever others than this machine reach the server."""
    from brats3d.viewer.http.listening import is_private
    from brats3d.viewer.http.security import Security

    if is_private(listener):
        return Security(config.token)
    _LOG.warning(
        "others can reach this server; what is sent is not encrypted: let a proxy with TLS stand before it, "
        "or tunnel (ssh -L) to one that listens on 127.0.0.1"
    )
    return Security(config.token or secrets.token_urlsafe(32))


def _check(config: AppConfig) -> None:
    """Refuse settings that cannot work.

    Raises:
        ConfigError: One of them cannot.
    """
    if config.token is not None and len(config.token) < _SHORTEST_TOKEN:
        raise ConfigError(
            "a token that can be guessed",
            where="token",
            got=f"{len(config.token)} characters",
            expected=f"{_SHORTEST_TOKEN} or more",
            remedy="leave it out: a random one is then made where one is needed",
        )
    if not 0 < config.keep_minutes <= _MOST_MINUTES:
        raise ConfigError(
            "uploads cannot be kept for so long",
            where="keep_minutes",
            got=config.keep_minutes,
            expected=f"more than 0, at most {_MOST_MINUTES:.0f} (a week)",
        )
    for name in ("upload_mib", "upload_files", "uploads", "queue"):
        if getattr(config, name) < 1:
            raise ConfigError(
                "nothing could be done", where=name, got=getattr(config, name), expected="1 or more"
            )
