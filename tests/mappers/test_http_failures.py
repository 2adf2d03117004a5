"""The HTTP client: what a call that failed can have done, which are repeated, and what is never told about them."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend, calls, client
from mappers.http.breaker import FAILURES_TO_OPEN
from mappers.http.calls import CallOut
from tests.mappers.servers import Line, Server, answering, closed_port, read, serving, write


@pytest.mark.parametrize("call", [read, write])
def test_a_refused_connection_is_tried_again_then_unavailable(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("mappers.http.client.time.sleep", pauses.append)
    with pytest.raises(BackendUnavailable):
        call(closed_port())
    assert pauses == [client.RETRY_PAUSE_SECONDS] * client.CONNECT_RETRIES


def test_a_call_that_fails_while_another_failure_is_handled_tells_its_own_reason() -> None:
    """The other one may have been raised for this one before: whoever followed both would never come to an end."""
    try:
        raise LookupError from KeyError("earlier")
    except LookupError:
        with pytest.raises(BackendUnavailable, match="connection refused"):
            read(closed_port())


def test_a_write_goes_through_when_a_refusing_backend_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # bound, and not listening yet: connections are refused
    started = []

    def come_back(_: float) -> None:
        listener.listen()
        started.append(Server(answering(), listener=listener))

    monkeypatch.setattr("mappers.http.client.time.sleep", come_back)
    try:
        answer = write(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        started[0].close()
    assert (answer.status, len(started[0].requests)) == (200, 1)


@pytest.mark.parametrize("call", [read, write])
@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_what_is_no_host_name_is_unavailable(call: Callable[..., Answer], host: str) -> None:
    with pytest.raises(BackendUnavailable, match="no name of a host"):
        call(f"https://{host}")


def test_a_host_name_that_cannot_be_looked_up_is_unavailable_even_for_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str | int, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(BackendUnavailable):
        write("https://no-such-host.invalid")


def test_a_write_reset_after_it_was_sent_is_unknown_and_sent_once() -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        line.reset()

    with serving(behave) as server, pytest.raises(OutcomeUnknown) as caught:
        write(server.url)
    assert (caught.value.answered, len(server.requests)) == (False, 1)


def test_an_answer_cut_short_leaves_a_write_unknown() -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        line.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":1}')

    with serving(behave) as server, pytest.raises(OutcomeUnknown):
        write(server.url)


def broken(kind: str) -> Callable[[Line], object]:
    behaviors: dict[str, Callable[[Line], object]] = {
        "reset": lambda line: line.reset(),
        "moved": lambda line: line.answer("307 Temporary Redirect", b"", "Location: /elsewhere"),
        "failed": lambda line: line.answer("500 Internal Server Error"),
        "gateway": lambda line: line.answer("502 Bad Gateway", b"<html>"),
        "timed out": lambda line: line.answer("408 Request Timeout"),
        "origin timed out": lambda line: line.answer("524 A Timeout Occurred", b"<html>"),
        "proxy timed out": lambda line: line.answer("599 Network Connect Timeout Error"),
        "junk": lambda line: line.answer("200 OK", b"<html>"),
        "not a number": lambda line: line.answer("200 OK", b'{"balance":NaN}'),
        "endless number": lambda line: line.answer("200 OK", b"1e99999999999999999999"),
        "deep": lambda line: line.answer("200 OK", b"[" * 100_000),
        "not text": lambda line: line.answer("200 OK", b'"\xff"'),
        "huge": lambda line: line.answer("200 OK", b'"' + b"x" * 2**20 + b'"'),
        "not HTTP": lambda line: line.send(b"SSH-2.0-OpenSSH\r\n"),
    }
    return behaviors[kind]


ANSWERED = [
    "moved",
    "failed",
    "gateway",
    "timed out",
    "origin timed out",
    "proxy timed out",
    "junk",
    "not a number",
    "endless number",
    "deep",
    "not text",
    "huge",
]

# What stands between may say these when it gave up waiting for the backend.
GATEWAYS = ["gateway", "timed out", "origin timed out", "proxy timed out"]


@pytest.mark.parametrize("kind", [*ANSWERED, "reset", "not HTTP"])
def test_a_read_that_fails_once_is_repeated(kind: str) -> None:
    def behave(line: Line, number: int) -> None:
        while line.receive():
            if number == 1:
                broken(kind)(line)
                return
            line.answer("200 OK", b"1")

    with serving(behave) as server:
        assert read(server.url).body == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", [*ANSWERED, "reset", "not HTTP"])
def test_a_read_that_fails_twice_is_unavailable(kind: str) -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        broken(kind)(line)

    with serving(behave) as server, pytest.raises(BackendUnavailable):
        read(server.url)
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", sorted(set(ANSWERED) - set(GATEWAYS)))
def test_a_write_answered_without_a_result_is_unknown_but_answered_and_sent_once(kind: str) -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        broken(kind)(line)

    with serving(behave) as server, pytest.raises(OutcomeUnknown) as caught:
        write(server.url)
    assert (caught.value.answered, len(server.requests)) == (True, 1)


@pytest.mark.parametrize("kind", GATEWAYS)
def test_a_gateway_that_gave_up_is_no_answer_and_the_write_is_sent_once(kind: str) -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        broken(kind)(line)

    with serving(behave) as server, pytest.raises(OutcomeUnknown) as caught:
        write(server.url)
    assert (caught.value.answered, len(server.requests)) == (False, 1)


@pytest.mark.parametrize("status", ["408 Request Timeout", "502 Bad Gateway", "503 Unavailable", "504 Gateway Timeout"])
def test_a_gateway_error_is_not_an_answer_of_the_backend(status: str) -> None:
    """The backend may still be at it: taken for its answer, the write is told again too early, and done twice."""
    with serving(answering(status)) as server, pytest.raises(OutcomeUnknown) as caught:
        write(server.url)
    assert not caught.value.answered


# With how many seconds they leave; the last two are no moments.
DATES = [
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ("Fri, 31 Dec 9999 23:59:59 -0100", None),
    ("Fri, 31 Dec 2026 23:59:59 +99999999999999", None),
]


@pytest.mark.parametrize("call", [read, write])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), *DATES])
def test_too_many_requests_is_unavailable_until_the_backend_says_and_is_not_repeated(
    call: Callable[..., Answer], header: str, seconds: float | None
) -> None:
    behave = answering("429 Too Many Requests", b"", f"Retry-After: {header}")
    with serving(behave) as server, pytest.raises(BackendUnavailable) as caught:
        call(server.url)
    assert (caught.value.retry_after_seconds, len(server.requests)) == (seconds, 1)


@pytest.mark.parametrize(("call", "seconds"), [(read, 0.0), (write, 0.3)])
def test_a_call_without_enough_time_left_is_not_started(
    call: Callable[..., Answer], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MINIMUM_WRITE_SECONDS", 0.5)
    with serving(answering()) as server, pytest.raises(BackendUnavailable, match="not asked"):
        call(server.url, seconds)
    assert server.connections == 0


# The breaker


def fail_until_open(backend: HttpBackend, **arguments: Any) -> None:
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(OutcomeUnknown):
            backend.call("POST", "/x", deadline=Deadline.after(5), moves_money=True, **arguments)


def test_a_failing_operation_is_not_asked_again_for_a_while() -> None:
    with serving(answering("500 Internal Server Error")) as server:
        backend = HttpBackend("acme", server.url)
        fail_until_open(backend, operation="debit")
        with pytest.raises(BackendUnavailable, match=r"acme was not asked: failed 5 times in a row, next try in \d s"):
            backend.call("POST", "/x", deadline=Deadline.after(5), operation="debit", moves_money=True)
    assert len(server.requests) == FAILURES_TO_OPEN


def test_other_operations_and_calls_without_breaker_are_asked_all_the_same() -> None:
    with serving(answering("500 Internal Server Error")) as server:
        backend = HttpBackend("acme", server.url)
        fail_until_open(backend, operation="debit")
        for arguments in ({"operation": "hold"}, {"operation": "debit", "breaker": False}):
            with pytest.raises(OutcomeUnknown):
                backend.call("POST", "/x", deadline=Deadline.after(5), moves_money=True, **arguments)
    assert len(server.requests) == FAILURES_TO_OPEN + 2


@pytest.mark.parametrize("status", ["404 Not Found", "409 Conflict", "429 Too Many Requests"])
def test_refusals_never_open_the_breaker(status: str) -> None:
    with serving(answering(status)) as server:
        backend = HttpBackend("acme", server.url)
        for _ in range(2 * FAILURES_TO_OPEN):
            with suppress(BackendUnavailable):
                backend.call("POST", "/x", deadline=Deadline.after(5), moves_money=True)
    assert len(server.requests) == 2 * FAILURES_TO_OPEN


def test_refused_connections_open_the_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mappers.http.client.time.sleep", lambda _: None)
    backend = HttpBackend("acme", closed_port())
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(BackendUnavailable):
            backend.call("GET", "/x", deadline=Deadline.after(5))
    with pytest.raises(BackendUnavailable, match="not asked"):
        backend.call("GET", "/x", deadline=Deadline.after(5))


# Secrets


@pytest.mark.parametrize("kind", ["fine", "reset", "failed", "junk", "malformed headers", "refused connection"])
def test_no_path_query_body_or_credential_reaches_a_log_or_an_error(
    kind: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        if kind == "malformed headers":
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon here\r\n\r\n{}")
        elif kind == "fine":
            line.answer()
        else:
            broken(kind)(line)

    def tell(call: CallOut) -> None:
        logging.getLogger("test").info("%r", call)

    caplog.set_level(logging.DEBUG)
    calls.watch(after=tell)
    with serving(behave) as server:
        url = closed_port() if kind == "refused connection" else server.url
        backend = HttpBackend("acme", url, headers={"X-Key": "CANARY-1"}, basic_auth=("user", "CANARY-2"))
        try:
            backend.call(
                "POST",
                "/cards/CANARY-3",
                query={"code": "CANARY-4"},
                body={"code": "CANARY-5"},
                operation="debit",
                deadline=Deadline.after(5),
                moves_money=True,
            )
        except (BackendUnavailable, OutcomeUnknown):
            logging.getLogger("test").exception("the whole chain of causes")
    calls.unwatch(tell)
    captured = capfd.readouterr()
    logged = caplog.text + captured.out + captured.err
    assert "acme" in logged
    assert "debit" in logged
    assert "CANARY" not in logged
    assert "/cards" not in logged
