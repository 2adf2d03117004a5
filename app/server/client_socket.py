"""A client's connection that asks the system before it waits, and sends an answer in one piece.

A thread that calls the system lets the others run, and queues for its turn afterwards. With a timeout, Python's own
socket calls it twice for each piece that it reads or sends, and once more wherever gunicorn changes the socket's mode:
six times a request.
"""

from __future__ import annotations

import math
import select
import socket
import time
from typing import TYPE_CHECKING, Any

from mappers.waiting import wait

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Of a long answer so much is sent at once.
PIECE_BYTES = 64 * 1024


class ClientSocket(socket.socket):
    """The system never blocks it: it waits by itself, where it must and may."""

    def __init__(self, accepted: socket.socket) -> None:
        """Take over a connection that was accepted."""
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        super().setblocking(False)
        self._timeout_seconds: float | None = None
        self._held = bytearray()

    # gunicorn sets what a socket may wait; here that is a note, and no call of the system.

    def gettimeout(self) -> float | None:
        return self._timeout_seconds

    def settimeout(self, seconds: float | None, /) -> None:
        self._timeout_seconds = seconds

    def setblocking(self, flag: bool, /) -> None:
        self._timeout_seconds = None if flag else 0.0

    def recv(self, most_bytes: int, flags: int = 0, /) -> bytes:
        until = self._until()
        while True:
            try:
                return super().recv(most_bytes, flags)
            except BlockingIOError:
                self._wait(select.POLLIN, until)

    def sendall(self, data: ReadableBuffer, _flags: int = 0, /) -> None:
        """Have it sent: at once where there is a piece of it, else with `flush`."""
        self._held += data
        if len(self._held) >= PIECE_BYTES:
            self.flush()

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file after what is left to be sent: the head of its answer."""
        self.flush()
        return super().sendfile(file, offset, count)

    def flush(self) -> None:
        """Send what is left to be sent. Raises OSError."""
        left, until = memoryview(self._held), self._until()
        self._held = bytearray()
        while left:
            try:
                left = left[self.send(left) :]
            except BlockingIOError:
                self._wait(select.POLLOUT, until)

    def _until(self) -> float:
        return math.inf if self._timeout_seconds is None else time.monotonic() + self._timeout_seconds

    def _wait(self, event: int, until: float) -> None:
        """Wait for the client. Raises BlockingIOError where it may not wait, TimeoutError where it did."""
        if self._timeout_seconds == 0.0:
            raise BlockingIOError
        wait(self, event, until)
