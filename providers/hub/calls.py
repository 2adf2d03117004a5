"""HTTP calls to the Gift Card Hub, and calls to a provider as the Hub makes them."""

from __future__ import annotations

from collections.abc import Mapping

from mappers.deadline import Deadline
from mappers.http.attempt import Connections, NoReply, Reply

__all__ = ["HttpClient", "NoReply", "Reply"]


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
