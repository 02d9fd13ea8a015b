"""What goes wrong with storage elsewhere, told so that a user can mend it."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

from brats3d.errors import Brats3dError, ConfigError, DataError, MissingExtraError, output_error

_OF_THIS_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# Signatures and tokens stand in the query of an address.
_QUERY = re.compile(r"\?[^\s\"']+")
_OF_S3 = ("s3", "s3a")
_CREDENTIALS = "the credentials of your environment (for S3: AWS_PROFILE, or AWS_ACCESS_KEY_ID ...)"


def is_of_this_disk(error: BaseException) -> bool:
    """Whether an error comes from writing here, not from reading there."""
    return isinstance(error, OSError) and error.errno in _OF_THIS_DISK


@contextlib.contextmanager
def explained(url: str, folder: Path | None = None) -> Iterator[None]:
    """Explain what a driver raises; each has errors of its own.

    Args:
        url: What is read.
        folder: Where it is written to.

    Raises:
        DataError: It is not there, may not be read, or cannot be reached.
        OutputError: It cannot be written here.
        MissingExtraError: The driver lacks a package.
    """
    try:
        yield
    except Brats3dError:
        raise
    except ImportError as error:
        raise missing_driver(url, error) from error
    except FileNotFoundError as error:
        raise DataError(
            "there is nothing at the URL",
            where=url,
            got=_said(error),
            remedy="check bucket and path, and the endpoint (for S3: AWS_ENDPOINT_URL)",
        ) from error
    except PermissionError as error:
        raise DataError(
            "the URL may not be read", where=url, got=_said(error), remedy=f"check {_CREDENTIALS}"
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and is_of_this_disk(error):
            raise output_error(folder, error) from error
        raise DataError(
            "the storage cannot be read",
            where=url,
            got=_said(error),
            remedy=f"check the network, the endpoint (for S3: AWS_ENDPOINT_URL) and {_CREDENTIALS}",
        ) from error


def missing_driver(url: str, error: ImportError) -> MissingExtraError:
    """Say which package reads a kind of URL."""
    scheme = url.partition("://")[0]
    return MissingExtraError(
        f"{scheme}:// needs a package that is not installed",
        where=url,
        got=_said(error),
        remedy='pip install "brats3d[remote]"' if scheme in _OF_S3 else "install the package that is named",
    )


def check_address(url: str) -> None:
    """Refuse addresses that say more or less than where a data set is.

    Raises:
        ConfigError: A chain of URLs, one with a password, or one without a path.
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if "::" in url:
        raise ConfigError(
            "a chain of URLs is no data set",
            where=url,
            expected="a folder, such as s3://bucket/folder",
            remedy="unpack archives first",
        )
    if ":" in host.rpartition("@")[0]:
        raise ConfigError(
            "a password in a URL would be kept with the run",
            where=f"{scheme}://{host.rpartition('@')[2]}/{path}",
            remedy="leave it out; give it to the driver by the environment or its own files",
        )
    if not rest.strip("/"):
        raise ConfigError("a URL without a place", where=url, expected="such as s3://bucket/folder")


def _said(error: BaseException) -> str:
    text = _QUERY.sub("", " ".join(str(error).split()))[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
