"""One HTTP attempt: a request is sent at most once and ends by its deadline, with a reply or with how far it came."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter

from mappers import exact_json
from mappers.deadline import Deadline
from mappers.http.origin import Incoming, Origin
from mappers.http.sockets import exchange, tls_context

# The largest answer of a gift card system is a list of some hundred entries; more is an error page or an attack.
MAXIMUM_ANSWER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status; redirects are not followed. `headers` ignores case.

    `content` is cut soon after the largest size that `json` reads.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def too_large(self) -> bool:
        return len(self.content) > MAXIMUM_ANSWER_BYTES

    def json(self) -> Any:
        """Return the JSON in it, numbers with a fraction as Decimal; None when empty. Raises ValueError."""
        if self.too_large:
            raise ValueError("larger than any answer")
        return exact_json.decode(self.content) if self.content else None


class NoReply(Exception):
    """Nothing usable came back in time. `sent`: the other side may have read the request."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Connections:
    """Connections to servers, kept open and shared by threads. `headers` go with every request.

    Looking a host name up is the system's; it is the one thing here that no deadline can cut short.
    """

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "giftbridge", **(headers or {})}

    def attempt(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        deadline: Deadline,
        wants_body: Callable[[int], bool] = bool,
    ) -> Reply:
        """Send one request, once. `wants_body` says of which statuses the body is read. Raises NoReply."""
        adapter, request = self.adapter(url), self._request(method, url, headers, content)
        handled = sys.exception()
        with exchange(deadline) as progress:
            try:
                with adapter.send(request, stream=True) as response:
                    status = response.status_code
                    return Reply(status, response.headers, _content(response) if wants_body(status) else b"")
            except OSError as error:
                cause = _innermost(error, handled)
                raise NoReply(_reason(cause), sent=not progress.certainly_unsent) from cause

    def adapter(self, url: str) -> HTTPAdapter:
        """Return what calls `url`, made when it is first needed: loading the authorities for https takes its time."""
        return self._secure if url.startswith("https:") else self._plain

    @cached_property
    def _plain(self) -> HTTPAdapter:
        return _Adapter(None)

    @cached_property
    def _secure(self) -> HTTPAdapter:
        return _Adapter(tls_context(certifi.where()))

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> requests.PreparedRequest:
        """Return a request as it goes out. A session would prepare it anew each time, for twice the CPU of the call.

        Without a session there is no proxy, .netrc or CA bundle that the settings do not name, no cookie that one
        thread gets and another sends, and no redirect.
        """
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, url, content
        # All names are ours, each in one spelling.
        request.headers = sent = {**self._headers, **headers}  # type: ignore[assignment]
        if sent.get("Transfer-Encoding") == "chunked":
            request.body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
        elif content is not None or method not in ("GET", "HEAD"):
            sent["Content-Length"] = str(len(content or b""))
        return request


class _Adapter(HTTPAdapter):
    """Sends over connections that keep the deadline. What fakes a backend in tests stands in place of its `send`."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._context = context
        self._origins: dict[str, Origin] = {}

    def get_connection_with_tls_context(  # type: ignore[override]
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Origin:
        url = request.url or ""
        name = "/".join(url.split("/", 3)[:3])
        return self._origins.get(name) or self._origins.setdefault(name, Origin(url, self._context))

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave it to the context: by default the authorities would be loaded again for each connection."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Keep the path as it is: by default several slashes at its start become one."""
        return request.path_url

    def build_response(self, request: requests.PreparedRequest, incoming: Incoming) -> requests.Response:  # type: ignore[override]
        return _Response(request, incoming)


class _Response(requests.Response):
    """An answer without what nobody asks for: cookies, history, the encoding."""

    def __init__(self, request: requests.PreparedRequest, incoming: Incoming) -> None:
        self.request, self.raw = request, incoming
        self.status_code, self.headers = incoming.status, incoming.headers
        self._content = False  # type: ignore[assignment]
        self._content_consumed = False


def _content(response: requests.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(65536):
        content += chunk
        if len(content) > MAXIMUM_ANSWER_BYTES:
            break
    return bytes(content)


def _innermost(error: BaseException, handled: BaseException | None) -> BaseException:
    """Return what lies at the bottom of `error`: the layers above it print the URL, which may hold a code.

    `handled` is what the caller was handling before: it is below all errors since, and not their reason.
    """
    while (inner := error.__cause__ or error.__context__) and inner is not handled:
        error = inner
    return error


def _reason(cause: BaseException) -> str:
    """Say in a few words what happened."""
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
    return text.lower() if text[1:].islower() else text
