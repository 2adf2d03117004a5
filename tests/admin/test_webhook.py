"""A notice is a signed POST: what the documents show verifies it, and nothing else passes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.admin.notices.notice import NotDelivered, Notice
from app.admin.notices.webhook import Webhook
from tests.docs.documents import document
from tests.notices import Receiver, receiving

SECRET = "whsec_" + base64.b64encode(b"a key of at least 24 bytes").decode()
NOTICE = Notice(
    "ntc_1",
    datetime(2030, 1, 31, 10, 0, 5, tzinfo=UTC),
    "ledger-1",
    {"kind": "not reconciled", "what": "Something happened.", "amount": "40.00"},
)

Verified = Callable[[str, dict[str, str], bytes], bool]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def verified() -> Verified:
    """What the documents show to whoever writes a receiver."""
    (block,) = document("docs/notices.md").blocks("python")
    names: dict[str, Any] = {}
    exec(compile(block, "docs/notices.md", "exec"), names)
    return names["verified"]  # type: ignore[no-any-return]


def test_what_the_documents_show_verifies_it(receiver: Receiver, verified: Verified) -> None:
    Webhook(receiver.url, SECRET).send([NOTICE])
    ((headers, content),) = receiver.got
    assert verified(SECRET, headers, content)
    other = "whsec_" + base64.b64encode(b"another key of 24 bytes or more").decode()
    assert not verified(other, headers, content)
    assert not verified(SECRET, headers, content.replace(b"40.00", b"90.00"))
    assert not verified(SECRET, headers | {"webhook-id": "ntc_2"}, content)
    later = str(int(headers["webhook-timestamp"]) + 1)
    assert not verified(SECRET, headers | {"webhook-timestamp": later}, content)
    long_ago = str(int(headers["webhook-timestamp"]) - 600)
    assert not verified(SECRET, headers | {"webhook-timestamp": long_ago}, content)


def test_it_is_json_with_an_id_that_stays(receiver: Receiver) -> None:
    webhook = Webhook(receiver.url, SECRET)
    webhook.send([NOTICE])
    webhook.send([NOTICE])
    (headers, content), (_, again) = receiver.got
    assert again == content
    assert headers["content-type"] == "application/json"
    sent = json.loads(content)
    assert sent["id"] == headers["webhook-id"] == "ntc_1"
    assert (sent["type"], sent["timestamp"], sent["ledger"]) == (
        "attention.not_reconciled",
        "2030-01-31T10:00:05Z",
        "ledger-1",
    )
    assert sent["data"] == NOTICE.data


def test_a_sample_is_marked_as_one(receiver: Receiver) -> None:
    Webhook(receiver.url, SECRET).send([replace(NOTICE, is_test=True)])
    assert json.loads(receiver.got[0][1])["type"] == "test"


def test_the_documents_show_what_is_sent(receiver: Receiver) -> None:
    (block,) = document("docs/notices.md").blocks("json")
    Webhook(receiver.url, SECRET).send([NOTICE])
    assert json.loads(block).keys() == json.loads(receiver.got[0][1]).keys()


@pytest.mark.parametrize("status", [301, 400, 401, 410, 429, 500, 503])
def test_any_other_answer_is_no_delivery(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(NotDelivered, match=f"HTTP {status}"):
        Webhook(receiver.url, SECRET).send([NOTICE])


def test_no_answer_is_no_delivery() -> None:
    with pytest.raises(NotDelivered, match="no answer"):
        Webhook("http://127.0.0.1:1/hook", SECRET).send([NOTICE])


def test_the_secret_is_in_nothing_that_is_sent(receiver: Receiver) -> None:
    Webhook(receiver.url, SECRET).send([NOTICE])
    ((headers, content),) = receiver.got
    everything = f"{headers} {content!r}"
    assert SECRET.removeprefix("whsec_") not in everything
    assert "a key of at least" not in everything
