"""Connections that say little are closed."""

from __future__ import annotations

import socket

import pytest

from brats3d.viewer.http import connections
from brats3d.viewer.http.routes import uploads as upload_routes


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def hasty(run_server, monkeypatch: pytest.MonkeyPatch):
    """A server that does not wait for long."""
    monkeypatch.setattr(connections, "_REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(connections, "_LEFTOVER_SECONDS", 0.3)
    monkeypatch.setattr(upload_routes, "_STALLED_SECONDS", 0.3)
    with run_server() as started:
        yield started


@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_headers_that_do_not_come_end_the_connection(hasty, begin: bytes) -> None:
    with connected(hasty.url) as connection:
        connection.sendall(begin)
        assert connection.recv(100) == b""


def test_headers_that_come_in_time_do_not(hasty) -> None:
    with connected(hasty.url) as connection:
        for part in (b"GET /api/health HTTP/1.1\r\n", b"Host: 127.0.0.1\r\n", b"\r\n"):
            connection.sendall(part)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_a_file_that_stops_coming_is_refused_and_nothing_is_kept(hasty) -> None:
    upload = hasty.new_upload()
    with connected(hasty.url) as connection:
        head = f"PUT /api/uploads/{upload}/files/t1.nii.gz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        connection.sendall(head.encode() + b"Content-Length: 1000\r\n\r\n\x1f\x8b")
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
        while connection.recv(65536):
            pass  # the rest of the answer, and the end
    assert hasty.client.get(f"/api/uploads/{upload}").json()["files"] == []


def test_more_connections_than_there_may_be_are_closed(run_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    with run_server() as started:
        held = [connected(started.url) for _ in range(3)]
        with connected(started.url) as one_more:
            assert is_closed(one_more)
        for connection in held:
            connection.close()
        assert started.client.get("/api/health").status_code == 200
