"""Calls to a backend: which attempts may be repeated, and what a call that failed can have done."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote, urlencode

from mappers.base import BackendUnavailable, MapperError, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.exact_json import encode
from mappers.http import calls
from mappers.http.addresses import checked_base_url
from mappers.http.attempt import Connections, NoReply, Reply
from mappers.http.breaker import Breaker
from mappers.http.calls import BREAKER_OPEN, CallOut, Outcome
from mappers.http.headers import checked_headers, retry_after_seconds

# With less time left than this a write would mostly end unknown, and cost a resolution later; better not to start it.
MINIMUM_WRITE_SECONDS = 0.5

# With less than this left a read cannot succeed, and its timeout would only count against a healthy backend.
MINIMUM_READ_SECONDS = 0.02

# A restarting backend refuses for a moment; more attempts than this only hold a thread.
CONNECT_RETRIES = 2
RETRY_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What the backend said: any 2xx, or a 4xx other than 408 and 429.

    `body` is the parsed JSON, numbers with a fraction as Decimal; None for an empty answer, and for a 4xx whose body is
    not JSON. `headers` ignores case.
    """

    status: int
    body: Any
    headers: Mapping[str, str]


class _Stage(Enum):
    """How far a call without an answer came: it decides what may be said of it, and whether it may be repeated."""

    UNSENT = 1  # not a byte of it was sent
    LIMITED = 2  # turned away for its rate
    SENT = 3  # sent, and nothing usable came back in time
    ANSWERED = 4  # answered, but not with a result


# Gateways send all but the first when they gave up waiting: the backend behind them may still be at it.
_STAGES = {429: _Stage.LIMITED} | dict.fromkeys((408, 502, 503, 504, *range(520, 531), 598, 599), _Stage.SENT)


class _Failed(Exception):
    """One call brought no answer."""

    def __init__(
        self, stage: _Stage, reason: str, *, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = reason
        self.status = status
        self.retry_after_seconds = retry_after_seconds

    @property
    def ailing(self) -> bool:
        """Whether it speaks against the backend's health: not reached, silent, or failed inside."""
        return self.stage in (_Stage.UNSENT, _Stage.SENT) or (self.status or 0) >= 500


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    content: bytes | None
    deadline: Deadline
    told: CallOut

    @property
    def operation(self) -> str:
        return self.told.operation

    @property
    def moves_money(self) -> bool:
        return self.told.moves_money

    @property
    def headers(self) -> Mapping[str, str]:
        return self.told.headers if self.content is None else {"Content-Type": "application/json", **self.told.headers}

    @property
    def least_seconds(self) -> float:
        return MINIMUM_WRITE_SECONDS if self.moves_money else MINIMUM_READ_SECONDS


class HttpBackend:
    """A backend's HTTP interface. One instance is shared by all threads and keeps its connections open.

    `name` is for logs and messages. `base_url` is https, or http to this machine. `retry_at_header` is where the
    backend says when a call may be made again, in Unix seconds, where Retry-After does not. Raises InvalidOptions.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        basic_auth: tuple[str, str] | None = None,
        retry_at_header: str = "",
    ) -> None:
        self.name = name
        self._retry_at_header = retry_at_header
        self._base_url = checked_base_url(base_url)
        sent = {"Accept": "application/json"}
        if basic_auth:
            sent["Authorization"] = "Basic " + b64encode(":".join(basic_auth).encode()).decode()
        self._connections = Connections(sent | checked_headers(headers or {}))
        self._connections.adapter(self._base_url)  # now: no call has the time for it
        self._breakers: dict[str, Breaker] = {}

    def call(
        self,
        method: str,
        path: str,
        *,
        deadline: Deadline,
        query: Mapping[str, str] | None = None,
        body: Any | None = None,
        moves_money: bool = False,
        operation: str = "",
        breaker: bool = True,
    ) -> Answer:
        """Make one call and return what the backend answered, before `deadline`.

        `path` starts with "/" and follows the base URL; put ids and codes through `segment`. `operation` is a short
        constant word for logs and the breaker. `breaker=False` is for calls to be tried whatever happened before.
        A call that moves money is sent at most once.

        Raises BackendUnavailable when it certainly did nothing (never sent, turned away for its rate, or a call that
        moves no money), OutcomeUnknown otherwise.
        """
        parameters = "?" + urlencode(query, quote_via=quote, errors="surrogatepass") if query else ""
        content = None if body is None else encode(body).encode()
        told = calls.begun(CallOut(self.name, operation, method, moves_money))
        request = _Request(method, self._base_url + path + parameters, content, deadline, told)
        guard = self._breakers.setdefault(operation, Breaker()) if breaker else None
        try:
            self._admit(request, guard)
            answer = self._guarded(request, guard)
            told.status = answer.status
            told.outcome = Outcome.REFUSED if answer.status >= 400 else Outcome.DONE
        except OutcomeUnknown:
            told.outcome = Outcome.UNKNOWN
            raise
        finally:
            calls.ended(told)
        return answer

    def _guarded(self, request: _Request, guard: Breaker | None) -> Answer:
        """Make the call, and tell the breaker how healthy the backend is."""
        try:
            answer = self._persist(request)
        except _Failed as failed:
            if guard:
                guard.record(healthy=not failed.ailing)
            request.told.status, request.told.failure = failed.status, failed.reason
            raise self._error(request, failed) from failed.__cause__
        if guard:
            guard.record(healthy=True)
        return answer

    def _admit(self, request: _Request, guard: Breaker | None) -> None:
        if request.deadline.remaining_seconds() < request.least_seconds:
            request.told.failure = "too little time left"
            raise BackendUnavailable(f"{self.name} was not asked: too little time was left, repeat the request")
        if guard and (wait_seconds := guard.wait_seconds()):
            request.told.failure = BREAKER_OPEN
            raise BackendUnavailable(
                f"{self.name} was not asked: failed {guard.failures} times in a row, next try in {wait_seconds:.0f} s",
                retry_after_seconds=wait_seconds,
            )

    def _persist(self, request: _Request) -> Answer:
        """Send the request until it is answered, repeating only what is safe and fits the deadline."""
        retries = {_Stage.UNSENT: CONNECT_RETRIES}
        if not request.moves_money:
            retries |= {_Stage.SENT: 1, _Stage.ANSWERED: 1}
        while True:
            try:
                return self._attempt(request)
            except _Failed as failed:
                enough = request.deadline.remaining_seconds() > request.least_seconds + RETRY_PAUSE_SECONDS
                if not retries.get(failed.stage) or not enough:
                    raise
                retries[failed.stage] -= 1
            time.sleep(RETRY_PAUSE_SECONDS)

    def _attempt(self, request: _Request) -> Answer:
        try:
            reply = self._connections.attempt(
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                deadline=request.deadline,
                wants_body=_is_result,
            )
        except NoReply as error:
            raise _Failed(_Stage.SENT if error.sent else _Stage.UNSENT, str(error)) from error.__cause__
        return _answer(reply, self._retry_at_header)

    def _error(self, request: _Request, failed: _Failed) -> MapperError:
        message = f"{self.name} could not be asked ({request.operation or request.method}): {failed.reason}"
        if failed.stage in (_Stage.UNSENT, _Stage.LIMITED) or not request.moves_money:
            return BackendUnavailable(message, failed.retry_after_seconds)
        message = f"{self.name} may or may not have done it ({request.operation or request.method}): {failed.reason}"
        return OutcomeUnknown(message, answered=failed.stage is _Stage.ANSWERED)


def _is_result(status: int) -> bool:
    return 200 <= status < 300 or (400 <= status < 500 and status not in (408, 429))


def _answer(reply: Reply, retry_at_header: str) -> Answer:
    """Return what the backend said. Raises _Failed where it is no result."""
    status = reply.status
    if not _is_result(status):
        retry_after = retry_after_seconds(reply.headers, retry_at_header)
        stage = _STAGES.get(status, _Stage.ANSWERED)
        raise _Failed(stage, f"status {status}", status=status, retry_after_seconds=retry_after)
    try:
        body = reply.json()
    except ValueError as error:
        if status < 400:
            raise _Failed(_Stage.ANSWERED, "unreadable answer", status=status) from error
        body = None
    return Answer(status, body, reply.headers)
