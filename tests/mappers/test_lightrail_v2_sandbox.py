"""The Lightrail V2 sandbox answers as the real server was seen to."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from mappers.lightrail_v2.sandbox import API_KEY, DEMO_OPTIONS, POINT_OF_SALE_KEY, SEEDS, create_app
from tests.mappers.lightrail_v2_api import Api, code_of


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.mark.parametrize("header", [None, "Bearer wrong", API_KEY, f"bearer {API_KEY}"])
def test_wants_a_bearer_token(api: Api, header: str | None) -> None:
    answer = api.http.get("/v2/currencies", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.get_json()) == (401, {"message": "Unauthorized", "statusCode": 401})


def test_a_point_of_sale_key_may_not_list_values(api: Api) -> None:
    api.headers = {"Authorization": f"Bearer {POINT_OF_SALE_KEY}"}
    assert api.get("/values?code=LIGHT-ACTIVE-100")[0] == 403
    assert api.get("/values/value-002")[0] == 200


def test_every_seed_is_found_by_its_code(api: Api) -> None:
    for code in SEEDS:
        answer = api.http.get("/v2/values", query_string={"code": f" {code} "}, headers=api.headers)
        assert len(answer.get_json()) == 1, code


def test_codes_are_case_sensitive_and_masked_unless_asked_for(api: Api) -> None:
    assert api.get("/values?code=light-active-100") == (200, [])
    assert api.get("/values?code=LIGHT-ACTIVE-100")[1][0]["code"] == "…-100"
    assert api.get("/values?code=LIGHT-ACTIVE-100&showCode=true")[1][0]["code"] == "LIGHT-ACTIVE-100"


def test_an_unread_body_is_not_an_object(api: Api) -> None:
    status, body = api.post("/values", data="{}", content_type="text/plain")
    assert (status, "is not of a type(s) object" in body["message"]) == (422, True)


def test_an_unparsable_body_is_a_400(api: Api) -> None:
    assert api.post("/values", data="{", content_type="application/json")[0] == 400


@pytest.mark.parametrize(
    "difference",
    [{"amount": 5.5}, {"amount": "5"}, {"amount": True}, {"amount": 0}, {"amount": 2147483648}, {"extra": 1},
     {"id": "é"}, {"id": "x" * 65}, {"id": " x"}, {"source": {"rail": "lightrail"}}, {"metadata": 1}],
)  # fmt: skip
def test_a_body_that_breaks_the_schema_is_a_422_without_a_code(api: Api, difference: dict[str, Any]) -> None:
    assert code_of(api.debit("tx", **difference)) == (422, None)


def test_a_whole_number_may_have_a_fraction_of_zero(api: Api) -> None:
    assert api.debit("tx", 5.0)[0] == 201


def test_values_and_transactions_share_their_ids(api: Api) -> None:
    assert code_of(api.debit("value-001")) == (409, "TransactionExists")


def test_a_debit_takes_and_shows_what_it_took(api: Api) -> None:
    status, body = api.debit("tx", 1000)
    assert status == 201
    assert (body["pending"], "pendingVoidDate" in body, body["totals"]) == (False, False, {"remainder": 0})
    step = body["steps"][0]
    assert (step["balanceBefore"], step["balanceChange"], step["balanceAfter"]) == (10000, -1000, 9000)
    assert (step["code"], api.balance()) == ("…-100", 9000)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("LIGHT-EXPIRED", "ValueEnded"), ("LIGHT-FROZEN", "ValueFrozen"), ("LIGHT-CANCELED", "ValueCanceled"),
        ("LIGHT-NOT-STARTED", "ValueNotStarted"), ("LIGHT-INACTIVE", "ValueInactive"),
        ("LIGHT-DOLLARS", "WrongCurrency"), ("LIGHT-RULE", "NullBalance"), ("LIGHT-ZERO", "InsufficientBalance"),
        ("UNKNOWN", "InvalidParty"),
    ],
)  # fmt: skip
def test_a_card_that_cannot_pay_is_refused_with_its_reason(api: Api, code: str, expected: str) -> None:
    assert code_of(api.debit("tx", source={"rail": "lightrail", "code": code})) == (409, expected)


ONCE = {"rail": "lightrail", "code": "LIGHT-ONCE-50"}


def test_a_debit_takes_a_use_only_where_it_says_so(api: Api) -> None:
    assert api.debit("by-amount", source=ONCE)[1]["steps"][0]["usesRemainingAfter"] == 1
    step = api.hold("one", source=ONCE, uses=1)[1]["steps"][0]
    uses = (step["usesRemainingBefore"], step["usesRemainingChange"], step["usesRemainingAfter"])
    assert uses == (1, -1, 0)
    assert code_of(api.hold("two", source=ONCE, uses=1)) == (409, "InsufficientUsesRemaining")
    assert code_of(api.debit("tx", uses=1)) == (409, "NullUses")


@pytest.mark.parametrize("end", ["void", "reverse"])
def test_what_gives_a_debit_back_gives_its_use_back(api: Api, end: str) -> None:
    api.debit("one", source=ONCE, uses=1, pending=end == "void")
    assert api.post(f"/transactions/one/{end}", {"id": "end"})[0] == 201
    assert api.model.by_code("LIGHT-ONCE-50")["usesRemaining"] == 1


def test_a_pending_debit_holds_at_once_and_says_so_for_ever(api: Api) -> None:
    api.hold()
    assert api.balance() == 9000
    api.model.advance(timedelta(seconds=1))
    api.post("/transactions/hold/capture", {"id": "cap"})
    assert api.get("/transactions/hold")[1]["pending"] is True
    assert [row["transactionType"] for row in api.get("/transactions/hold/chain")[1]] == ["debit", "capture"]


@pytest.mark.parametrize(
    ("pending", "expected"),
    [
        ("PT59M", (422, "PendingDurationTooSmall")), ("P3M1D", (422, "PendingDurationTooLarge")), ("soon", (500, None)),
        ("P", (500, None)), ("PT1H", (201, None)), ("P3M", (201, None)), ("P89D", (201, None)), (True, (201, None)),
    ],
)  # fmt: skip
def test_a_hold_lasts_from_an_hour_to_three_months(
    api: Api, pending: str | bool, expected: tuple[int, str | None]
) -> None:
    assert code_of(api.hold(pending=pending)) == expected


def test_a_lower_case_currency_fails_inside(api: Api) -> None:
    assert api.debit("tx", currency="brl")[0] == 500
    assert api.balance() == 10000


def test_a_repeat_is_answered_by_the_first_check_that_fails(api: Api) -> None:
    api.debit("tx", 4000)
    assert code_of(api.debit("tx", 4000)) == (409, "TransactionExists")
    assert code_of(api.debit("tx", 7000)) == (409, "InsufficientBalance")
    api.model.by_code("LIGHT-ACTIVE-100")["frozen"] = True
    assert code_of(api.debit("tx", 7000)) == (409, "ValueFrozen")
    assert api.balance() == 6000


@pytest.mark.parametrize(("path", "repeat"), [("capture", "TransactionCaptured"), ("void", "TransactionVoided")])
def test_a_hold_ends_only_once(api: Api, path: str, repeat: str) -> None:
    api.hold()
    assert api.post(f"/transactions/hold/{path}", {"id": "end"})[0] == 201
    for end in ("end", "other"):
        assert code_of(api.post(f"/transactions/hold/{path}", {"id": end})) == (409, repeat)
    assert api.balance() == (9000 if path == "capture" else 10000)


def test_a_capture_takes_no_amount(api: Api) -> None:
    api.hold()
    assert api.post("/transactions/hold/capture", {"id": "cap", "amount": 3})[0] == 422


def test_a_reversal_goes_through_the_capture_and_happens_once(api: Api) -> None:
    api.hold()
    api.post("/transactions/hold/capture", {"id": "cap"})
    assert code_of(api.post("/transactions/hold/reverse", {"id": "rev"})) == (409, "TransactionPending")
    assert api.post("/transactions/cap/reverse", {"id": "rev"})[0] == 201
    assert api.balance() == 10000
    assert code_of(api.post("/transactions/cap/reverse", {"id": "rev2"})) == (409, "TransactionReversed")


def test_a_simulation_moves_nothing(api: Api) -> None:
    status, body = api.debit("tx", simulate=True)
    assert (status, body["simulated"], api.balance()) == (200, True, 10000)


def test_holds_are_voided_after_their_date(api: Api) -> None:
    api.hold(pending="PT1H")
    api.model.advance(timedelta(hours=1, seconds=1))
    assert code_of(api.post("/transactions/hold/capture", {"id": "cap"})) == (409, "TransactionVoiding")
    api.model.advance(timedelta(minutes=10))
    assert code_of(api.post("/transactions/hold/capture", {"id": "cap"})) == (409, "TransactionVoided")
    void = api.get("/transactions/hold/chain")[1][-1]
    assert (void["id"].startswith("automatic-void-"), void["createdBy"]) == (True, "automatic-void")
    assert api.balance() == 10000


@pytest.mark.parametrize(
    ("change", "capture", "void"),
    [
        ({"frozen": True}, (409, "ValueFrozen"), (201, None)),
        ({"canceled": True}, (201, None), (201, None)),
        ({"endDate": "2020-01-01T00:00:00.000Z"}, (201, None), (201, None)),
        ({"active": False}, (201, None), (500, None)),
    ],
)
def test_what_a_card_became_decides_how_its_holds_can_end(
    api: Api, change: dict[str, Any], capture: tuple[int, str | None], void: tuple[int, None]
) -> None:
    api.hold("hold-1")
    api.hold("hold-2")
    assert api.patch("/values/value-002", change)[0] == 200
    assert code_of(api.post("/transactions/hold-1/capture", {"id": "cap"})) == capture
    assert code_of(api.post("/transactions/hold-2/void", {"id": "void"})) == void


def test_the_balance_cannot_be_patched(api: Api) -> None:
    assert api.patch("/values/value-002", {"balance": 1})[0] == 422


def test_a_value_is_created_once(api: Api) -> None:
    body = {"id": "new", "currency": "BRL", "balance": 100, "code": "NEW-CODE"}
    assert api.post("/values", body)[0] == 201
    assert code_of(api.post("/values", body)) == (409, "ValueIdExists")
    assert code_of(api.post("/values", body | {"id": "new-2"})) == (409, "ValueCodeExists")
    assert code_of(api.post("/values", body | {"id": "new-3", "currency": "EUR"})) == (409, "CurrencyNotFound")


def test_a_program_sets_the_currency_and_the_limits(api: Api) -> None:
    assert api.post("/values", {"id": "a", "programId": "gift-cards-usd", "balance": 100})[1]["currency"] == "USD"
    assert code_of(api.post("/values", {"id": "b", "programId": "gift-cards-brl", "balance": 1})) == (409, None)
    assert code_of(api.post("/values", {"id": "c", "programId": "none"})) == (404, "ProgramNotFound")


def test_codes_are_generated_on_request(api: Api) -> None:
    body = {"id": "new", "currency": "BRL", "generateCode": {"length": 8, "prefix": "G-"}}
    assert len(api.post("/values?showCode=true", body)[1]["code"]) == 10


def test_reads_may_lag_behind(api: Api) -> None:
    api.model.clock = lambda: datetime(2026, 1, 1, tzinfo=UTC)
    api.model.read_lag_seconds = 2
    api.hold()
    assert code_of(api.get("/transactions/hold")) == (404, "TransactionNotFound")
    api.model.advance(timedelta(seconds=2))
    assert api.get("/transactions/hold")[0] == 200


def linked(answer: TestResponse, relation: str) -> str | None:
    """Return what the Link header says to follow."""
    return {name: url for url, name in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["Link"])}.get(relation)


@pytest.fixture
def history(api: Api) -> Api:
    """One transaction a second, after the one that created the card."""
    for number in range(4):
        api.model.advance(timedelta(seconds=1))
        api.debit(f"tx-{number}", 1)
    return api


def ids(answer: TestResponse) -> list[str]:
    return [row["id"] for row in answer.get_json()]


def test_lists_come_in_pages_newest_first(history: Api) -> None:
    answer = history.http.get("/v2/transactions?valueId=value-002&limit=2", headers=history.headers)
    assert ids(answer) == ["tx-3", "tx-2"]
    assert (answer.headers["Limit"], answer.headers["Max-Limit"]) == ("2", "1000")
    answer = history.http.get(linked(answer, "next"), headers=history.headers)
    assert ids(answer) == ["tx-1", "tx-0"]
    answer = history.http.get(linked(answer, "next"), headers=history.headers)
    assert ids(answer) == ["value-002"]
    assert linked(answer, "next") is None


def test_lists_can_be_read_from_their_end(history: Api) -> None:
    answer = history.http.get("/v2/values/value-002/transactions?limit=2&last=true", headers=history.headers)
    assert ids(answer) == ["tx-0", "value-002"]
    assert linked(answer, "next") is None
    answer = history.http.get(linked(answer, "prev"), headers=history.headers)
    assert ids(answer) == ["tx-2", "tx-1"]
    answer = history.http.get(linked(answer, "prev"), headers=history.headers)
    assert ids(answer) == ["tx-3"]
    assert linked(answer, "prev") is None


def test_one_second_is_listed_in_the_order_of_ids(api: Api) -> None:
    api.model.clock = lambda: datetime(2026, 1, 1, tzinfo=UTC)
    for name in ("b", "c", "a"):
        api.debit(name, 1)
    rows = [row["id"] for row in api.get("/values/value-002/transactions")[1]]
    assert [name for name in rows if name in "abc"] == ["c", "b", "a"]


def test_lists_begin_where_they_are_asked_to(history: Api) -> None:
    third = history.get("/transactions/tx-2")[1]["createdDate"]
    rows = history.get(f"/values/value-002/transactions?createdDate.gte={third}")[1]
    assert [row["id"] for row in rows] == ["tx-3", "tx-2"]


def test_a_values_list_has_no_captures_and_a_chain_is_found_from_each_of_its_transactions(api: Api) -> None:
    api.hold()
    api.model.advance(timedelta(seconds=1))
    api.post("/transactions/hold/capture", {"id": "cap"})
    assert "cap" not in [row["id"] for row in api.get("/values/value-002/transactions")[1]]
    for name in ("hold", "cap"):
        assert [row["id"] for row in api.get(f"/transactions/{name}/chain")[1]] == ["hold", "cap"]


def test_no_such_value_has_no_transactions(api: Api) -> None:
    assert api.get("/values/nope/transactions") == (200, [])


def test_contacts_own_values(api: Api) -> None:
    assert api.post("/contacts", {"id": "ana", "email": "a@example.com"})[0] == 201
    assert code_of(api.post("/contacts", {"id": "ana"})) == (409, "ContactIdExists")
    assert [row["id"] for row in api.get("/contacts?email=a@example.com")[1]] == ["ana"]
    assert api.post("/contacts/ana/values/attach", {"code": "LIGHT-ACTIVE-10"})[1]["contactId"] == "ana"
    assert [row["id"] for row in api.get("/contacts/ana/values")[1]] == ["value-003"]
    assert [row["id"] for row in api.get("/values?contactId=ana")[1]] == ["value-003"]


def test_each_app_starts_fresh(api: Api) -> None:
    api.debit("tx")
    assert create_app().extensions["backend"].by_code("LIGHT-ACTIVE-100")["balance"] == 10000


def test_the_demo_options_point_at_it() -> None:
    assert DEMO_OPTIONS("http://127.0.0.1:1") == {"base_url": "http://127.0.0.1:1/v2", "api_key": API_KEY}
