"""One server as the HTTP client calls it: connections that are kept open, and answers that llhttp reads."""

from __future__ import annotations

import errno
import select
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from requests.structures import CaseInsensitiveDict

from mappers.http.sockets import connect

# Never less than the threads of a worker, or connections are thrown away after each call.
KEPT_CONNECTIONS = 256

RECEIVED_BYTES = 16 * 1024

# The most that may come without a byte of the body in it: the head, words on the way, trailers.
MAXIMUM_HEAD_BYTES = 64 * 1024

HTTPS_PORT, HTTP_PORT = 443, 80

# What says where a body ends. Without, it ends with the connection.
BODY_HEADERS = ("Content-Length", "Transfer-Encoding")


class Line:
    """One connection to a server."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    @property
    def idle(self) -> bool:
        """Whether nothing has come since the last answer: what comes unasked is that the server has hung up."""
        return not self._poll.poll(0)


class Origin:
    """A server, and the connections to it that nobody uses now. `requests` takes it for a pool of urllib3's."""

    def __init__(self, url: str, context: ssl.SSLContext | None) -> None:
        """`url` is any one of the server's. Where it begins with https, `context` verifies who answers."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        usual_port = HTTPS_PORT if secure else HTTP_PORT
        self._host = parts.hostname or ""
        self._port = parts.port or usual_port
        self._context = context if secure else None
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._host_header = f"Host: {host}" if self._port == usual_port else f"Host: {host}:{self._port}"
        self._kept: deque[Line] = deque()
        weakref.finalize(self, _hang_up, self._kept)

    def urlopen(self, *, method: str, url: str, body: bytes | None, headers: Mapping[str, str], **_: Any) -> Incoming:
        """Send a request to the path and query `url`, and return its answer once the head of that is there.

        Raises OSError. Its caller must read the answer to its end, or close it.
        """
        lines = (f"{method} {url} HTTP/1.1", self._host_header, *(f"{name}: {it}" for name, it in headers.items()))
        if not all(map(str.isprintable, lines)) or " " in url:
            raise ValueError("a header or path that cannot be sent")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        line = self._line()
        try:
            line.socket.sendall(head + body if body else head)
            incoming = Incoming(self, line, bodiless=method == "HEAD")
            incoming.read_head()
        except BaseException:
            line.socket.close()
            raise
        return incoming

    def keep(self, line: Line) -> None:
        """Keep a connection for the next request."""
        if len(self._kept) < KEPT_CONNECTIONS:
            self._kept.append(line)
        else:
            line.socket.close()

    def _line(self) -> Line:
        # The last one that was kept is the least likely to have been closed meanwhile.
        while self._kept:
            try:
                line = self._kept.pop()
            except IndexError:  # another thread was faster
                break
            if line.idle:
                return line
            line.socket.close()
        return Line(connect(self._host, self._port, self._context))


def _hang_up(lines: deque[Line]) -> None:
    for line in lines:
        line.socket.close()


class Incoming:
    """An answer that is being read. `requests` takes it for one of urllib3's."""

    reason = None

    def __init__(self, origin: Origin, line: Line, *, bodiless: bool) -> None:
        """`bodiless`: the head is all that comes, whatever it announces."""
        self.status = 0
        self.headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        self._origin = origin
        self._line: Line | None = line
        self._bodiless = bodiless
        self._has_head = False
        self._over = False
        self._keep_alive = False
        self._pieces: list[bytes] = []
        self._head_bytes = 0  # since the last piece of the body
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    def read_head(self) -> None:
        """Read until the status and the headers are there, and maybe more. Raises OSError."""
        while not self._has_head:
            self._receive()

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """Yield the body in pieces, as they come. Raises OSError where it does not come whole."""
        while True:
            pieces, self._pieces = self._pieces, []
            yield from pieces
            if self._over:
                break
            self._receive()
        self._end(keep=self._keep_alive)

    def close(self) -> None:
        """Hang up, unless the answer was read to its end."""
        self._end(keep=False)

    def _end(self, *, keep: bool) -> None:
        line, self._line, self._parser = self._line, None, None
        if line is not None:
            if keep:
                self._origin.keep(line)
            else:
                line.socket.close()

    def _receive(self) -> None:
        if self._line is None or self._parser is None:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the answer was not waited for")
        data = self._line.socket.recv(RECEIVED_BYTES)
        self._head_bytes += len(data)
        understood = self._feed(self._parser, data) if data else self._ends_with_connection()
        if not understood:
            raise ConnectionError(errno.EPROTO, "the answer is no HTTP, or is cut short")
        if self._head_bytes > MAXIMUM_HEAD_BYTES:
            raise ConnectionError(errno.EMSGSIZE, "the headers of the answer are too long")

    def _feed(self, parser: HttpResponseParser, data: bytes) -> bool:
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._keep_alive = False
            return self._over  # else what follows the answer is wrong, and nobody asked for it
        return True

    def _ends_with_connection(self) -> bool:
        self._over = self._has_head and not any(name in self.headers for name in BODY_HEADERS)
        return self._over

    # What the parser calls. What follows the answer's end is no part of it, and trailers are no headers.

    def on_message_begin(self) -> None:
        self._keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return
        key, text = name.decode("latin-1"), value.decode("latin-1")
        before = self.headers.get(key)
        self.headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        if self._over or self._parser is None:
            return
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200
        if not self._has_head:
            self.headers.clear()  # of a word on the way, such as 100 Continue
        self._over = self._has_head and self._bodiless

    def on_body(self, body: bytes) -> None:
        if not self._over:
            self._head_bytes = 0
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._has_head and not self._over and self._parser is not None:
            self._over, self._keep_alive = True, self._parser.should_keep_alive()
