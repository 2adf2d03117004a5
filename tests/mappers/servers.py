"""Hand-written servers on loopback that misbehave exactly as told, and the calls made to them."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext
from typing import Any

from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend

# What a server does with each connection; the second argument counts them from 1.
Behavior = Callable[["Line", int], object]


class Line:
    """One accepted connection."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self.server = server
        self.connection = connection
        self.buffer = b""

    def receive(self) -> bytes | None:
        """Return the next whole request, None when the client has left."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        while len(rest) < length:
            if not self._more():
                return None
            rest = self.buffer.partition(b"\r\n\r\n")[2]
        self.buffer = rest[length:]
        request = head + b"\r\n\r\n" + rest[:length]
        self.server.requests.append(request.decode())
        return request

    def _more(self) -> bool:
        received = self.connection.recv(65536)
        self.buffer += received
        return bool(received)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self, status: str = "200 OK", body: bytes = b"{}", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def drip(self, data: bytes) -> None:
        """Send `data` again and again, a byte at a time, until the client or the test leaves."""
        while not self.server.over.is_set():
            for byte in data:
                self.send(bytes([byte]))
                self.server.over.wait(0.02)

    def hang(self) -> None:
        self.server.over.wait(30)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Server:
    """Runs `behave(line, number)` for each connection; `requests` are those it read, whole."""

    def __init__(self, behave: Behavior, tls: SSLContext | None = None, listener: socket.socket | None = None) -> None:
        self.behave = behave
        self.tls = tls
        self.requests: list[str] = []
        self.connections = 0
        self.over = threading.Event()
        self.accepted: list[socket.socket] = []
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://{'localhost' if tls else '127.0.0.1'}:{self.listener.getsockname()[1]}/base"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.over.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, self.connections))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.settimeout(20)
        with connection, suppress(OSError):  # the client leaves in the middle, as it should
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.accepted.append(connection)
            with connection:
                self.behave(Line(self, connection), number)

    def close(self) -> None:
        self.over.set()
        socket.create_connection(self.listener.getsockname()).close()
        self.threads[0].join(20)
        self.listener.close()
        for connection in self.accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(20)


@contextmanager
def serving(behave: Behavior, tls: SSLContext | None = None) -> Iterator[Server]:
    server = Server(behave, tls)
    try:
        yield server
    finally:
        server.close()


def answering(status: str = "200 OK", body: bytes = b"{}", *headers: str) -> Behavior:
    """Behave well: give every request the same answer."""

    def behave(line: Line, _: int) -> None:
        while line.receive():
            line.answer(status, body, *headers)

    return behave


def closed_port() -> str:
    """Return the URL of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def read(url: str, seconds: float = 5.0, **arguments: Any) -> Answer:
    """Make a call that moves no money."""
    return HttpBackend("acme", url).call("GET", "/cards", deadline=Deadline.after(seconds), **arguments)


def write(url: str, seconds: float = 5.0, **arguments: Any) -> Answer:
    """Make a call that moves money."""
    deadline = Deadline.after(seconds)
    return HttpBackend("acme", url).call("POST", "/debits", deadline=deadline, moves_money=True, **arguments)
