"""Whoever watches is told of every call to a backend, once before it and once after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import HttpBackend, calls
from mappers.http.breaker import FAILURES_TO_OPEN
from mappers.http.calls import CallOut, Outcome
from tests.mappers.servers import Behavior, answering, closed_port, serving


@pytest.fixture
def told() -> Iterator[list[CallOut]]:
    """The calls that are over."""
    over: list[CallOut] = []
    calls.watch(after=over.append)
    yield over
    calls.unwatch(over.append)


def make(url: str, *, moves_money: bool = False, seconds: float = 5) -> None:
    backend = HttpBackend("acme", url)
    deadline = Deadline.after(seconds)
    with suppress(BackendUnavailable, OutcomeUnknown):
        backend.call("POST", "/debits", deadline=deadline, moves_money=moves_money, operation="debit", body={})


@pytest.mark.parametrize(
    ("behave", "moves_money", "status", "outcome", "failure"),
    [
        (answering(), True, 200, Outcome.DONE, None),
        (answering("201 Created"), False, 201, Outcome.DONE, None),
        (answering("409 Conflict"), True, 409, Outcome.REFUSED, None),
        (answering("404 Not Found"), False, 404, Outcome.REFUSED, None),
        (answering("429 Too Many Requests"), True, 429, Outcome.UNAVAILABLE, "status 429"),
        (answering("500 Oh"), True, 500, Outcome.UNKNOWN, "status 500"),
        (answering("503 Oh"), False, 503, Outcome.UNAVAILABLE, "status 503"),
        (answering(body=b"no JSON"), True, 200, Outcome.UNKNOWN, "unreadable answer"),
        (answering(body=b"no JSON"), False, 200, Outcome.UNAVAILABLE, "unreadable answer"),
    ],
)
def test_it_is_told_how_a_call_ended(
    told: list[CallOut], behave: Behavior, moves_money: bool, status: int, outcome: Outcome, failure: str | None
) -> None:
    with serving(behave) as server:
        make(server.url, moves_money=moves_money)
    [call] = told
    assert (call.backend, call.operation, call.method, call.moves_money) == ("acme", "debit", "POST", moves_money)
    assert (call.status, call.outcome, call.failure) == (status, outcome, failure)


def test_a_call_that_was_not_sent_is_told_too(told: list[CallOut]) -> None:
    make(closed_port(), moves_money=True)
    make("http://127.0.0.1:1", moves_money=True, seconds=0)
    assert [call.outcome for call in told] == [Outcome.UNAVAILABLE] * 2
    assert [call.failure for call in told] == ["connection refused", "too little time left"]


def test_a_call_that_the_breaker_turned_away_is_told(told: list[CallOut]) -> None:
    backend = HttpBackend("acme", closed_port())
    for _ in range(FAILURES_TO_OPEN + 1):
        with pytest.raises(BackendUnavailable):
            backend.call("GET", "/cards", deadline=Deadline.after(0.03))
    assert told[-1].failure == "breaker open"
    assert len(told) == FAILURES_TO_OPEN + 1


def test_headers_of_who_watches_go_with_the_call() -> None:
    def name(call: CallOut) -> None:
        call.headers["traceparent"] = f"00-{call.operation}"

    calls.watch(before=name)
    try:
        with serving(answering()) as server:
            make(server.url)
            HttpBackend("acme", server.url).call("GET", "/cards", operation="search", deadline=Deadline.after(5))
    finally:
        calls.unwatch(name)
    debit, search = server.requests
    assert "\r\ntraceparent: 00-debit\r\n" in debit
    assert "\r\nContent-Type: application/json\r\n" in debit
    assert "\r\ntraceparent: 00-search\r\n" in search


def test_who_watches_twice_is_told_once(told: list[CallOut]) -> None:
    calls.watch(after=told.append)
    with serving(answering()) as server:
        make(server.url)
    assert len(told) == 1
