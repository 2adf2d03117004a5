"""The Lightrail V1 sandbox moves money as its documentation says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mappers.lightrail_v1.sandbox import API_KEY, SEEDS
from mappers.lightrail_v1.sandbox_seeds import PINS
from tests.mappers.lightrail_v1_api import CODE, Api, error_of


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.mark.parametrize("header", [None, "Bearer wrong", API_KEY, f"bearer {API_KEY}"])
def test_wants_a_bearer_token(api: Api, header: str | None) -> None:
    answer = api.http.get("/v1/ping", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.get_json() == {"status": 401, "message": "Unauthorized", "code": "CREDENTIALS_INVALID"}


def test_a_ping_tells_the_mode(api: Api) -> None:
    assert api.get("/ping")[1]["user"]["mode"] == "TEST"


@pytest.mark.parametrize("code", SEEDS)
def test_every_seed_is_found_by_its_code(api: Api, code: str) -> None:
    path = f"/codes/{code.replace('%', '%25').replace('/', '%2F').replace('#', '%23')}/details"
    pin = f"?pin={PINS[code]}" if code in PINS else ""
    assert api.get(path + pin)[1]["details"]["cardId"] == api.model.by_code(code).id


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("V1ACT-100", "ACTIVE"),
        ("V1FRO-50", "FROZEN"),
        ("V1EXP-50", "EXPIRED"),
        ("V1NST-50", "NOT_STARTED"),
        ("V1CAN-50", "CANCELLED"),
        ("V1INA-50", "INACTIVE"),
    ],
)
def test_only_an_active_card_can_be_drawn_on(api: Api, code: str, state: str) -> None:
    store = api.get(f"{api.path(code)}/details")[1]["details"]["valueStores"][0]
    assert (store["state"], store["value"] > 0) == (state, True)
    assert error_of(api.transact("tx", -100, api.path(code)))[0] == (200 if state == "ACTIVE" else 400)


@pytest.mark.parametrize("path", ["/cards/none", "/cards/none/details", "/codes/none/details", "/programs/none"])
def test_what_is_not_there_is_404_with_the_status_in_the_body(api: Api, path: str) -> None:
    assert error_of(api.get(path))[0] == 404


def test_an_unknown_card_is_card_not_found(api: Api) -> None:
    assert error_of(api.get("/cards/none")) == (404, "CardNotFound")


def test_only_the_fullcode_shows_the_code(api: Api) -> None:
    assert api.get(f"{api.card}/fullcode") == (200, {"fullcode": {"code": CODE}})
    assert CODE not in str(api.get(api.card)) + str(api.get(f"{api.card}/details"))


# Transactions


def test_a_drawdown_is_negative_and_a_funding_positive(api: Api) -> None:
    _, drawn = api.transact("tx-1", -1000)
    expected = {"value": -1000, "transactionType": "DRAWDOWN", "transactionAccessMethod": "CARDID"}
    assert expected.items() <= drawn["transaction"].items()
    assert drawn["transaction"]["valueAvailableAfterTransaction"] == 9000
    assert api.transact("tx-2", 500)[1]["transaction"]["transactionType"] == "FUND"
    assert api.value() == [9500]


def test_a_code_can_only_be_drawn_on(api: Api) -> None:
    assert api.transact("tx-1", -1000, f"/codes/{CODE}")[1]["transaction"]["transactionAccessMethod"] == "RAWCODE"
    assert error_of(api.transact("tx-2", 1000, f"/codes/{CODE}"))[0] == 400
    assert api.post(f"/codes/{CODE}/transactions/x/capture", {"userSuppliedId": "c"})[0] == 404


def test_too_much_is_400_insufficient_value(api: Api) -> None:
    assert error_of(api.transact("tx", -10001)) == (400, "InsufficientValue")
    assert api.value() == [10000]


def test_another_currency_is_refused(api: Api) -> None:
    assert error_of(api.transact("tx", -1, currency="USD"))[0] == 400


@pytest.mark.parametrize("name", [None, ""])
def test_a_transaction_needs_an_id(api: Api, name: str | None) -> None:
    status, body = api.transact(name, -1)
    assert (status, body["message"]) == (400, "Missing required parameter 'userSuppliedId'")


def test_a_repeat_is_answered_with_the_first_result(api: Api) -> None:
    first = api.transact("tx", -10000)
    assert api.transact("tx", -10000) == first
    assert api.value() == [0]


def test_another_request_under_the_same_id_is_409(api: Api) -> None:
    api.transact("tx", -1000)
    assert api.transact("tx", -1001)[0] == 409
    assert api.transact("tx", -1000, metadata={"other": 1})[0] == 409
    assert api.value() == [9000]


def test_a_refusal_is_not_kept(api: Api) -> None:
    api.transact("tx", -10001)
    api.transact("more", 1)
    assert api.transact("tx", -10001)[0] == 200


def test_a_hold_takes_the_value_at_once(api: Api) -> None:
    assert api.hold()["transactionType"] == "PENDING_CREATE"
    assert api.value() == [9000]


def test_a_capture_shows_as_two_rows(api: Api) -> None:
    hold = api.hold()
    status, body = api.end(hold, "capture", "cap")
    assert (status, body["transaction"]["parentTransactionId"]) == (200, hold["transactionId"])
    assert body["transaction"]["metadata"] == {"giftbit_initial_transaction_id": hold["transactionId"]}
    assert api.types() == [
        ("DRAWDOWN", -1000), ("PENDING_CAPTURE", 1000), ("PENDING_CREATE", -1000), ("INITIAL_VALUE", 10000),
    ]  # fmt: skip
    assert api.value() == [9000]


def test_a_void_gives_the_value_back(api: Api) -> None:
    _, body = api.end(api.hold(), "void", "void")
    assert (body["transaction"]["transactionType"], body["transaction"]["value"]) == ("PENDING_VOID", 1000)
    assert api.value() == [10000]


def test_a_refund_gives_a_drawdown_back(api: Api) -> None:
    captured = api.end(api.hold(), "capture", "cap")[1]["transaction"]
    _, body = api.end(captured, "refund", "refund")
    assert (body["transaction"]["transactionType"], body["transaction"]["value"]) == ("DRAWDOWN_REFUND", 1000)
    assert api.value() == [10000]


@pytest.mark.parametrize("how", ["capture", "void"])
@pytest.mark.parametrize("again", ["capture", "void"])
def test_a_hold_ends_only_once(api: Api, how: str, again: str) -> None:
    hold = api.hold()
    first = api.end(hold, how, "end")
    assert api.end(hold, how, "end") == first
    assert api.end(hold, again, "other")[0] == 400


def test_a_refund_happens_once_and_of_drawdowns_only(api: Api) -> None:
    hold = api.hold()
    assert api.end(hold, "refund", "r1")[0] == 400
    captured = api.end(hold, "capture", "cap")[1]["transaction"]
    assert [api.end(captured, "refund", name)[0] for name in ("r2", "r3")] == [200, 400]


def test_a_frozen_card_makes_no_transactions_until_unfrozen(api: Api) -> None:
    hold = api.hold()
    frozen = api.post(f"{api.card}/freeze", {"userSuppliedId": "f"})[1]["transaction"]
    assert (frozen["transactionType"], frozen["value"]) == ("FREEZE", -9000)
    assert [api.end(hold, how, how)[0] for how in ("capture", "void")] == [400, 400]
    assert api.transact("tx", -1)[0] == 400
    assert api.post(f"{api.card}/unfreeze", {"userSuppliedId": "u"})[1]["transaction"]["value"] == 9000
    assert api.end(hold, "capture", "later")[0] == 200


def test_an_activated_card_can_be_used(api: Api) -> None:
    card = api.path("V1INA-50")
    assert api.post(f"{card}/activate", {"userSuppliedId": "a"})[1]["transaction"]["value"] == 5000
    assert api.transact("tx", -5000, card)[0] == 200


def test_a_canceled_card_can_end_its_holds_only(api: Api) -> None:
    hold = api.hold()
    assert api.post(f"{api.card}/cancel", {"userSuppliedId": "c"})[1]["card"]["cardId"] == hold["cardId"]
    assert api.transact("tx", -1)[0] == 400
    assert api.end(hold, "capture", "cap")[0] == 200


def test_a_card_expires_as_time_passes(api: Api) -> None:
    api.model.advance(timedelta(days=365 * 100))
    assert api.transact("tx", -1, api.path("V1ACT-250"))[0] == 400


def test_transactions_are_found_by_id_and_type(api: Api) -> None:
    hold = api.hold()
    api.end(hold, "capture", "cap")
    rows = api.get(f"{api.card}/transactions?userSuppliedId=cap")[1]["transactions"]
    assert [row["transactionType"] for row in rows] == ["DRAWDOWN"]
    rows = api.get(f"{api.card}/transactions?transactionType=PENDING_CREATE")[1]["transactions"]
    assert rows == [hold]
    assert api.get(f"{api.card}/transactions/{hold['transactionId']}") == (200, {"transaction": hold})
