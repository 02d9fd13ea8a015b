from __future__ import annotations

import socket

import pytest

from brats3d.errors import ConfigError
from brats3d.viewer.http.listening import is_private, listen, url_of


def test_port_0_is_any_that_is_free() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener, "127.0.0.1") == f"http://127.0.0.1:{port}/"
        assert is_private(listener)
        socket.create_connection(("127.0.0.1", port)).close()


def test_all_addresses_are_not_private_and_have_the_name_of_the_machine() -> None:
    with listen("0.0.0.0", 0) as listener:
        assert not is_private(listener)
        assert url_of(listener, "0.0.0.0").startswith(f"http://{socket.gethostname()}:")


def test_a_port_in_use_is_a_users_error() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            listen("127.0.0.1", port)
    assert caught.value.remedy is not None
    assert "--port" in caught.value.remedy


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("no such name", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1)]
)
def test_nobody_listens_where_there_is_nothing(host: str, port: int) -> None:
    with pytest.raises(ConfigError):
        listen(host, port)
