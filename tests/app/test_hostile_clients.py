"""Clients that are slow or idle, that do not hang up, or whose requests are no HTTP: real sockets, real gunicorn."""

from __future__ import annotations

import re
import resource
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from app import open_files
from app.server.worker import BUFFERED_BYTES

from .commands import HEADERS, MODULE, Command, ask, serving

OPEN_FILES = 200

CREDENTIALS = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
SEARCH = "POST /acme/giftcards/_search HTTP/1.1\r\nHost: x\r\n"

# What is sent at once, and then now and then; whoever sends no end of it waits for nothing.
SLOW = {
    "nothing": ("", ""),
    "one byte": ("G", ""),
    "a header now and then": ("GET /health HTTP/1.1\r\n", "X: y\r\n"),
    "no body": (f"{SEARCH}{CREDENTIALS}Content-Length: 500\r\n\r\n", ""),
    "a body a byte at a time": (f"{SEARCH}{CREDENTIALS}Content-Length: 500\r\n\r\n", " "),
    "a long body of a stranger": (f"{SEARCH}Content-Length: 1000000000\r\n\r\n{{", " "),
    "chunks of a stranger": (f"{SEARCH}Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
}


@contextmanager
def clients(port: int, number: int, first: str) -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(number)]
        for one in sockets:
            one.sendall(first.encode())
        yield sockets


def left_by(one: socket.socket) -> bool:
    """Wait until the service has hung up."""
    try:
        while one.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, int]]:
    with serving(tmp_path_factory.mktemp("hostile"), THREADS="2", REQUEST_TIMEOUT_SECONDS="60") as started:
        yield started


@pytest.fixture
def service(running: tuple[Command, int]) -> int:
    return running[1]


@pytest.mark.parametrize("kind", SLOW)
def test_a_slow_client_keeps_no_thread(service: int, kind: str) -> None:
    first, more = SLOW[kind]
    with clients(service, 12, first) as sockets:
        for _ in range(3):
            for one in sockets if more else ():
                one.sendall(more.encode())
            assert ask(service, "GET", "/health")[0] == 200


def test_a_client_that_does_not_hang_up_stops_nobody(service: int) -> None:
    with clients(service, 40, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as sockets:
        assert all(select.select([one], [], [], 30)[0] for one in sockets)
        assert ask(service, "GET", "/health", seconds=20)[0] == 200


def test_one_that_is_too_slow_is_hung_up_on(tmp_path: Path) -> None:
    with serving(tmp_path, THREADS="2", REQUEST_TIMEOUT_SECONDS="1") as (_, port), ExitStack() as opened:
        waiting = [one for first, _ in SLOW.values() for one in opened.enter_context(clients(port, 2, first))]
        assert all(left_by(one) for one in waiting)
        body = "x" * BUFFERED_BYTES
        for one in opened.enter_context(clients(port, 2, f"{SEARCH}{CREDENTIALS}Content-Length: 200000\r\n\r\n{body}")):
            assert one.recv(65536).startswith(b"HTTP/1.1 400 ")
            assert left_by(one)


def test_a_request_that_comes_in_pieces_or_before_the_last_is_answered_is_served(service: int) -> None:
    wanted = f"{SEARCH}{CREDENTIALS}Content-Length: 2\r\n\r\n{{}}"
    with clients(service, 1, wanted * 2 + wanted[:9]) as (one,):
        for piece in (wanted[9:99], wanted[99:-1], wanted[-1:]):
            one.sendall(piece.encode())
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 3:
            assert select.select([one], [], [], 30)[0]
            received += one.recv(65536)


def test_headers_without_end_are_refused(service: int) -> None:
    with clients(service, 1, "GET /health HTTP/1.1\r\n") as (one,):
        one.sendall(b"X: y\r\n" * 20_000)
        assert one.recv(65536).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("first", ["", "G", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["silent", "slow", "idle"])
def test_more_connections_than_files_kill_no_worker_and_keep_nobody_out(tmp_path: Path, first: str) -> None:
    limited = ("sh", "-c", 'ulimit -n "$0" && exec "$@"', str(OPEN_FILES), *MODULE)
    settings = {"THREADS": "4", "REQUEST_TIMEOUT_SECONDS": "60"}
    with serving(tmp_path, program=limited, **settings) as (command, port):
        workers = command.family("app.server.workers")
        with clients(port, 2 * OPEN_FILES, first):
            assert [ask(port, "GET", "/health")[0] for _ in range(5)] == [200] * 5
        assert command.family("app.server.workers") == workers
    assert "Traceback" not in command.output


def test_who_came_just_now_stays_while_others_have_been_idle_for_longer(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -n "$0" && exec "$@"', str(OPEN_FILES), *MODULE)
    settings = {"THREADS": "4", "WORKERS": "1", "REQUEST_TIMEOUT_SECONDS": "60"}
    with (
        serving(tmp_path, program=limited, **settings) as (_, port),
        clients(port, OPEN_FILES, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n") as others,
    ):
        # They are idle once they were answered, or had to make room.
        for other in others:
            with suppress(ConnectionResetError):
                other.recv(65536)
        with clients(port, 1, "") as (late,):
            assert [ask(port, "GET", "/health")[0] for _ in range(20)] == [200] * 20
            late.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert late.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_the_service_raises_the_limit_of_open_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with serving(tmp_path) as (command, _):
            found = {resource.prlimit(process, resource.RLIMIT_NOFILE)[0] for process in command.family()}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == {min(hard, open_files.WANTED)}


def answers(port: int, request: str | bytes) -> list[int]:
    """Send it, say that nothing more comes, and return the statuses of all answers."""
    with socket.create_connection(("127.0.0.1", port), 30) as one:
        one.sendall(request.encode() if isinstance(request, str) else request)
        one.shutdown(socket.SHUT_WR)
        received = b""
        with suppress(ConnectionResetError):
            while piece := one.recv(65536):
                received += piece
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)]


TRANSACTIONS = "/acme/giftcards/1001/transactions"
DEBIT = '{"operation": "Debit", "value": 1.0, "requestId": "hostile"}'
POST = f"POST {TRANSACTIONS} HTTP/1.1\r\nHost: x\r\n{CREDENTIALS}"


def test_half_a_body_moves_nothing(service: int) -> None:
    assert answers(service, f"{POST}Content-Length: 500\r\n\r\n{DEBIT}") == [400]
    assert ask(service, "GET", TRANSACTIONS) == (200, "[]")


@pytest.mark.parametrize(
    "chunks",
    [
        f"ZZ\r\n{DEBIT}\r\n0\r\n\r\n",
        f"-5\r\n{DEBIT}\r\n0\r\n\r\n",
        f"0x3b\r\n{DEBIT}\r\n0\r\n\r\n",
        f"{len(DEBIT):x}\r\n{DEBIT}0\r\n\r\n",
        f"{len(DEBIT):x};=\r\n{DEBIT}\r\n0\r\n\r\n",
        f"{len(DEBIT):x}\r\n{DEBIT}\r\n",
        f"{len(DEBIT):x}\r\n{DEBIT}\r\n0\r\nhostile",
        '1\r\n{\r\n  "redemptionCode": "hostile"\r\n}\r\n0\r\n\r\n',
        "9" * 10_000,
    ],
)
@pytest.mark.parametrize("credentials", [CREDENTIALS, ""], ids=["provider", "stranger"])
def test_bad_chunks_are_refused_and_not_logged(running: tuple[Command, int], credentials: str, chunks: str) -> None:
    command, port = running
    request = f"POST {TRANSACTIONS} HTTP/1.1\r\nHost: x\r\n{credentials}Transfer-Encoding: chunked\r\n\r\n{chunks}"
    assert answers(port, request) == [400 if credentials else 401]
    assert ask(port, "GET", TRANSACTIONS) == (200, "[]")
    assert "hostile" not in command.output.replace(str(command.path), "")
    assert "Traceback" not in command.output


@pytest.mark.parametrize("name", ["/zzz", "/acme"])
def test_no_client_says_where_the_service_is_mounted(service: int, name: str) -> None:
    assert answers(service, f"GET /health HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: {name}\r\n\r\n") == [200]
    assert answers(service, f"GET {name}/health HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: {name}\r\n\r\n") != [200]


SECOND = f"GET {TRANSACTIONS} HTTP/1.1\r\nHost: x\r\n{CREDENTIALS}\r\n"


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: \u0665",
        "Content-Length:",
    ],
)
def test_no_second_request_hides_in_a_first(service: int, lengths: str) -> None:
    """Where two servers would see its end in two places, it is refused, and nothing after it is read."""
    (status,) = answers(service, f"{POST}{lengths}\r\n\r\n0\r\n\r\n{SECOND}")
    assert status in (400, 501)


@pytest.mark.long
def test_whatever_bytes_come_the_service_answers_the_next(running: tuple[Command, int]) -> None:
    """Good requests with bytes that were changed, cut out or doubled, from one seed: no fault and no dead worker."""
    command, port = running
    chunked = f"{POST}Transfer-Encoding: chunked\r\n\r\n{len(DEBIT):x}\r\n{DEBIT}\r\n0\r\n\r\n"
    good = [one.encode() for one in (SECOND, f"{POST}Content-Length: {len(DEBIT)}\r\n\r\n{DEBIT}", chunked)]
    random = Random(1)
    workers = command.family("app.server.workers")
    for _ in range(3_000):
        request = bytearray(random.choice(good))
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(request))
            request[at : at + random.randint(0, 3)] = random.choice(
                (b"", b"\r\n", b"\0", b":", b"\xff", bytes([random.randrange(256)]), bytes(request[at : at + 40]))
            )
        assert all(status < 500 or status in (501, 505) for status in answers(port, bytes(request))), bytes(request)
    assert ask(port, "GET", "/health")[0] == 200
    assert command.family("app.server.workers") == workers
    assert "Traceback" not in command.output
