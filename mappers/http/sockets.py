"""Sockets that keep the deadline of a call: a slow or silent backend cannot exceed it.

A timeout of a socket bounds one read of it, not the call, so a backend that sends a byte now and
then holds a thread for minutes. These sockets set their timeout, before each operation, to what the call has left, and
call the system as seldom as they can.
"""

from __future__ import annotations

import math
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from mappers.deadline import Deadline
from mappers.waiting import limit, wait

# A host that does not accept within this time is down or unreachable; the rest of the deadline is worth more elsewhere.
CONNECT_SECONDS = 0.5

# Linger for no time at all: closing sends a reset.
CUT_OFF = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Exchange:
    """One attempt to get an answer, and how far it came."""

    deadline: Deadline
    connecting: bool = False  # it opened a connection of its own
    sent: bool = False  # the first byte of the request was handed to the system

    @property
    def certainly_unsent(self) -> bool:
        return self.connecting and not self.sent


class _Current(threading.local):
    exchange: Exchange | None = None


_current = _Current()


@contextmanager
def exchange(deadline: Deadline) -> Iterator[Exchange]:
    """Bind every socket operation of this thread to `deadline`."""
    _current.exchange = Exchange(deadline)
    try:
        yield _current.exchange
    finally:
        _current.exchange = None


# What the two socket classes share; at run time it stands before the class whose methods it calls.
if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    _Base = socket.socket
else:
    _Base = object

T = TypeVar("T")


def _left_seconds() -> float | None:
    """Return what this thread's call has left, None where nothing limits it. Raises TimeoutError."""
    if _current.exchange is None:
        return None
    left = _current.exchange.deadline.remaining_seconds()
    if left <= 0:
        raise TimeoutError("the deadline of the call has passed")
    return left


class _WithinDeadline(_Base):
    def _limit(self) -> None:
        left = _left_seconds()
        if left is not None:
            self.settimeout(left)

    def _cut_off(self) -> None:
        with suppress(OSError):
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT_OFF)

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        try:
            self._limit()
            return super().recv(*args, **kwargs)
        except OSError:
            self._cut_off()
            raise

    def send(self, *args: Any, **kwargs: Any) -> int:
        try:
            self._limit()
            return super().send(*args, **kwargs)
        except OSError:
            self._cut_off()
            raise

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        try:
            self._limit()
            if _current.exchange is not None:
                _current.exchange.sent = True
            super().sendall(*args, **kwargs)
        except OSError:
            self._cut_off()
            raise


class _WaitingSocket(socket.socket):
    """The system waits for what is to be received, and what is to be sent, it mostly takes at once."""

    _seconds: float | None = None

    def __init__(self, connected: socket.socket) -> None:
        """Take over a connection."""
        super().__init__(connected.family, connected.type, connected.proto, fileno=connected.detach())
        super().settimeout(None)

    def settimeout(self, seconds: float | None, /) -> None:
        self._seconds = seconds
        limit(self, socket.SO_RCVTIMEO, seconds)

    def recv(self, most_bytes: int, flags: int = 0, /) -> bytes:
        try:
            return super().recv(most_bytes, flags)
        except BlockingIOError as error:
            raise TimeoutError("nothing came in time") from error

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        left, until = memoryview(data), _until(self._seconds)
        while left:
            try:
                left = left[super().send(left, flags | socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                wait(self, select.POLLOUT, until)


class _Socket(_WithinDeadline, _WaitingSocket):
    pass


class _WaitingTlsSocket(ssl.SSLSocket):
    """Once its handshake is over, it asks before it waits. Of a socket that blocks, TLS would not heed the timeout."""

    _established = False
    _seconds: float | None = None

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        super().settimeout(0.0)
        self._established = True

    def settimeout(self, seconds: float | None, /) -> None:
        self._seconds = seconds
        if not self._established:
            super().settimeout(seconds)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        return self._until_done(lambda: super(_WaitingTlsSocket, self).recv(buflen, flags))

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        return self._until_done(lambda: super(_WaitingTlsSocket, self).send(data, flags))

    def _until_done(self, do: Callable[[], T]) -> T:
        until = _until(self._seconds)
        while True:
            try:
                return do()
            except ssl.SSLWantReadError:
                wait(self, select.POLLIN, until)
            except ssl.SSLWantWriteError:
                wait(self, select.POLLOUT, until)


class _TlsSocket(_WithinDeadline, _WaitingTlsSocket):
    def do_handshake(self, block: bool = False) -> None:
        self._limit()
        super().do_handshake(block)


def _until(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds


def tls_context(authorities: str) -> ssl.SSLContext:
    """Return a verifying context that trusts the bundle at `authorities` and the system's authorities.

    The environment's `SSL_CERT_FILE` takes the place of the latter: so a private authority is added.
    """
    return _tls_context(authorities, os.environ.get("SSL_CERT_FILE"))


@cache
def _tls_context(authorities: str, _private: str | None) -> ssl.SSLContext:
    """Load them once, for all backends: it costs some 40 ms each time."""
    context = ssl.create_default_context(cafile=authorities)
    context.load_default_certs()
    context.sslsocket_class = _TlsSocket
    return context


def connect(host: str, port: int, context: ssl.SSLContext | None) -> socket.socket:
    """Return a new connection; with `context` over TLS, to a server that proves to be `host`. Raises OSError."""
    if _current.exchange is not None:
        _current.exchange.connecting = True
    connection = _first_that_accepts(host, port)
    if context is None:
        return _Socket(connection)
    try:
        return context.wrap_socket(connection, server_hostname=host.rstrip("."))
    except BaseException:
        connection.close()
        raise


def _first_that_accepts(host: str, port: int) -> socket.socket:
    """Try the host's addresses in turn. Looking its name up is the system's; its time cannot be limited here."""
    failure = OSError("the host has no address")
    for family, kind, protocol, _, address in _addresses(host, port):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(min(CONNECT_SECONDS, _left_seconds() or CONNECT_SECONDS))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _addresses(host: str, port: int) -> list[Any]:
    with suppress(UnicodeError):  # a part of the name is empty or too long
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    raise socket.gaierror(socket.EAI_NONAME, "no name of a host")
