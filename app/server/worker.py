"""The gunicorn worker: a thread gets a request that has arrived, so that a slow client keeps none of them.

gunicorn's own gives a connection to a thread at its first byte, without a limit on the time for the rest, and waits in
the thread that accepts connections for clients that do not hang up. Here the poller collects the request first.
"""

from __future__ import annotations

import errno
import math
import re
import selectors
import socket
import time
from collections.abc import Callable
from concurrent import futures
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import ThreadWorker

from app.server.client_socket import ClientSocket
from app.settings import Settings

# Kept for each connection until the rest of its request has come. Of a longer body this much comes first: its thread
# waits for the rest, once the credentials were right.
BUFFERED_BYTES = 64 * 1024

# How long a client may take to hang up after the last answer; until then the system would cut that answer off.
LINGER_SECONDS = 2.0

RECEIVED_BYTES = 64 * 1024

HEAD_END = b"\r\n\r\n"
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

# Of a body in chunks nobody knows the length, and a client that expects a word first sends none before it.
_OPEN_END = re.compile(rb"\r\n(?:transfer-encoding|expect)[ \t]*:", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)


class Arrival:
    """What has come of a request so far; it may come until the moment `until`, of the monotonic clock."""

    def __init__(self, until: float, data: bytes = b"") -> None:
        self.until = until
        self.data = bytearray(data)
        self.watched = False  # whether the poller tells of more
        self._searched = 0
        self._wanted: int | None = None  # in bytes, once the head is there

    @property
    def complete(self) -> bool:
        """Whether a thread has something to do: the head is there, and the body or a good part of it."""
        if self._wanted is None:
            end = self.data.find(HEAD_END, max(0, self._searched - len(HEAD_END)))
            self._searched = len(self.data)
            if end < 0:
                return False
            head_bytes = end + len(HEAD_END)
            self._wanted = head_bytes + _body_bytes(bytes(self.data[:head_bytes]))
        return len(self.data) >= self._wanted

    @property
    def too_long(self) -> bool:
        return self._wanted is None and len(self.data) > BUFFERED_BYTES


def _body_bytes(head: bytes) -> int:
    """Return how much of the body is waited for. What is wrong with the head, its parser says."""
    lengths = _LENGTH.findall(head)
    if len(lengths) != 1 or _OPEN_END.search(head):
        return 0
    return min(int(lengths[0]), BUFFERED_BYTES)


class TimedReader(SocketUnreader):  # type: ignore[misc]
    """Reads the rest of a request in its thread, until the moment `until`; after that it raises TimeoutError."""

    def __init__(self, connection: socket.socket, timeout_seconds: float) -> None:
        super().__init__(connection)
        self._timeout_seconds = timeout_seconds
        self.until = 0.0

    def chunk(self, size_hint: int | None = None) -> bytes:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request did not come in time")
        self.sock.settimeout(left)
        try:
            return bytes(super().chunk(size_hint))
        finally:
            self.sock.settimeout(self._timeout_seconds)


class Worker(ThreadWorker):  # type: ignore[misc]
    """Answers requests in threads. All but `handle` and what it calls runs in the thread of the poller."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timeout_seconds = Settings.from_environment().request_timeout_seconds
        # In the order in which they are over.
        self._arriving: dict[Any, Arrival] = {}
        self._leaving: dict[Any, float] = {}

    def accept(self, listener: Any) -> None:
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.log.error("no connection accepted: too many open files")  # noqa: TRY400 - no fault of the code
            self.set_accept_enabled(False)  # until the next turn of the poller

    def enqueue_req(self, conn: Any) -> None:
        """Give a thread the next request of this connection, once it is there."""
        if not isinstance(conn.sock, ClientSocket):
            conn.sock = ClientSocket(conn.sock)
        conn.sock.setblocking(False)
        conn.data_ready = True
        buffered = conn.parser.unreader.take_buffered() if conn.parser is not None else b""
        arrival = Arrival(time.monotonic() + self._timeout_seconds, buffered)
        self._arriving[conn] = arrival
        if not self._receive(conn):
            arrival.watched = True
            self._watch(conn, self._on_more)

    def finish_request(self, conn: Any, fs: futures.Future[Any]) -> None:
        if fs.exception() is not None or not fs.result():
            self._leave(conn)
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        super().murder_pending()
        now = time.monotonic()
        while self._arriving and next(iter(self._arriving.values())).until <= now:
            self._close_first(self._arriving)
        while self._leaving and next(iter(self._leaving.values())) <= now:
            self._close_first(self._leaving)
        self._make_room()

    def _make_room(self) -> None:
        """Let who comes have the place of whoever has been idle for longest, so that idle clients keep nobody out."""
        while self.nr_conns >= self.worker_connections:
            if self._leaving:
                self._close_first(self._leaving)
            elif self.keepalived_conns and self._kept_since() <= self._arriving_since():
                self._close(self.keepalived_conns.popleft())
            elif self._arriving:
                self._close_first(self._arriving)
            else:
                break  # all are at work

    def _kept_since(self) -> float:
        """Return when the connection that was kept first was kept."""
        return float(self.keepalived_conns[0].timeout - self.cfg.keepalive)

    def _arriving_since(self) -> float:
        """Return when the oldest of the requests on their way began; whoever came just now has sent nothing yet."""
        oldest = next(iter(self._arriving.values()), None)
        return oldest.until - self._timeout_seconds if oldest else math.inf

    def _close_first(self, connections: dict[Any, Any]) -> None:
        conn = next(iter(connections))
        del connections[conn]
        self._close(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        conn.sock.settimeout(self._timeout_seconds)  # for the client to take the answer
        kept = super().handle_request(req, conn)
        conn.sock.flush()
        return kept

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        super().handle_error(req, client, addr, exc)
        client.settimeout(self._timeout_seconds)
        with suppress(OSError):
            client.flush()

    def _keepalive_after(self, conn: Any, keepalive: Any) -> bool:
        # What the application did not want of the body is read where it is here, and not waited for.
        conn.parser.unreader.until = 0.0
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except (ParseException, OSError):
            return False  # it is no HTTP; its text, which gunicorn would log, may be a code

    def _on_more(self, conn: Any, _socket: Any) -> None:
        self._receive(conn)

    def _receive(self, conn: Any) -> bool:
        """Read what is there; tell whether nothing more is waited for."""
        arrival = self._arriving[conn]
        try:
            while not arrival.complete and not arrival.too_long:
                piece = conn.sock.recv(RECEIVED_BYTES)
                arrival.data += piece
                if not piece:
                    break
        except BlockingIOError:
            return False
        except OSError:
            arrival.data.clear()
        del self._arriving[conn]
        if arrival.watched:  # else the poller would spell out a socket that it does not know, for nobody
            self._unwatch(conn)
        if arrival.too_long:
            self._refuse(conn)
        elif arrival.data:
            self._begin(conn, arrival)
        else:
            self._close(conn)
        return True

    def _begin(self, conn: Any, arrival: Arrival) -> None:
        if not conn.initialized:
            conn.init()
            conn.parser.unreader = TimedReader(conn.sock, self._timeout_seconds)
        conn.parser.unreader.until = arrival.until
        conn.parser.unreader.unread(bytes(arrival.data))
        super().enqueue_req(conn)

    def _refuse(self, conn: Any) -> None:
        try:
            conn.sock.send(TOO_LONG)
        except OSError:
            self._close(conn)
        else:
            self._leave(conn)

    def _leave(self, conn: Any) -> None:
        """Close a connection once its client has read the last answer and hung up, or its time is over."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
        else:
            self._leaving[conn] = time.monotonic() + LINGER_SECONDS
            self._watch(conn, self._on_left)

    def _on_left(self, conn: Any, _socket: Any) -> None:
        try:
            if conn.sock.recv(RECEIVED_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # it is gone
        del self._leaving[conn]
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self._unwatch(conn)
        self.nr_conns -= 1
        conn.close()

    def _watch(self, conn: Any, callback: Callable[[Any, Any], None]) -> None:
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(callback, conn))

    def _unwatch(self, conn: Any) -> None:
        try:
            self.poller.unregister(conn.sock)
        except (KeyError, ValueError):
            return  # it was not
