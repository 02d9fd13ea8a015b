"""Files of the page, read and compressed once; a browser keeps them until their version changes."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from importlib import resources
from pathlib import Path, PurePosixPath

from starlette.datastructures import Headers
from starlette.responses import Response

_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_PLACE = "/static/"


class Asset:
    """A file of the page, compressed once.

    Args:
        content: Its bytes.
        media_type: What it is.
    """

    def __init__(self, content: bytes, media_type: str) -> None:
        self.content, self.media_type = content, media_type
        self.compressed = gzip.compress(content, mtime=0)
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    def answer(self, request: Headers, *, keep: bool) -> Response:
        """Answer a request, compressed where the browser takes that, by 304 where it has the file.

        Args:
            request: Headers of the request.
            keep: Whether the address will never stand for anything else.
        """
        headers = {
            "etag": self.etag,
            "cache-control": _FOREVER if keep else _ASK_AGAIN,
            "vary": "accept-encoding",
        }
        if self.etag in request.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(self.compressed, headers=headers, media_type=self.media_type)
        return Response(self.content, headers=headers, media_type=self.media_type)


class Assets:
    """All files of the page by name.

    Args:
        files: Name below ``/static/`` to content; ``index.html`` is the page itself.

    Attributes:
        version: Changes when any file does; ``/static/VERSION/NAME`` may be kept for ever.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        parts = (part for name in sorted(files) for part in (name.encode(), files[name]))
        self.version = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
        self._assets = {name: Asset(content, _media_type(name)) for name, content in files.items()}

    def find(self, name: str) -> tuple[Asset, bool] | None:
        """The file of a name below ``/static/``, and whether the name carries the version."""
        plain = name.removeprefix(f"{self.version}/")
        asset = self._assets.get(plain)
        return None if asset is None else (asset, plain != name)

    def page(self) -> Asset:
        """``index.html``, in which the addresses of files carry the version."""
        text = self._assets["index.html"].content.decode("utf-8")
        return Asset(text.replace(_PLACE, f"{_PLACE}{self.version}/").encode(), "text/html")


def package_assets() -> Assets:
    """The files that this package ships: the page, and NiiVue."""
    page = Path(str(resources.files("brats3d.viewer") / "page"))
    niivue = Path(str(resources.files("brats3d.reporting") / "niivue" / "niivue.umd.js"))
    files = {
        path.relative_to(page).as_posix(): path.read_bytes() for path in page.rglob("*") if _is_asset(path)
    }
    documentation = Path(__file__).with_name("templates") / "documentation.css"
    others = {"niivue/niivue.umd.js": niivue, "documentation.css": documentation}
    return Assets({**files, **{name: path.read_bytes() for name, path in others.items()}})


def _is_asset(path: Path) -> bool:
    return path.is_file() and path.suffix in {*_TYPES, ".png", ".ico"}


def _media_type(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
