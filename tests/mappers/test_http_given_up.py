"""A request that is given up is cut off at the socket: the system does not go on delivering it after the deadline."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from ssl import SSLContext

import pytest
import trustme

from mappers.base import OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import HttpBackend, client
from tests.mappers.servers import Line, Server, answering, serving

# More than the server's system takes without its reading, and less than what ours keeps to be sent.
BODY = "x" * 300_000
LITTLE = 4096


@pytest.fixture(autouse=True)
def writes_may_start_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MINIMUM_WRITE_SECONDS", 0.01)


class LateReader:
    """A server that reads nothing until it is asked, and then reads all there is."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.done = threading.Event()
        self.received = b""
        self.ended = ""

    def behave(self, line: Line, _: int) -> None:
        self.asked.wait(20)
        try:
            # Below TLS, where a reset would pass for an end.
            while data := socket.socket.recv(line.connection, 65536):
                self.received += data
            self.ended = "closed"
        except ConnectionResetError:
            self.ended = "reset"
        self.done.set()

    def read_all(self) -> None:
        self.asked.set()
        assert self.done.wait(20)


@pytest.fixture
def reader() -> LateReader:
    return LateReader()


@pytest.fixture
def server(reader: LateReader) -> Iterator[Server]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = Server(reader.behave, listener=listener)
    yield server
    reader.asked.set()
    server.close()


def give_up(backend: HttpBackend, body: str, seconds: float = 0.4) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        backend.call("POST", "/debits", deadline=Deadline.after(seconds), body=body, moves_money=True)
    assert not caught.value.answered


def test_what_the_system_had_still_to_deliver_is_dropped(server: Server, reader: LateReader) -> None:
    give_up(HttpBackend("acme", server.url), BODY)
    reader.read_all()
    assert reader.ended == "reset"
    assert len(reader.received) < len(BODY)


def test_a_request_that_arrived_and_was_not_read_ends_with_a_reset(server: Server, reader: LateReader) -> None:
    """Whoever reads it then can tell that nobody waits for the answer."""
    give_up(HttpBackend("acme", server.url), "little")
    reader.read_all()
    assert reader.ended == "reset"


def test_a_request_given_up_over_tls_is_cut_off_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context: SSLContext = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    reader = LateReader()
    with serving(reader.behave, context) as server:
        give_up(HttpBackend("acme", server.url), "little", seconds=1.5)
        reader.read_all()
    assert reader.ended == "reset"


@pytest.mark.parametrize("kept", [False, True], ids=["a new connection", "a kept connection"])
def test_an_answer_given_up_in_the_middle_is_cut_off(kept: bool) -> None:
    ended: list[str] = []

    def behave(line: Line, _: int) -> None:
        if kept:
            line.receive()
            line.answer()
        line.receive()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        try:
            ended.append("data" if line.connection.recv(10) else "closed")
        except ConnectionResetError:
            ended.append("reset")

    with serving(behave) as server:
        backend = HttpBackend("acme", server.url)
        if kept:
            backend.call("GET", "/cards", deadline=Deadline.after(5))
        give_up(backend, "little")
    assert (ended, server.connections) == (["reset"], 1)


def test_a_connection_that_was_kept_is_not_touched() -> None:
    """Others go on with theirs after a request was given up."""
    hangs = threading.Event()

    def behave(line: Line, number: int) -> None:
        if number == 2:
            hangs.set()
            line.hang()
        answering()(line, number)

    with serving(behave) as server:
        backend = HttpBackend("acme", server.url)
        connections = backend._connections
        request = connections._request("GET", server.url, {}, None)
        with connections.adapter(server.url).send(request, stream=True) as first:
            give_up(backend, "little")
            assert first.content == b"{}"
        assert hangs.is_set()
        for _ in range(2):
            backend.call("GET", "/cards", deadline=Deadline.after(5))
    assert server.connections == 2
