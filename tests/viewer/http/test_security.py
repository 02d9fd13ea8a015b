from __future__ import annotations

import pytest

from brats3d.viewer.http.security import Security, host_name, is_loopback
from brats3d.viewer.http.throttle import Throttle


def test_only_the_token_is_known() -> None:
    security = Security("a long secret")
    assert security.knows("a long secret")
    assert not security.knows("a long secre")
    assert not security.knows("")
    assert not security.knows("\udcff")


def test_the_cookie_is_not_the_token_and_belongs_to_it() -> None:
    security = Security("a long secret")
    assert "secret" not in security.cookie
    assert security.knows_cookie(Security("a long secret").cookie)
    assert not security.knows_cookie(Security("another one").cookie)


def test_without_a_token_everybody_on_this_machine_may_enter() -> None:
    assert Security().knows("")


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8000", True),
        ("127.8.9.1", True),
        ("evil.example:8000", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.0.1", False),
        ("", False),
        ("[", False),
    ],
)
def test_without_a_token_names_of_other_machines_are_not_answered(host: str, answered: bool) -> None:
    assert Security().answers_to(host) is answered


def test_with_a_token_any_name_is_answered() -> None:
    assert Security("a long secret").answers_to("hospital.example")


@pytest.mark.parametrize(
    ("host", "name"), [("A.b:80", "a.b"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("a", "a")]
)
def test_the_port_of_a_host_is_not_its_name(host: str, name: str) -> None:
    assert host_name(host) == name


def test_loopback_is_this_machine_alone() -> None:
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("::")


def test_who_guesses_waits_and_others_do_not() -> None:
    now = [0.0]
    throttle = Throttle(tries=3, seconds=60, clock=lambda: now[0])
    for _ in range(3):
        assert throttle.wait_seconds("guesser") == 0
        throttle.wrong("guesser")
    assert throttle.wait_seconds("guesser") == 60
    assert throttle.wait_seconds("another") == 0
    now[0] = 60
    assert throttle.wait_seconds("guesser") == 0


def test_the_right_token_forgets_the_wrong_ones() -> None:
    throttle = Throttle(tries=1)
    throttle.wrong("absent-minded")
    throttle.right("absent-minded")
    assert throttle.wait_seconds("absent-minded") == 0


def test_guesses_from_many_addresses_take_no_more_memory() -> None:
    throttle = Throttle(tries=1)
    throttle._MOST_ADDRESSES = 5
    for address in map(str, range(50)):
        throttle.wrong(address)
    assert len(throttle._wrong) == 5
    assert throttle.wait_seconds("49") > 0
