"""A client's connection: what it sends in one piece, and for how long it waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.server.client_socket import PIECE_BYTES, ClientSocket


@pytest.fixture
def pair() -> Iterator[tuple[ClientSocket, socket.socket]]:
    """A connection, and the client at its other end."""
    accepted, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ClientSocket(accepted) as connection, client:
        client.settimeout(30)
        yield connection, client


def test_the_head_and_the_body_of_an_answer_leave_in_one_piece(pair: tuple[ClientSocket, socket.socket]) -> None:
    connection, client = pair  # of packets: each piece that is sent is read as one
    connection.sendall(b"head ")
    connection.sendall(b"body")
    connection.flush()
    assert client.recv(100) == b"head body"


def test_a_piece_of_a_long_answer_does_not_wait_for_its_end(pair: tuple[ClientSocket, socket.socket]) -> None:
    connection, client = pair
    connection.sendall(b"x" * PIECE_BYTES)
    assert len(client.recv(2 * PIECE_BYTES)) == PIECE_BYTES


@pytest.fixture
def stream() -> Iterator[tuple[ClientSocket, socket.socket]]:
    accepted, client = socket.socketpair()
    with ClientSocket(accepted) as connection, client:
        yield connection, client


def test_a_file_comes_after_what_was_sent_before(stream: tuple[ClientSocket, socket.socket], tmp_path: Path) -> None:
    connection, client = stream
    (tmp_path / "page.css").write_bytes(b"the file")
    connection.settimeout(30)
    connection.sendall(b"head, ")
    with (tmp_path / "page.css").open("rb") as file:
        connection.sendfile(file, count=len(b"the file"))
    connection.flush()
    connection.shutdown(socket.SHUT_WR)
    with client.makefile("rb") as received:
        assert received.read() == b"head, the file"


def test_a_client_that_reads_later_gets_all_of_a_long_answer(stream: tuple[ClientSocket, socket.socket]) -> None:
    connection, client = stream
    long, read = b"0123456789" * 200_000, bytearray()

    def read_all() -> None:
        while piece := client.recv(1000):
            read.extend(piece)

    reader = threading.Thread(target=read_all)
    reader.start()
    connection.settimeout(30)
    connection.sendall(long)
    connection.flush()
    connection.shutdown(socket.SHUT_WR)
    reader.join(30)
    assert bytes(read) == long


def test_a_client_that_does_not_read_is_given_up(stream: tuple[ClientSocket, socket.socket]) -> None:
    connection, _ = stream
    connection.settimeout(0.01)
    with pytest.raises(TimeoutError):
        connection.sendall(b"x" * 10_000_000)


def test_a_client_that_sends_nothing_is_given_up(stream: tuple[ClientSocket, socket.socket]) -> None:
    connection, _ = stream
    connection.settimeout(0.01)
    with pytest.raises(TimeoutError):
        connection.recv(1)


def test_the_poller_waits_for_nobody(stream: tuple[ClientSocket, socket.socket]) -> None:
    connection, _ = stream
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.recv(1)
    with pytest.raises(BlockingIOError):
        connection.sendall(b"x" * 10_000_000)


def test_what_has_come_is_read(stream: tuple[ClientSocket, socket.socket]) -> None:
    connection, client = stream
    connection.setblocking(True)
    client.sendall(b"here")
    assert connection.recv(10) == b"here"
