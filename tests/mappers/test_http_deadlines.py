"""The HTTP client ends every call at its deadline, however the backend is slow, with and without TLS."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path
from ssl import SSLContext

import pytest
import trustme
from trustme import CA

from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import HttpBackend, client
from tests.mappers.servers import Behavior, Line, answering, read, serving, write

# What a test allows on top of a deadline: generous, since the cores may be busy, but far below a hang's own end.
SLACK_SECONDS = 2.0


@pytest.fixture(autouse=True)
def writes_may_start_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MINIMUM_WRITE_SECONDS", 0.01)


@pytest.fixture(scope="module")
def authority() -> CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SSLContext:
    """The server's side of TLS, its authority trusted by backends built in this test."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_many_threads_share_one_backend_and_each_keeps_its_own_deadline() -> None:
    def behave(line: Line, _: int) -> None:
        request = line.receive()
        if request is not None and b"/slow" in request:
            line.hang()
        line.answer()

    outcomes: list[int | str] = []

    def call(backend: HttpBackend, path: str, seconds: float) -> None:
        try:
            outcomes.append(backend.call("GET", path, deadline=Deadline.after(seconds)).status)
        except BackendUnavailable:
            outcomes.append("late")

    with serving(behave) as server:
        backend = HttpBackend("acme", server.url)
        calls = [("/slow", 0.3), ("/fast", 10.0)] * 4
        threads = [threading.Thread(target=call, args=(backend, *arguments)) for arguments in calls]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 0.3 + SLACK_SECONDS
    assert sorted(map(str, outcomes)) == ["200"] * 4 + ["late"] * 4


def drip_headers(line: Line, _: int) -> None:
    line.receive()
    line.send(b"HTTP/1.1 200 OK\r\n")
    line.drip(b"X-Drip: 1\r\n")


def drip_body(line: Line, _: int) -> None:
    line.receive()
    line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    line.drip(b" ")


def hang(line: Line, _: int) -> None:
    line.receive()
    line.hang()


SLOWNESS = pytest.mark.parametrize("behave", [drip_headers, drip_body, hang])


@SLOWNESS
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_slow_read_ends_at_the_deadline(behave: Behavior, secure: bool, request: pytest.FixtureRequest) -> None:
    with serving(behave, request.getfixturevalue("tls") if secure else None) as server:
        started = time.monotonic()
        with pytest.raises(BackendUnavailable):
            read(server.url, 0.4)
        assert time.monotonic() - started < 0.4 + SLACK_SECONDS


@SLOWNESS
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_slow_write_ends_at_the_deadline_unknown_and_unanswered(
    behave: Behavior, secure: bool, request: pytest.FixtureRequest
) -> None:
    with serving(behave, request.getfixturevalue("tls") if secure else None) as server:
        # On busy cores a handshake takes its time as well, and before it nothing is sent.
        seconds = 1.5 if secure else 0.4
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            write(server.url, seconds)
        assert time.monotonic() - started < seconds + SLACK_SECONDS
    assert not caught.value.answered
    assert len(server.requests) == 1


def test_a_request_that_the_server_does_not_read_ends_at_the_deadline() -> None:
    with serving(lambda line, _: line.hang()) as server:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            HttpBackend("acme", server.url).call(
                "POST", "/x", deadline=Deadline.after(1.5), body="x" * 12_000_000, moves_money=True
            )
        assert time.monotonic() - started < 1.5 + SLACK_SECONDS


def test_a_tls_handshake_that_hangs_was_never_sent() -> None:
    with serving(lambda line, _: line.hang()) as server:
        started = time.monotonic()
        with pytest.raises(BackendUnavailable):
            write(server.url.replace("http://127.0.0.1", "https://localhost"), 0.4)
        assert time.monotonic() - started < 0.4 + SLACK_SECONDS


def test_an_unknown_authority_is_refused_before_anything_is_sent(authority: CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(answering(), context) as server, pytest.raises(BackendUnavailable, match="certificate verify failed"):
        write(server.url)
    assert server.requests == []


def test_a_certificate_for_another_host_is_refused(tls: SSLContext, authority: CA) -> None:
    authority.issue_cert("other.example").configure_cert(tls)
    with serving(answering(), tls) as server, pytest.raises(BackendUnavailable, match="certificate verify failed"):
        write(server.url)
    assert server.requests == []


def test_tls_connections_are_kept_too(tls: SSLContext) -> None:
    with serving(answering(), tls) as server:
        backend = HttpBackend("acme", server.url)
        for _ in range(3):
            backend.call("GET", "/x", deadline=Deadline.after(5))
    assert (server.connections, len(server.requests)) == (1, 3)
