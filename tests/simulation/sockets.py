"""Simulated sockets: what the real HTTP client sends arrives at a model of the backend, and answers come back.

They take the place of what the client asks of the system: sockets, `poll`, looking a name up, TLS. Everything above is
the service's own: connections that are kept, deadlines, the parser, the breaker, and what may be repeated.
"""

from __future__ import annotations

import errno
import math
import select
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock
from urllib.parse import parse_qsl, unquote

from httptools import HttpRequestParser

from mappers import exact_json
from mappers.base import Receipt, Step, Undecidable
from mappers.deadline import Deadline
from mappers.http import HttpBackend, attempt, calls, origin, sockets
from mappers.http.calls import CallOut
from tests.simulation.backend_model import BackendModel, Call
from tests.simulation.faults import (
    CUT_SHORT,
    GATEWAY_GIVES_UP,
    HANGS_UP,
    JUNK,
    OWN_ERRORS,
    SENDING_FAILS,
    UNDER_WAY,
    WITHOUT_EFFECT,
    BackendFault,
)
from tests.simulation.transport import Environment

# Goes with each call that moves money, and tells the simulation the step's key: no model sees it.
STEP = "Simulated-Step"

# How long it takes at most to find a connection, in milliseconds.
NEARBY_MS = 100

PAGE = b"<html><body>Welcome</body></html>"
GAVE_UP = (408, 502, 503, 504, 524)

NEVER = math.inf


class SimulatedServer:
    """Where the calls of a mapper arrive."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.backend: BackendModel
        self.hangs = False  # it takes every call, and answers none
        self.doubts = 0.0  # how often the backend cannot tell what happened

    def serve(self, http: HttpBackend) -> None:
        """Have the calls of this client arrive here."""
        self._environment.servers[http._base_url.partition("://")[2]] = self

    def doubt(self, ask: Callable[[Step, Deadline], Receipt | None]) -> Callable[[Step, Deadline], Receipt | None]:
        """Let a mapper's question sometimes have no answer that any other question would change."""

        def doubting(step: Step, deadline: Deadline) -> Receipt | None:
            receipt = ask(step, deadline)
            if self.doubts and self._environment.scheduler.rng.random() < self.doubts:
                raise Undecidable("the backend cannot tell")
            return receipt

        return doubting

    def listen(self, run: Callable[[Step, Deadline], Receipt]) -> Callable[[Step, Deadline], Receipt]:
        """Remember the key of the step that is run: some backends never get it."""

        def listening(step: Step, deadline: Deadline) -> Receipt:
            self._environment.step_keys[self._environment.actor] = step.key
            if step.origin is not None:
                self.backend.transactions[step.key] = step.origin.transaction_id
            return run(step, deadline)

        return listening


def call_of(method: str, path: str, query: Mapping[str, str], body: Any, key: str) -> Call:
    """Return a call as a model takes it."""
    return Call(method, tuple(unquote(part) for part in path.split("/")[1:]), query, body, key)


@contextmanager
def simulated_sockets(environment: Environment) -> Iterator[None]:
    """Let every call to a backend go over simulated sockets."""

    def begins(call: CallOut) -> None:
        assert sockets._current.exchange is None, "a call of this thread that crashed left its deadline"
        if call.moves_money:
            call.headers[STEP] = environment.step_keys.get(environment.actor, "")

    simulated = type("Socket", (sockets._WithinDeadline, SimulatedSocket), {"environment": environment})
    system = {"socket": simulated, "getaddrinfo": lambda *address, **_: [(0, 0, 0, "", address)]}
    with (
        mock.patch.object(sockets, "socket", SimpleNamespace(**vars(socket) | system)),
        mock.patch.object(attempt, "tls_context", return_value=SimpleNamespace(wrap_socket=_shake_hands)),
        mock.patch.object(origin, "select", SimpleNamespace(poll=SimulatedPoll, POLLIN=select.POLLIN)),
    ):
        calls.watch(before=begins)
        try:
            yield
        finally:
            calls.unwatch(begins)


class SimulatedPoll:
    """Tells whether something has come over one socket."""

    def register(self, connection: SimulatedSocket, _events: int) -> None:
        self._connection = connection

    def poll(self, _milliseconds: int) -> list[SimulatedSocket]:
        return [self._connection] if self._connection.has_something() else []


class SimulatedSocket:
    """One connection, and what is on its way back over it: each piece with the moment at which it is there."""

    environment: ClassVar[Environment]

    def __init__(self, *_kind: int) -> None:
        self._timeout: float | None = None
        self._coming: deque[tuple[float, Callable[[], bytes]]] = deque()
        self._closes_at = NEVER
        self._host = ""
        self._fault = BackendFault.NONE

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *_option: object) -> None:
        pass

    def close(self) -> None:
        self._coming.clear()

    @property
    def _now(self) -> int:
        return self.environment.scheduler.now

    def connect(self, address: tuple[str, int]) -> None:
        """Connect. What may pass before the first byte is sent passes here: a deadline is looked at right before it."""
        self._host = address[0]
        environment, faults = self.environment, self.environment.faults
        if environment.actor is None:
            return
        down_until = environment.down_until.get(self._host, 0)
        self._fault = faults.connecting() if down_until <= self._now else BackendFault.REFUSED
        if self._fault is not BackendFault.NONE:
            environment.scheduler.note(self._host, self._fault)
        if self._fault is BackendFault.UNREACHABLE:
            self._wait(NEVER)
        environment.pass_time(faults.latency() % NEARBY_MS)
        if self._fault is BackendFault.REFUSED:
            environment.down_until[self._host] = max(down_until, self._now + faults.outage())
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    def shake_hands(self) -> None:
        if self._fault is BackendFault.NO_HANDSHAKE:
            raise _reset()

    def has_something(self) -> bool:
        """Tell whether anything has come, or the other side has hung up; others may move before it is told."""
        if self.environment.actor is not None:
            self.environment.pass_time(self.environment.faults.latency() % NEARBY_MS)
        return bool(self._coming) or self._closes_at <= self._now

    def sendall(self, data: bytes) -> None:
        """Send a request, whole: what becomes of it does not depend on its sender any more."""
        environment = self.environment
        request = _Request(data)
        server, path = environment.server_at(self._host + request.path)
        key = request.headers.get(STEP)
        call = call_of(request.method, path, request.query, request.body, key or "")
        label = f"{call.method} {path} {call.key}".strip()
        if environment.actor is None:
            self._answer(self._now, lambda: self._arrive(server, call, ""))
        elif not server.hangs:
            (self._look if key is None else self._tell)(server, call, label)

    def recv(self, _bytes: int) -> bytes:
        moment, piece = self._coming.popleft() if self._coming else (NEVER, bytes)
        self._wait(moment)
        return piece()

    def _wait(self, moment: float) -> None:
        """Wait until then. Raises TimeoutError where the timeout is over before."""
        wait = max(0.0, moment - self._now)
        if self._timeout is not None:
            wait = min(wait, self._timeout * 1000)
        if self.environment.actor is not None:
            self.environment.pass_time(int(wait))
        if self._now < moment:
            raise TimeoutError("timed out")

    def _look(self, server: SimulatedServer, call: Call, label: str) -> None:
        """Ask: what is seen is seen at once, and may be long on its way."""
        environment, faults = self.environment, self.environment.faults
        fault = faults.backend_read()
        environment.scheduler.note("asks", label, fault)
        environment.pass_time(faults.latency())
        seen = self._arrive(server, call, label)
        late = fault is BackendFault.LATE
        back = faults.flight(late=True) if late else environment.way_back(faults.latency())
        self._come_back(fault, self._now + back, lambda: seen)

    def _tell(self, server: SimulatedServer, call: Call, label: str) -> None:
        """Tell the backend to do something: it happens at most once, whatever becomes of the caller."""
        environment, faults = self.environment, self.environment.faults
        fault = faults.backend_write()
        environment.scheduler.note("sends", label, fault)
        flight = faults.flight(late=fault in (BackendFault.LATE, *UNDER_WAY))
        answers: list[bytes] = []
        if fault not in WITHOUT_EFFECT:
            environment.scheduler.at(flight, lambda: answers.append(self._arrive(server, call, label)))
        back = faults.latency() if fault in UNDER_WAY else flight + faults.latency()
        self._come_back(fault, self._now + back, lambda: answers[0])

    def _arrive(self, server: SimulatedServer, call: Call, label: str) -> bytes:
        """Let the backend do what it is asked for, and return its answer."""
        answer = server.backend.answer(call)
        self.environment.scheduler.note(label, "arrives:", answer.status, answer.body)
        content = b"" if answer.body is None else exact_json.encode(answer.body).encode()
        return self._written(answer.status, content, chunked=self.environment.faults.chunked)

    def _come_back(self, fault: BackendFault, moment: int, own: Callable[[], bytes]) -> None:
        """Send back the backend's own answer, or what comes in its place. Raises OSError where sending fails."""
        faults = self.environment.faults
        if fault in SENDING_FAILS:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        ends = faults.pick((bytes, _raise_reset))
        if fault in HANGS_UP:
            self._coming.append((moment, ends))
        elif fault in CUT_SHORT:
            portion = faults.pick(range(100)) / 100
            self._coming.append((moment, lambda: _cut(own(), fault, portion)))
            self._coming.append((NEVER if fault is BackendFault.SILENT_BODY else moment, ends))
        elif fault in OWN_ERRORS:
            self._answer(moment, lambda: self._written(500, b'{"message": "Internal Server Error"}'))
        elif fault is BackendFault.LIMITED:
            self._answer(moment, lambda: self._written(429, PAGE, "Retry-After: 1\r\n"))
        elif fault in GATEWAY_GIVES_UP:
            status = faults.pick(GAVE_UP)
            self._answer(moment, lambda: self._written(status, PAGE))
        elif fault in JUNK or fault is BackendFault.NOT_HERE:
            self._answer(moment, lambda: self._written(200 if fault in JUNK else 404, PAGE))
        else:
            self._answer(moment, own)

    def _answer(self, moment: int, answer: Callable[[], bytes]) -> None:
        self._coming.append((moment, answer))
        self._closes_at = moment + self.environment.faults.keep_alive

    def _written(self, status: int, content: bytes, more: str = "", *, chunked: bool = False) -> bytes:
        """Return an answer as it is sent."""
        more += "" if self.environment.faults.keep_alive else "Connection: close\r\n"
        if status == HTTPStatus.NO_CONTENT:
            return f"HTTP/1.1 204 No Content\r\n{more}\r\n".encode()
        if chunked:
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(content)}"
        head = f"HTTP/1.1 {status} {_PHRASES.get(status, 'Strange')}\r\n{more}{length}\r\n\r\n"
        return head.encode() + content


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class _Request:
    """A request as a server reads it."""

    def __init__(self, data: bytes) -> None:
        self.headers: dict[str, str] = {}
        self._url = self._content = b""
        self._whole = False
        parser = HttpRequestParser(self)
        parser.feed_data(data)
        assert self._whole, "a request is sent at once"
        self.method = parser.get_method().decode()
        self.path, _, query = self._url.decode().partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        self.body = exact_json.decode(self._content) if self._content else None

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode()] = value.decode()

    def on_body(self, content: bytes) -> None:
        self._content += content

    def on_message_complete(self) -> None:
        self._whole = True


def _shake_hands(connection: Any, *, server_hostname: str) -> socket.socket:
    """Stand in for TLS over a connection."""
    connection._limit()
    connection.shake_hands()
    wrapped: socket.socket = connection
    return wrapped


def _reset() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


def _raise_reset() -> bytes:
    raise _reset()


def _cut(answer: bytes, fault: BackendFault, portion: float) -> bytes:
    """Return only a part of an answer: of its head, or all of that and a part of its body."""
    head = answer.index(b"\r\n\r\n") + 4
    if fault is BackendFault.CUT_HEAD or head == len(answer):
        return answer[: max(1, int(portion * (head - 1)))]
    return answer[: head + int(portion * (len(answer) - head))]
