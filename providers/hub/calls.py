"""HTTP calls to the Gift Card Hub, and calls to a provider as the Hub makes them."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from functools import cached_property
from ssl import SSLContext
from urllib.parse import urlsplit

import certifi

from mappers.deadline import Deadline
from mappers.http.attempt import Connections, NoReply, Reply
from mappers.http.sockets import tls_context

__all__ = ["HangingUp", "HttpClient", "NoReply", "Reply"]


class HttpClient:
    """Makes calls that end by their deadline; shared by threads."""

    def __init__(self) -> None:
        self._connections = Connections()

    def call(
        self, method: str, url: str, *, headers: Mapping[str, str], deadline: Deadline, content: bytes | None = None
    ) -> Reply:
        """Send one request, once. Raises NoReply."""
        reply = self._connections.attempt(method, url, headers=headers, content=content, deadline=deadline)
        if reply.too_large:
            raise NoReply("an answer larger than any of the protocol", sent=True)
        return reply


class HangingUp:
    """Sends whole requests and cuts the connection before an answer, as a network does that breaks."""

    def call(
        self, method: str, url: str, *, headers: Mapping[str, str], deadline: Deadline, content: bytes | None = None
    ) -> Reply:
        """Send one request, once. Raises NoReply, always."""
        address = urlsplit(url)
        seconds = deadline.remaining_seconds()
        connection = (
            http.client.HTTPSConnection(address.netloc, timeout=seconds, context=self._tls)
            if address.scheme == "https"
            else http.client.HTTPConnection(address.netloc, timeout=seconds)
        )
        try:
            connection.request(method, address._replace(scheme="", netloc="").geturl(), content, dict(headers))
        except (OSError, http.client.HTTPException) as error:
            raise NoReply(type(error).__name__, sent=False) from error
        finally:
            connection.close()
        raise NoReply("the connection was cut on purpose", sent=True)

    @cached_property
    def _tls(self) -> SSLContext:
        return tls_context(certifi.where())
