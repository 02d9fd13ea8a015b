"""Who may ask the server: a token that is compared in constant time, and names that it answers to."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field

from brats3d.viewer.http.throttle import Throttle

COOKIE = "brats3d"


@dataclass(frozen=True)
class Security:
    """What a visitor must show.

    Attributes:
        token: What visitors must know, or None where nobody but this machine can ask.
        throttle: Counts wrong tokens by address.
    """

    token: str | None = None
    throttle: Throttle = field(default_factory=Throttle)

    def knows(self, token: str) -> bool:
        """Whether somebody who says ``token`` may enter; takes as long for any."""
        return self.token is None or hmac.compare_digest(_digest(token), _digest(self.token))

    @property
    def cookie(self) -> str:
        """What a browser keeps instead of the token itself."""
        return hmac.new((self.token or "").encode(), b"browser", hashlib.sha256).hexdigest()

    def knows_cookie(self, value: str) -> bool:
        """Whether a browser has been let in before."""
        return self.token is None or hmac.compare_digest(_digest(value), _digest(self.cookie))

    def answers_to(self, host: str) -> bool:
        """Whether the ``Host`` header names this server.

        A page of another site may give its own name the address of this machine (DNS rebinding). Without
        a token the server therefore answers to names of the loopback alone; with one, what a browser
        shows belongs to the name in its address bar, and any will do, such as that of a proxy.
        """
        name = host_name(host)
        return bool(name) and (self.token is not None or is_loopback(name))


def host_name(host: str) -> str:
    """Name or address of a ``Host`` header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_loopback(name: str) -> bool:
    """Whether a name or address means this machine and can be reached from nowhere else."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
