"""Credentials come first: before paths, methods and bodies, and never with a body of their own."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient
from structlog.contextvars import bound_contextvars, get_contextvars
from werkzeug.test import TestResponse

from tests.protocol.fakes import APP_KEY, APP_TOKEN, CREDENTIALS, FakeCards, FakeLedger, HubCall

CALLS = [
    ("POST", "/giftcards/_search"),
    ("GET", "/giftcards/card-24"),
    ("POST", "/giftcards"),
    ("POST", "/giftcards/card-24/transactions"),
    ("GET", "/giftcards/card-24/transactions"),
    ("GET", "/giftcards/card-24/transactions/gb-07aa"),
    ("GET", "/giftcards/card-24/transactions/gb-07aa/authorization"),
    ("POST", "/giftcards/card-24/transactions/gb-07aa/settlements"),
    ("GET", "/giftcards/card-24/transactions/gb-07aa/settlements"),
    ("POST", "/giftcards/card-24/transactions/gb-07aa/cancellations"),
    ("GET", "/giftcards/card-24/transactions/gb-07aa/cancellations"),
]
NOT_CALLS = [
    ("GET", "/nothing/here"),
    ("GET", "/giftcards"),
    ("DELETE", "/giftcards/card-24"),
    ("GET", "/giftcards/..b"),
]

MISSING = [
    {},
    {"X-PROVIDER-API-AppKey": APP_KEY},
    {"X-PROVIDER-API-AppToken": APP_TOKEN},
    {"X-PROVIDER-API-AppKey": "", "X-PROVIDER-API-AppToken": APP_TOKEN},
    {"X-PROVIDER-API-AppKey": APP_KEY, "X-PROVIDER-API-AppToken": "  "},
]
WRONG = [
    {"X-PROVIDER-API-AppKey": APP_KEY, "X-PROVIDER-API-AppToken": "wrong"},
    {"X-PROVIDER-API-AppKey": "wrong", "X-PROVIDER-API-AppToken": APP_TOKEN},
]


def assert_empty(response: TestResponse, status: int) -> None:
    assert response.status_code == status
    assert response.data == b""
    assert "Content-Type" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), CALLS + NOT_CALLS)
@pytest.mark.parametrize("provider", ["acme", "unknown"])
def test_without_credentials_every_path_of_any_provider_is_an_empty_401(
    stranger: FlaskClient, provider: str, method: str, path: str
) -> None:
    for headers in MISSING:
        assert_empty(stranger.open(f"/{provider}{path}", method=method, headers=headers, data="not JSON"), 401)


@pytest.mark.parametrize(("method", "path"), CALLS + NOT_CALLS)
def test_with_wrong_credentials_every_path_is_an_empty_403(stranger: FlaskClient, method: str, path: str) -> None:
    for headers in WRONG:
        assert_empty(stranger.open(f"/acme{path}", method=method, headers=headers, data="not JSON"), 403)


@pytest.mark.parametrize(("method", "path"), CALLS + NOT_CALLS)
def test_an_unknown_provider_answers_as_to_wrong_credentials(stranger: FlaskClient, method: str, path: str) -> None:
    assert_empty(stranger.open(f"/unknown{path}", method=method, headers=CREDENTIALS, data="not JSON"), 403)


def test_nothing_is_run_without_credentials(stranger: FlaskClient, ledger: FakeLedger, cards: FakeCards) -> None:
    for method, path in CALLS:
        stranger.open(f"/acme{path}", method=method, data='{"operation":"Debit","value":3,"requestId":"r1"}')
        stranger.open(f"/acme{path}", method=method, headers=WRONG[0], data='{"value":3,"requestId":"r1"}')
    assert ledger.calls == cards.calls == []


def test_a_body_over_the_limit_is_not_looked_at_without_credentials(stranger: FlaskClient) -> None:
    assert_empty(stranger.post("/acme/giftcards", data=b"x" * 300_000), 401)


def test_header_names_are_known_in_any_case(stranger: FlaskClient, ledger: FakeLedger) -> None:
    headers = {name.lower(): value for name, value in CREDENTIALS.items()}
    assert stranger.get("/acme/giftcards/card-24/transactions", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/-/console/cards"])
def test_the_service_s_own_paths_need_no_credentials_of_a_provider(stranger: FlaskClient, path: str) -> None:
    assert stranger.get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/-/console/cards", 405), ("GET", "/-/console/x", 404)]
)
def test_mistakes_below_the_service_s_own_paths_are_no_matter_of_credentials(
    stranger: FlaskClient, method: str, path: str, status: int
) -> None:
    assert stranger.open(path, method=method).status_code == status


class TestCorrelationId:
    @pytest.fixture
    def bound(self, ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
        """What is bound to every log line while the use case runs."""
        seen = SimpleNamespace()
        monkeypatch.setattr(ledger, "transactions", lambda *_: seen.__dict__.update(get_contextvars()) or [])
        return seen

    @pytest.mark.parametrize(
        ("sent", "name"),
        [
            ("0e8a7f5c-1d9b-4f37-a2f9-1e8ab0b0a111", "0e8a7f5c-1d9b-4f37-a2f9-1e8ab0b0a111"),
            ('evil" level=info \x7f<b>{}', "evillevelinfob"),
            ("x" * 5000, "x" * 72),
        ],
    )
    def test_the_operation_id_of_vtex_names_the_call_in_our_logs_made_harmless(
        self, call: HubCall, bound: SimpleNamespace, sent: str, name: str
    ) -> None:
        call("GET", "/giftcards/card-24/transactions", headers={"x-vtex-operation-id": sent})
        assert (bound.correlation_id, bound.provider) == (name, "acme")

    @pytest.mark.parametrize("headers", [{}, {"x-vtex-operation-id": ""}, {"x-vtex-operation-id": "()"}])
    def test_without_one_each_call_gets_its_own(
        self, call: HubCall, bound: SimpleNamespace, headers: dict[str, str]
    ) -> None:
        names = set()
        for _ in range(2):
            call("GET", "/giftcards/card-24/transactions", headers=headers)
            assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bound.correlation_id)
            names.add(bound.correlation_id)
        assert len(names) == 2

    def test_nothing_is_left_over_from_the_request_before(self, call: HubCall, bound: SimpleNamespace) -> None:
        with bound_contextvars(left="over"):
            call("GET", "/giftcards/card-24/transactions")
        assert set(vars(bound)) == {"correlation_id", "provider"}

    def test_it_goes_with_the_money(self, call: HubCall, ledger: FakeLedger) -> None:
        call(
            "POST",
            "/giftcards/card-24/transactions/gb-07aa/settlements",
            headers={"x-vtex-operation-id": "op-1"},
            json={"value": 1, "requestId": "r"},
        )
        assert ledger.request.caller.correlation_id == "op-1"
