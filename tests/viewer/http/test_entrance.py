"""Who may ask a server, and whose pages may."""

from __future__ import annotations

import socket

import httpx
import pytest

from brats3d.viewer.http.schemas import ErrorAnswer
from brats3d.viewer.http.security import COOKIE, Security
from brats3d.viewer.http.throttle import Throttle

TOKEN = "a token of some length"


@pytest.fixture(scope="module")
def guarded(run_server):
    """A server that asks for a token."""
    with run_server(security=Security(TOKEN, Throttle(tries=1000))) as started:
        yield started


def test_without_the_token_nothing_is_told(guarded) -> None:
    for path in (
        "/api/models",
        "/api/openapi.json",
        "/api",
        "/static/main.js",
        "/api/uploads/none",
        "/nothing",
    ):
        answer = guarded.client.get(path)
        assert answer.status_code == 401
        ErrorAnswer.model_validate(answer.json())
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert guarded.client.post("/api/uploads").status_code == 401
    assert guarded.client.get("/api/health").json() == {"status": "ok"}


def test_a_browser_is_asked_for_the_token(guarded) -> None:
    page = guarded.client.get("/")
    assert page.status_code == 401
    assert 'name="token"' in page.text
    assert "clinical use" in page.text


def test_the_token_becomes_a_cookie_and_leaves_the_address(guarded) -> None:
    with httpx.Client(base_url=guarded.url) as browser:
        answer = browser.get("/", params={"token": TOKEN})
        assert browser.get("/api/models").status_code == 200, "it keeps cookies"
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_program_shows_the_token_in_a_header(guarded, scheme: str) -> None:
    answer = guarded.client.get("/api/models", headers={"authorization": f"{scheme} {TOKEN}"})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"cookie": f"{COOKIE}={TOKEN}"},
        {"cookie": f"{COOKIE}="},
        {"cookie": "=;;\x80"},
    ],
)
def test_other_things_are_no_token(guarded, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert guarded.client.get("/api/models", headers=raw).status_code == 401


def test_a_token_in_the_address_is_for_the_page_alone(guarded) -> None:
    assert guarded.client.get("/api/models", params={"token": TOKEN}).status_code == 401


def test_who_guesses_must_wait_and_who_is_in_may_stay(run_server) -> None:
    with run_server(security=Security(TOKEN, Throttle(tries=3))) as guarded:
        for guess in range(3):
            answer = guarded.client.get("/api/models", headers={"authorization": f"Bearer {guess}"})
            assert answer.status_code == 401
        answer = guarded.client.get("/api/models", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        inside = {"cookie": f"{COOKIE}={Security(TOKEN).cookie}"}
        assert guarded.client.get("/api/models", headers=inside).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "192.168.1.1", ""])
def test_other_names_of_the_address_are_not_answered(server, host: str) -> None:
    answer = server.client.get("/api/models", headers={"host": host})
    assert answer.status_code in (400, 421)
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_change_nothing(server, headers: dict[str, str]) -> None:
    before = len(server.uploads)
    assert server.client.post("/api/uploads", headers=headers).status_code == 403
    assert server.client.delete("/api/uploads/none", headers=headers).status_code == 403
    assert len(server.uploads) == before
    answer = server.client.get("/api/models", headers=headers)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_servers_own_page_may(server) -> None:
    headers = {"origin": server.url, "sec-fetch-site": "same-origin"}
    assert server.client.post("/api/uploads", headers=headers).status_code == 201


def raw_answer(url: str, request: bytes) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 40_000,
        b"GET /" + b"a" * 40_000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["no HTTP", "long headers", "long address", "no host", "two lengths", "TLS"],
)
def test_what_is_no_http_gets_an_answer_with_the_headers(server, request_bytes: bytes) -> None:
    answer = raw_answer(server.url, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"content-security-policy: default-src 'self'" in answer.lower()
    assert server.client.get("/api/health").status_code == 200
