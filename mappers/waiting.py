"""Sockets that call the system as seldom as they can while they keep a timeout.

A thread that calls the system lets the others run, and queues for its turn afterwards. With a timeout, Python's own
socket calls it twice for each piece: to wait, and then to read or send. Setting that timeout is one more such call.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import time


def limit(connection: socket.socket, option: int, seconds: float | None) -> None:
    """Have the system end what a blocking socket waits for (SO_RCVTIMEO, SO_SNDTIMEO): then BlockingIOError is raised.

    Not for TLS, which would begin again.
    """
    microseconds = 0 if seconds is None else max(1, int(seconds * 1_000_000))  # to the system 0 means without end
    connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", *divmod(microseconds, 1_000_000)))


def wait(connection: socket.socket, event: int, until: float) -> None:
    """Wait for a connection until a moment of the monotonic clock, or without end. Raises TimeoutError."""
    left = until - time.monotonic()
    poll = select.poll()
    poll.register(connection, event)
    if left <= 0 or not poll.poll(None if left == math.inf else left * 1000):
        raise TimeoutError("the other side took too long")
