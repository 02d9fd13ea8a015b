"""The socket to listen on, and the address to print."""

from __future__ import annotations

import errno
import ipaddress
import socket

from brats3d.errors import ConfigError
from brats3d.viewer.http.security import is_loopback

_BACKLOG = 2048
_REMEDIES = {
    errno.EADDRINUSE: "another program listens there: choose another --port, or 0 for any that is free",
    errno.EADDRNOTAVAIL: "this machine has no such address: --host 127.0.0.1, or 0.0.0.0 for all it has",
    errno.EACCES: "ports below 1024 are for the system: choose another --port",
}


def listen(host: str, port: int) -> socket.socket:
    """Open the socket; from then on connections wait.

    Args:
        host: Name or address of this machine.
        port: 0 to 65535; 0: any that is free.

    Raises:
        ConfigError: Nobody may listen there.
    """
    if not 0 <= port <= 65535:
        raise ConfigError("no such port", where="port", got=port, expected="a number from 0 to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ConfigError(
            "unknown host",
            where="host",
            got=host,
            expected="a name or address of this machine, such as 127.0.0.1",
        ) from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            "cannot listen there",
            where=f"host {host}, port {port}",
            got=error.strerror,
            expected="an address of this machine and a free port",
            remedy=_REMEDIES.get(error.errno or 0),
        ) from error
    return listener


def is_private(listener: socket.socket) -> bool:
    """Whether only this machine reaches the socket."""
    return is_loopback(listener.getsockname()[0])


def url_of(listener: socket.socket, host: str) -> str:
    """Address that a browser opens, without the token."""
    name, port = host, listener.getsockname()[1]
    if _is_any(name):
        name = socket.gethostname()
    elif ":" in name:
        name = f"[{name}]"
    return f"http://{name}:{port}/"


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host
