"""Doubled slashes are one slash before routing."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from flask.testing import FlaskClient

from app.protocol.paths import CollapsedSlashes
from tests.protocol.fakes import CREDENTIALS, FakeLedger


@pytest.mark.parametrize(
    ("sent", "routed"),
    [
        ("/acme//giftcards/_search", "/acme/giftcards/_search"),
        ("//acme/giftcards", "/acme/giftcards"),
        ("/acme///giftcards//x", "/acme/giftcards/x"),
        ("/acme/giftcards", "/acme/giftcards"),
        ("", ""),
    ],
)
def test_every_run_of_slashes_becomes_one(sent: str, routed: str) -> None:
    seen: list[str] = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ["PATH_INFO"])
        return []

    CollapsedSlashes(application)({"PATH_INFO": sent}, lambda status, headers, error=None: lambda data: None)
    assert seen == [routed]


def test_a_post_with_a_double_slash_is_answered_and_keeps_its_body(stranger: FlaskClient, ledger: FakeLedger) -> None:
    response = stranger.post(
        "/acme//giftcards/card-24//transactions",
        headers=CREDENTIALS,
        data='{"operation":"Debit","value":3,"requestId":"r1"}',
    )
    assert response.status_code == 200
    assert ledger.request.request_id == "r1"
