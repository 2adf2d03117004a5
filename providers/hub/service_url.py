"""A provider's serviceUrl, called the way the Gift Card Hub calls it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from mappers.base import Secret
from mappers.deadline import Deadline
from mappers.exact_json import encode
from providers.hub.calls import Reply

MEDIA_TYPE = "application/vnd.vtex.giftcards.v1+json"

# The Hub waits no longer than this for any answer, and then tells the merchant 401.
HUB_SECONDS = 15.0

# At checkout, for one card.
CARD_SECONDS = 1.5


class Http(Protocol):
    """What sends one request: `HttpClient`, or something in this process."""

    def call(
        self, method: str, url: str, *, headers: Mapping[str, str], deadline: Deadline, content: bytes | None = None
    ) -> Reply:
        """Send one request, once. Raises NoReply."""


class ServiceCaller:
    """Makes the calls of the protocol below one serviceUrl, slashes doubled as the Hub doubles them."""

    def __init__(self, http: Http, service_url: str, app_key: str | None = None, app_token: str | None = None) -> None:
        """A credential that is None is not sent."""
        self._http = http
        self._url = service_url
        self._credentials = {
            name: Secret(value)
            for name, value in (("X-PROVIDER-API-AppKey", app_key), ("X-PROVIDER-API-AppToken", app_token))
            if value is not None
        }

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        deadline: Deadline,
        slash: str = "/",
        headers: Mapping[str, str | None] | None = None,
        content: bytes | None = None,
    ) -> Reply:
        """Make one call to `path` ("/giftcards/...", segments encoded). Raises NoReply.

        `headers` replace those of the same name; None leaves one out. `content` is sent as it is, instead of `body`.
        """
        sent: dict[str, str | None] = {
            "Accept": MEDIA_TYPE,
            "REST-Range": "resources=0-9",
            "x-vtex-operation-id": str(uuid.uuid4()),
            "x-vtex-debug-id": "",
            **({} if body is None and content is None else {"Content-Type": MEDIA_TYPE}),
            **self._credentials,
            **(headers or {}),
        }
        if body is not None and content is None:
            content = encode(body).encode()
        given = {name: value for name, value in sent.items() if value is not None}
        return self._http.call(method, self._url + slash + path, headers=given, content=content, deadline=deadline)

    def search(
        self,
        code: str | None,
        *,
        deadline: Deadline,
        slash: str = "/",
        client: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Look for the card with a code, or (None) for the client's own. Raises NoReply."""
        cart = {"redemptionCode": code, "relationName": None, "grandTotal": 0, "items": (), "itemsTotal": 0}
        body = {"client": dict(client or {}), "cart": cart}
        return self.call("POST", "/giftcards/_search", body, deadline=deadline, slash=slash)


def card_path(card_id: str) -> str:
    return f"/giftcards/{quote(card_id, safe='')}"


def transaction_path(card_id: str, transaction_id: str) -> str:
    return f"{card_path(card_id)}/transactions/{quote(transaction_id, safe='')}"
