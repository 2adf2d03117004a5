"""The one HTTP client of all mappers: it knows what may be repeated, and what a call that failed can have done."""

from __future__ import annotations

import logging
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode

import requests
import structlog
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError

from mappers.base import BackendUnavailable, MapperError, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http.breaker import Breaker
from mappers.http.sockets import HttpPool, HttpsPool, exchange, tls_context
from mappers.wire import (
    MAXIMUM_ANSWER_BYTES,
    checked_base_url,
    checked_headers,
    decode,
    encode,
    retry_after_seconds,
    segment,
)

__all__ = ["Answer", "HttpBackend", "segment"]

# With less time left than this a write would mostly end unknown, and cost a resolution later; better not to start it.
MINIMUM_WRITE_SECONDS = 0.5

# With less than this left a read cannot succeed, and its timeout would only count against a healthy backend.
MINIMUM_READ_SECONDS = 0.02

# A restarting backend refuses for a moment; more attempts than this only hold a thread.
CONNECT_RETRIES = 2
RETRY_PAUSE_SECONDS = 0.05

# Never less than the threads of a worker, or connections are thrown away after each call.
POOL_SIZE = 256

log = structlog.get_logger()


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
    operation: str
    moves_money: bool

    @property
    def least_seconds(self) -> float:
        return MINIMUM_WRITE_SECONDS if self.moves_money else MINIMUM_READ_SECONDS


class HttpBackend:
    """A backend's HTTP interface. One instance is shared by all threads and keeps its connections open.

    `name` is for logs and messages. `base_url` is https, or http to this machine. Raises InvalidOptions.
    Looking a host name up is the system's; it is the one thing here that no deadline can cut short.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        basic_auth: tuple[str, str] | None = None,
    ) -> None:
        self.name = name
        self._base_url = checked_base_url(base_url)
        self._session = _session(self._base_url, checked_headers(headers or {}), basic_auth)
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
        request = _Request(method, self._base_url + path + parameters, content, deadline, operation, moves_money)
        guard = self._breakers.setdefault(operation, Breaker()) if breaker else None
        self._admit(request, guard)
        started = time.monotonic()
        try:
            answer = self._persist(request)
        except _Failed as failed:
            if guard:
                guard.record(healthy=not failed.ailing)
            self._log(request, started, failed.status, failed.reason)
            raise self._error(request, failed) from failed.__cause__
        if guard:
            guard.record(healthy=True)
        self._log(request, started, answer.status)
        return answer

    def _admit(self, request: _Request, guard: Breaker | None) -> None:
        if request.deadline.remaining_seconds() < request.least_seconds:
            self._log(request, time.monotonic(), None, "too little time left")
            raise BackendUnavailable(f"{self.name} was not asked: too little time was left, repeat the request")
        if guard and (wait_seconds := guard.wait_seconds()):
            self._log(request, time.monotonic(), None, "breaker open")
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
        with exchange(request.deadline) as progress:
            try:
                with self._session.request(
                    request.method,
                    request.url,
                    data=request.content,
                    headers={} if request.content is None else {"Content-Type": "application/json"},
                    timeout=max(request.deadline.remaining_seconds(), MINIMUM_READ_SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    _check_status(response)
                    return _answer(response)
            except (requests.RequestException, HTTPError) as error:
                unsent = progress.certainly_unsent or isinstance(error, requests.ConnectTimeout)
                cause = _innermost(error)
                reason = "timeout" if isinstance(cause, TimeoutError) else type(cause).__name__
                raise _Failed(_Stage.UNSENT if unsent else _Stage.SENT, reason) from cause

    def _error(self, request: _Request, failed: _Failed) -> MapperError:
        message = f"{self.name} could not be asked ({request.operation or request.method}): {failed.reason}"
        if failed.stage in (_Stage.UNSENT, _Stage.LIMITED) or not request.moves_money:
            return BackendUnavailable(message, failed.retry_after_seconds)
        message = f"{self.name} may or may not have done it ({request.operation or request.method}): {failed.reason}"
        return OutcomeUnknown(message, answered=failed.stage is _Stage.ANSWERED)

    def _log(self, request: _Request, started: float, status: int | None, failure: str | None = None) -> None:
        # Never the path, the query, a header or a body: each may hold a code or a key.
        log.info(
            "backend call",
            backend=self.name,
            operation=request.operation,
            method=request.method,
            status=status,
            milliseconds=round((time.monotonic() - started) * 1000),
            failure=failure,
        )


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if 200 <= status < 300 or (400 <= status < 500 and status not in (408, 429)):
        return
    raise _Failed(
        _STAGES.get(status, _Stage.ANSWERED),
        f"status {status}",
        status=status,
        retry_after_seconds=retry_after_seconds(response.headers.get("Retry-After")),
    )


def _answer(response: requests.Response) -> Answer:
    status = response.status_code
    content = bytearray()
    for chunk in response.iter_content(65536):
        content += chunk
        if len(content) > MAXIMUM_ANSWER_BYTES:
            break
    try:
        body = decode(content)
    except ValueError as error:
        if status < 400:
            raise _Failed(_Stage.ANSWERED, "unreadable answer", status=status) from error
        body = None
    return Answer(status, body, response.headers)


def _innermost(error: BaseException) -> BaseException:
    """Return what lies at the bottom of `error`: the layers above it print the URL, which may hold a code."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


class _Adapter(HTTPAdapter):
    """Connects through sockets that keep the deadline, and verifies against authorities that were loaded once."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0, pool_block=False)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave it to the context: by default the authorities would be loaded again for each connection."""


def _session(base_url: str, headers: Mapping[str, str], basic_auth: tuple[str, str] | None) -> requests.Session:
    # urllib3 prints paths and queries at DEBUG, and at WARNING when an answer's headers are malformed; they hold codes.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    session = requests.Session()
    session.trust_env = False  # no proxy, .netrc or CA bundle that the settings do not name
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # threads share the session, not a login
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "giftbridge"})
    if basic_auth:
        session.headers["Authorization"] = "Basic " + b64encode(":".join(basic_auth).encode()).decode()
    session.headers.update(headers)
    context = tls_context(DEFAULT_CA_BUNDLE_PATH) if base_url.startswith("https:") else None
    session.adapters.clear()  # the default ones keep no deadline
    session.mount(base_url, _Adapter(context))
    return session
