"""The client of Redis repeats no command by itself, and waits no longer than it may, with few calls of the system."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest
import redis

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from bench.system_calls import system_calls
from tests.ledger.system import System


class LosingProxy:
    """Stands before Redis and hangs up instead of passing on the answer to INCRBY; or falls silent there."""

    def __init__(self, path: str, *, silent: bool = False) -> None:
        self._path = path
        self._silent = silent
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client, socket.socket(socket.AF_UNIX) as storage:
                storage.connect(self._path)
                while data := client.recv(65536):
                    storage.sendall(data)
                    answer = storage.recv(65536)
                    if b"INCRBY" in data:
                        self.over.wait(30 if self._silent else 0)
                        break
                    client.sendall(answer)
                else:
                    return

    def close(self) -> None:
        self.over.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()


def test_a_command_whose_answer_is_lost_is_not_repeated(redis_url: str, system: System) -> None:
    proxy = LosingProxy(redis_url.removeprefix("unix://"))
    connection = Connection.to(proxy.url, timeout_seconds=5, connections=1)
    try:
        with pytest.raises(LedgerUnavailable):
            connection.call(lambda client: client.incrby("counter", 300))
    finally:
        connection.close()
        proxy.close()
    assert system.connection.call(lambda client: client.get("counter")) == "300"


def increment(client: redis.Redis) -> int:
    return int(client.incrby("counter", 1))


def send_more_than_fits(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.incrby("counter", 1)
        for number in range(64):
            pipeline.set(f"piece-{number}", "x" * 1_000_000)
        pipeline.execute()


@pytest.mark.parametrize("command", [increment, send_more_than_fits])
def test_a_silent_redis_is_waited_for_no_longer_than_the_timeout(
    redis_url: str, command: Callable[[redis.Redis], object]
) -> None:
    proxy = LosingProxy(redis_url.removeprefix("unix://"), silent=True)
    connection = Connection.to(proxy.url, timeout_seconds=1, connections=1)
    try:
        started = time.monotonic()
        with pytest.raises(LedgerUnavailable):
            connection.call(command)
        assert time.monotonic() - started < 10
    finally:
        connection.close()
        proxy.close()


def test_a_command_asks_for_a_hang_up_then_sends_and_receives(redis_url: str, system: System) -> None:
    connection = Connection.to(redis_url, timeout_seconds=5, connections=1)
    connection.now_milliseconds()
    with system_calls() as called:
        connection.now_milliseconds()
    connection.close()
    assert called == ["poll", "sendall", "recv_into"]
