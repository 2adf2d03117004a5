"""Sockets that keep the deadline of a call: a slow or silent backend cannot exceed it.

A timeout of a socket bounds one read of it, not the call, so a backend that sends a byte now and
then holds a thread for minutes. These sockets set their timeout, before each operation, to what the call has left.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from mappers.deadline import Deadline

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
    _Base = socket.socket
else:
    _Base = object


class _WithinDeadline(_Base):
    def _limit(self) -> None:
        if _current.exchange is None:
            return
        left = _current.exchange.deadline.remaining_seconds()
        if left <= 0:
            raise TimeoutError("the deadline of the call has passed")
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


class _Socket(_WithinDeadline, socket.socket):
    pass


class _TlsSocket(_WithinDeadline, ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        self._limit()
        super().do_handshake(block)


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
        return connection
    try:
        return context.wrap_socket(connection, server_hostname=host.rstrip("."))
    except BaseException:
        connection.close()
        raise


def _first_that_accepts(host: str, port: int) -> socket.socket:
    """Try the host's addresses in turn. Looking its name up is the system's; its time cannot be limited here."""
    failure = OSError("the host has no address")
    for family, kind, protocol, _, address in _addresses(host, port):
        connection = _Socket(family, kind, protocol)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection._limit()
            connection.settimeout(min(CONNECT_SECONDS, connection.gettimeout() or CONNECT_SECONDS))
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
