"""The client of Redis repeats no command by itself."""

from __future__ import annotations

import socket
import threading

import pytest

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from tests.ledger.system import System


class LosingProxy:
    """Stands before Redis and hangs up instead of passing on the answer to INCRBY."""

    def __init__(self, path: str) -> None:
        self._path = path
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
                        break
                    client.sendall(answer)
                else:
                    return

    def close(self) -> None:
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
