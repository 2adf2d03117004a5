"""Every error becomes a status, a code and a sentence; nothing secret becomes anything."""

from __future__ import annotations

import inspect
import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from gunicorn.http.errors import InvalidChunkSize

from app.ledger import errors as ledger_errors
from app.protocol.errors import InvalidRequest, status_of
from mappers import base
from mappers.money import InvalidAmount
from tests.protocol.fakes import CODE, FakeCards, FakeLedger, FakeSettings, HubCall

MEDIA_TYPES = [
    "application/vnd.vtex.giftcards.v1+json",
    "application/vnd.vtex.giftcardproviders.v1+json",
    "application/json",
]

# Roots are never raised themselves: a row for one would hide that a new error has none.
ROOTS = {base.MapperError, base.Refused, ledger_errors.LedgerError}

CODES = [
    (InvalidRequest("no"), 400, "InvalidRequest"),
    (InvalidAmount("no"), 400, "InvalidRequest"),
    (base.CardNotFound("no"), 404, "CardNotFound"),
    (ledger_errors.TransactionNotFound("no"), 404, "TransactionNotFound"),
    (base.InsufficientFunds("no"), 422, "InsufficientFunds"),
    (base.CardUnusable("no"), 422, "CardUnusable"),
    (base.Unsupported("no"), 422, "Unsupported"),
    (ledger_errors.AmountExceeded("no"), 422, "AmountExceeded"),
    (base.Conflict("no"), 409, "Conflict"),
    (ledger_errors.RequestConflict("no"), 409, "Conflict"),
    (base.BackendUnavailable("no"), 503, "BackendUnavailable"),
    (base.OutcomeUnknown("no"), 504, "OutcomeUnknown"),
    (base.Undecidable("no"), 504, "OutcomeUnknown"),
    (ledger_errors.Unresolved("no"), 503, "TransactionUnresolved"),
    (ledger_errors.LedgerUnavailable("no"), 503, "LedgerUnavailable"),
]


EXPORTED = [
    kind
    for module in (base, ledger_errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == module.__name__
]
# InvalidOptions stops the boot; no request ever sees it.
NOT_RAISED_BY_USE_CASES = ROOTS | {base.InvalidOptions}


@pytest.mark.parametrize("kind", [kind for kind in EXPORTED if kind not in NOT_RAISED_BY_USE_CASES])
def test_every_error_of_the_mappers_and_the_ledger_has_a_status_and_a_code(kind: type[Exception]) -> None:
    assert status_of(kind("no")) is not None


@pytest.fixture
def debit(call: HubCall) -> HubCall:
    body = {
        "operation": "Debit",
        "value": 3,
        "requestId": "r1",
        "redemptionCode": CODE,
        "redemptionToken": "TOKEN-1234",
    }
    return lambda **more: call("POST", "/giftcards/card-24/transactions", json=body | more)


@pytest.mark.parametrize(("failure", "status", "code"), CODES)
def test_an_error_is_answered_with_a_json_body(
    debit: HubCall, ledger: FakeLedger, failure: Exception, status: int, code: str
) -> None:
    ledger.failure = failure
    response = debit()
    assert response.status_code == status
    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    message = "there is no such card" if code == "CardNotFound" else "no"
    assert json.loads(response.data) == {"error": {"code": code, "message": message, "exception": None}}


@pytest.mark.parametrize(("seconds", "header"), [(1.2, "2"), (0, "0"), (None, None)])
def test_a_backend_that_says_when_to_come_back_is_quoted(
    debit: HubCall, ledger: FakeLedger, seconds: float | None, header: str | None
) -> None:
    ledger.failure = base.BackendUnavailable("busy", retry_after_seconds=seconds)
    assert debit().headers.get("Retry-After") == header


class TestUnexpected:
    def test_it_is_a_500_that_names_the_place_in_our_log_and_nothing_else(
        self, call: HubCall, ledger: FakeLedger, logs: list[Any]
    ) -> None:
        ledger.failure = RuntimeError("the inner workings")
        response = call("GET", "/giftcards/card-24/transactions", headers={"x-vtex-operation-id": "op-1"})
        assert response.status_code == 500
        assert response.get_json()["error"]["code"] == "InternalError"
        assert "op-1" in response.get_json()["error"]["message"]
        assert "inner workings" not in response.text

    def test_it_is_logged_with_its_traceback(self, debit: HubCall, ledger: FakeLedger, logs: list[Any]) -> None:
        ledger.failure = RuntimeError("the inner workings")
        debit()
        (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
        assert "Traceback" in entry["exception"]
        assert "RuntimeError: the inner workings" in entry["exception"]

    def test_codes_and_tokens_of_the_request_are_masked_there(
        self, debit: HubCall, ledger: FakeLedger, logs: list[Any]
    ) -> None:
        cause = KeyError(f"https://backend/cards/{CODE}?token=TOKEN-1234")
        ledger.failure = RuntimeError(f"no card {CODE!r}")
        ledger.failure.__cause__ = cause
        debit()
        assert "RuntimeError" in str(logs)
        assert CODE not in str(logs)
        assert "TOKEN-1234" not in str(logs)

    def test_a_percent_encoded_code_is_masked_too(self, debit: HubCall, ledger: FakeLedger, logs: list[Any]) -> None:
        ledger.failure = RuntimeError("GET /cards/XTYB-IOBW%2FWL%2BJE%3D.SEYG")
        debit()
        assert "XTYB" not in str(logs)


class TestPathsAndMethods:
    def test_an_unknown_path_is_a_404(self, call: HubCall) -> None:
        response = call("GET", "/nothing/here")
        assert (response.status_code, response.get_json()["error"]["code"]) == (404, "NotFound")

    @pytest.mark.parametrize("path", ["/", "/acme", "/favicon.ico"])
    def test_a_path_of_nobody_is_a_404_for_anybody(self, stranger: FlaskClient, path: str) -> None:
        response = stranger.get(path)
        assert (response.status_code, response.get_json()["error"]["code"]) == (404, "NotFound")

    @pytest.mark.parametrize("method", ["DELETE", "PUT", "OPTIONS"])
    def test_another_method_is_a_405_that_names_the_right_ones(self, call: HubCall, method: str) -> None:
        response = call(method, "/giftcards/card-24/transactions")
        assert (response.status_code, response.get_json()["error"]["code"]) == (405, "MethodNotAllowed")
        assert response.headers["Allow"] == "GET, HEAD, POST"
        assert "GET, HEAD, POST" in response.get_json()["error"]["message"]

    def test_a_method_nobody_takes_at_all_is_json_as_well(self, stranger: FlaskClient) -> None:
        response = stranger.post("/health")
        assert (response.status_code, response.get_json()["error"]["code"]) == (405, "MethodNotAllowed")

    def test_a_bad_card_id_in_the_path_is_no_card(self, call: HubCall, cards: FakeCards) -> None:
        response = call("GET", "/giftcards/b64-!!")
        assert (response.status_code, response.get_json()["error"]["code"]) == (404, "CardNotFound")
        assert cards.calls == []

    def test_a_bad_transaction_id_in_the_path_is_no_transaction(self, call: HubCall, ledger: FakeLedger) -> None:
        response = call("GET", "/giftcards/card-24/transactions/a%20b/settlements")
        assert (response.status_code, response.get_json()["error"]["code"]) == (404, "TransactionNotFound")
        assert ledger.calls == []


class TestBodies:
    @pytest.mark.parametrize("path", ["", "/_search", "/card-24/transactions"])
    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"a":1,"a":1}', b'{"a":NaN}', b'{"a":' * 50_000])
    def test_what_is_no_json_object_is_a_400(
        self, call: HubCall, ledger: FakeLedger, cards: FakeCards, path: str, data: bytes
    ) -> None:
        response = call("POST", f"/giftcards{path}", data=data)
        assert (response.status_code, response.get_json()["error"]["code"]) == (400, "InvalidRequest")
        assert ledger.calls == cards.calls == []

    @pytest.mark.parametrize("value", [b"NaN", b"true", b"-3", b"0", b"1e400", b'"3"', b"null", b"1.005"])
    def test_what_is_no_amount_is_a_400_and_moves_nothing(
        self, call: HubCall, ledger: FakeLedger, value: bytes
    ) -> None:
        for path in ("", "/gb-07aa/settlements", "/gb-07aa/cancellations"):
            data = b'{"operation":"Debit","requestId":"r","value":' + value + b"}"
            response = call("POST", f"/giftcards/card-24/transactions{path}", data=data)
            assert (response.status_code, response.get_json()["error"]["code"]) == (400, "InvalidRequest")
        assert ledger.calls == []

    @pytest.mark.parametrize(
        "content_type", [*MEDIA_TYPES, "text/plain", "application/x-www-form-urlencoded", "", None]
    )
    @pytest.mark.parametrize("accept", [*MEDIA_TYPES, "text/html", ""])
    def test_json_is_json_whatever_the_media_type_says(
        self, call: HubCall, content_type: str | None, accept: str
    ) -> None:
        data = b'{"operation":"Debit","value":3,"requestId":"r"}'
        arguments = {"data": data, "headers": {"Accept": accept}, "content_type": content_type}
        response = call("POST", "/giftcards/card-24/transactions", **arguments)
        assert (response.status_code, response.mimetype) == (200, "application/json")

    def test_a_body_at_the_limit_is_read_and_one_over_it_is_a_413(
        self, call: HubCall, ledger: FakeLedger, settings: FakeSettings
    ) -> None:
        body = b'{"operation":"Debit","value":3,"requestId":"r"}'
        response = call("POST", "/giftcards/c/transactions", data=body.ljust(settings.maximum_body_bytes))
        assert response.status_code == 200
        response = call("POST", "/giftcards/c/transactions", data=body.ljust(settings.maximum_body_bytes + 1))
        assert (response.status_code, response.get_json()["error"]["code"]) == (413, "BodyTooLarge")
        assert "4194304" in response.get_json()["error"]["message"]
        assert len(ledger.calls) == 1

    def test_a_body_over_the_limit_in_chunks_is_a_413_too(
        self, call: HubCall, ledger: FakeLedger, settings: FakeSettings
    ) -> None:
        body = b'{"operation":"Debit","value":3,"requestId":"r"}'.ljust(settings.maximum_body_bytes + 1)
        chunked = {"input_stream": io.BytesIO(body), "environ_overrides": {"wsgi.input_terminated": True}}
        headers = {"Transfer-Encoding": "chunked"}
        response = call("POST", "/giftcards/c/transactions", headers=headers, **chunked)
        assert (response.status_code, response.get_json()["error"]["code"]) == (413, "BodyTooLarge")
        assert ledger.calls == []

    def test_a_search_whose_cart_is_over_the_limit_finds_nothing(
        self, call: HubCall, cards: FakeCards, settings: FakeSettings, logs: list[Any]
    ) -> None:
        """The Hub searches for every shopper: an error would break the payment page of one who has no card."""
        response = call("POST", "/giftcards/_search", data=b"{}".ljust(settings.maximum_body_bytes + 1))
        assert (response.status_code, response.get_json(), cards.calls) == (200, [], [])
        assert [entry["log_level"] for entry in logs] == ["warning"]

    @pytest.mark.parametrize("path", ["_search", "card-24/transactions", "card-24/transactions/gb-07aa/settlements"])
    def test_a_body_shorter_than_announced_is_a_400_and_moves_nothing(
        self, call: HubCall, ledger: FakeLedger, cards: FakeCards, path: str
    ) -> None:
        """The connection broke after a part that is JSON: nobody knows what else was said."""
        body = b'{"operation":"Debit","value":3,"requestId":"r"}'
        cut = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(body) + 1)}
        response = call("POST", f"/giftcards/{path}", environ_overrides=cut)
        assert (response.status_code, response.get_json()["error"]["code"]) == (400, "InvalidRequest")
        assert "shorter than its Content-Length" in response.get_json()["error"]["message"]
        assert ledger.calls == cards.calls == []

    @pytest.mark.parametrize("failure", [TimeoutError("CANARY"), InvalidChunkSize(b"CANARY")])
    def test_a_body_that_cannot_be_read_is_a_400_without_its_text(
        self, call: HubCall, ledger: FakeLedger, logs: list[Any], failure: Exception
    ) -> None:
        class Broken(io.RawIOBase):
            def readinto(self, _: Any) -> int:
                raise failure

        broken = {"wsgi.input": Broken(), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        response = call("POST", "/giftcards/card-24/transactions", environ_overrides=broken)
        assert (response.status_code, response.get_json()["error"]["code"]) == (400, "InvalidRequest")
        assert "CANARY" not in f"{response.get_data()!r} {logs}"
        assert ledger.calls == []

    def test_a_body_in_chunks_is_read(self, call: HubCall, ledger: FakeLedger) -> None:
        body = io.BytesIO(b'{"operation":"Debit","value":3,"requestId":"r"}')
        chunked = {"input_stream": body, "environ_overrides": {"wsgi.input_terminated": True}}
        headers = {"Transfer-Encoding": "chunked"}
        assert call("POST", "/giftcards/c/transactions", headers=headers, **chunked).status_code == 200
        assert ledger.request.request_id == "r"

    def test_extra_headers_and_queries_are_ignored(self, call: HubCall) -> None:
        headers = {"x-vtex-debug-id": "", "traceparent": "00-1-2-00", "baggage": "a=b", "accept-encoding": "br"}
        assert call("GET", "/giftcards/card-24/transactions?ts=1716239022", headers=headers).status_code == 200
