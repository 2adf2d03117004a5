"""One HTTP call and whatever came back: how the Gift Card Hub is spoken to, and how it speaks to a provider."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import certifi
import urllib3
from urllib3.exceptions import HTTPError

from mappers.deadline import Deadline
from mappers.http.sockets import HttpPool, HttpsPool, exchange, tls_context
from mappers.wire import MAXIMUM_ANSWER_BYTES, decode


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status; redirects are not followed. `headers` ignores case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the JSON in it, numbers with a fraction as Decimal; None when empty. Raises ValueError."""
        return decode(self.content)


class NoReply(Exception):
    """Nothing usable came back in time. `sent`: the other side may have read the request."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class HttpClient:
    """Makes calls that end by their deadline; shared by threads."""

    def __init__(self) -> None:
        # urllib3 prints paths at DEBUG; they hold card ids.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._plain = _pools()

    @cached_property
    def _secure(self) -> urllib3.PoolManager:
        # Made when it is needed: loading the authorities takes its time.
        return _pools(ssl_context=tls_context(certifi.where()))

    def call(
        self, method: str, url: str, *, headers: Mapping[str, str], deadline: Deadline, content: bytes | None = None
    ) -> Reply:
        """Send one request, once. Raises NoReply."""
        pools = self._secure if url.startswith("https:") else self._plain
        with exchange(deadline) as progress:
            try:
                response = pools.urlopen(
                    method,
                    url,
                    body=content,
                    headers={"Accept-Encoding": "identity", "User-Agent": "giftbridge", **headers},
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    timeout=max(deadline.remaining_seconds(), 0.001),
                )
                try:
                    body = response.read(MAXIMUM_ANSWER_BYTES + 1)
                finally:
                    response.close()
            except (HTTPError, OSError) as error:
                raise NoReply(_reason(error), sent=not progress.certainly_unsent) from error
        if len(body) > MAXIMUM_ANSWER_BYTES:
            raise NoReply("an answer larger than any of the protocol", sent=True)
        return Reply(response.status, response.headers, body)


def _pools(**options: Any) -> urllib3.PoolManager:
    pools = urllib3.PoolManager(**options)
    pools.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
    return pools


def _reason(error: BaseException) -> str:
    """Say in a few words what lies at the bottom of `error`: the layers above it print the address."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return text.lower() if text[1:].islower() else text
