"""Sends notices to a URL, each as a signed POST; the format is that of standardwebhooks.com, version 1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence

from app.admin.notices.notice import NotDelivered, Notice, iso
from mappers.deadline import Deadline
from providers.hub.calls import HttpClient, NoReply

# For one notice: to connect, to send it and to be answered.
ANSWER_SECONDS = 10.0


class Webhook:
    """A URL that takes notices, and answers with any 2xx once it has one."""

    name = "webhook"
    at_a_time = 1

    def __init__(self, url: str, secret: str) -> None:
        """`secret`: `whsec_` and the key in Base64."""
        self._url = url
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._client = HttpClient()

    def send(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            self._send(notice)

    def _send(self, notice: Notice) -> None:
        content, now = body(notice), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notice.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._key, notice.id, now, content),
        }
        deadline = Deadline.after(ANSWER_SECONDS)
        try:
            reply = self._client.call("POST", self._url, headers=headers, content=content, deadline=deadline)
        except NoReply as error:
            raise NotDelivered(f"no answer: {error}") from error
        if not 200 <= reply.status < 300:
            raise NotDelivered(f"it was answered with HTTP {reply.status}")


def body(notice: Notice) -> bytes:
    """Return what is sent of a notice; the same each time."""
    kind = "test" if notice.is_test else f"attention.{notice.data['kind'].replace(' ', '_')}"
    payload = {
        "id": notice.id,
        "type": kind,
        "timestamp": iso(notice.found),
        "ledger": notice.ledger,
        "data": notice.data,
    }
    return json.dumps(payload, separators=(",", ":")).encode()


def signature(key: bytes, notice_id: str, timestamp: int, content: bytes) -> str:
    """Return the value of the header `webhook-signature`."""
    signed = b".".join((notice_id.encode(), str(timestamp).encode(), content))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
