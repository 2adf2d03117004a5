"""The Voucherify sandbox answers as the API reference says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from mappers.voucherify.sandbox import APP_ID, APP_TOKEN, SEEDS, create_app
from mappers.voucherify.sandbox_model import Voucherify

CODE = "VOUCHERIFY-ACTIVE-100"


@pytest.fixture
def app() -> Flask:
    return create_app()


@pytest.fixture
def backend(app: Flask) -> Voucherify:
    answer: Voucherify = app.extensions["backend"]
    return answer


@pytest.fixture
def call(app: Flask) -> Callable[..., tuple[int, Any]]:
    client = app.test_client()

    def call(
        method: str, path: str, body: dict[str, Any] | None = None, app_id: str = APP_ID, token: str = APP_TOKEN
    ) -> tuple[int, Any]:
        headers = {"X-App-Id": app_id, "X-App-Token": token}
        response = client.open(path, method=method, json=body, headers=headers)
        return response.status_code, response.get_json(silent=True)

    return call


def redeem(call: Callable[..., tuple[int, Any]], amount: int = 500, code: str = CODE, **order: Any) -> tuple[int, Any]:
    body = {
        "redeemables": [{"object": "voucher", "id": code, "gift": {"credits": amount}}],
        "order": {"amount": amount, **order},
        "metadata": {"note": "kept"},
    }
    answer: tuple[int, Any] = call("POST", "/v1/redemptions", body)
    return answer


@pytest.mark.parametrize(("app_id", "token"), [(APP_ID, "wrong"), ("wrong", APP_TOKEN)])
def test_credentials_are_required_everywhere(call: Callable[..., tuple[int, Any]], app_id: str, token: str) -> None:
    for path in ("/v1/vouchers", f"/v1/vouchers/{CODE}", "/nothing"):
        assert call("GET", path, app_id=app_id, token=token)[0] == 401


def test_every_seed_exists_with_an_id_that_does_not_tell_its_code(backend: Voucherify) -> None:
    assert {voucher.code for voucher in backend.vouchers.values()} == set(SEEDS)
    assert all(re.fullmatch(r"v_[0-9a-f]{32}", voucher_id) for voucher_id in backend.vouchers)


def test_a_voucher_is_found_by_code_and_by_id(call: Callable[..., tuple[int, Any]], backend: Voucherify) -> None:
    by_code = call("GET", f"/v1/vouchers/{CODE}")
    assert by_code == call("GET", f"/v1/vouchers/{backend.find(CODE).id}")
    assert by_code[1]["gift"] == {"amount": 10000, "balance": 10000, "effect": "APPLY_TO_ORDER"}


def test_an_unknown_voucher_is_resource_not_found(call: Callable[..., tuple[int, Any]]) -> None:
    status, error = call("GET", "/v1/vouchers/NO")
    assert (status, error["code"], error["key"]) == (404, 404, "resource_not_found")


def test_a_redemption_takes_its_credits_each_time_it_is_asked_for(
    call: Callable[..., tuple[int, Any]], backend: Voucherify
) -> None:
    for balance in (9500, 9000):
        status, answer = redeem(call, source_id="gb-1")
        [redemption] = answer["redemptions"]
        assert (status, redemption["amount"], redemption["result"]) == (200, 500, "SUCCESS")
        assert redemption["voucher"]["gift"]["balance"] == balance == backend.find(CODE).balance


def test_only_codes_are_redeemed(call: Callable[..., tuple[int, Any]], backend: Voucherify) -> None:
    assert redeem(call, code=backend.find(CODE).id)[1]["key"] == "resource_not_found"


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (CODE, "gift_amount_exceeded"),
        ("VOUCHERIFY-EXPIRED-50", "voucher_expired"),
        ("VOUCHERIFY-NOT-STARTED-50", "voucher_not_active"),
        ("VOUCHERIFY-DISABLED-50", "voucher_disabled"),
    ],
)
@pytest.mark.parametrize("partial", [True, False])
def test_a_refused_redemption_names_its_reason(
    call: Callable[..., tuple[int, Any]], backend: Voucherify, code: str, key: str, partial: bool
) -> None:
    backend.partial = partial
    status, answer = redeem(call, 10001, code)
    if partial:
        assert (status, answer["redemptions"]) == (200, [])
        answer = answer["inapplicable_redeemables"][0]["result"]["error"]
    assert (answer["code"], answer["key"]) == (400, key)
    assert backend.find(CODE).balance == 10000


def test_a_voucher_is_redeemed_as_often_as_it_may_be(call: Callable[..., tuple[int, Any]]) -> None:
    assert redeem(call, code="VOUCHERIFY-ONCE-50")[0] == 200
    assert redeem(call, code="VOUCHERIFY-ONCE-50")[1]["key"] == "quantity_exceeded"


def test_a_rollback_gives_all_of_it_back_once(call: Callable[..., tuple[int, Any]], backend: Voucherify) -> None:
    redemption_id = redeem(call)[1]["redemptions"][0]["id"]
    status, rollback = call("POST", f"/v1/redemptions/{redemption_id}/rollback", {})
    assert (status, rollback["object"], rollback["amount"]) == (200, "redemption_rollback", -500)
    assert call("POST", f"/v1/redemptions/{redemption_id}/rollback", {})[1]["key"] == "already_rolled_back"
    redemption = call("GET", f"/v1/redemptions/{redemption_id}")[1]
    assert redemption["status"] == "ROLLED_BACK"
    assert redemption["related_redemptions"]["rollbacks"][0]["id"] == rollback["id"]
    assert backend.find(CODE).balance == 10000


def test_a_redemption_with_a_parent_is_rolled_back_through_it(
    call: Callable[..., tuple[int, Any]], backend: Voucherify
) -> None:
    backend.parents = True
    [redemption] = redeem(call)[1]["redemptions"]
    assert call("POST", f"/v1/redemptions/{redemption['id']}/rollback", {})[0] == 400
    status, answer = call("POST", f"/v1/redemptions/{redemption['redemption']}/rollbacks", {})
    assert (status, len(answer["rollbacks"]), backend.find(CODE).balance) == (200, 1, 10000)


def test_balances_are_added_to_and_taken_off_each_time(
    call: Callable[..., tuple[int, Any]], backend: Voucherify
) -> None:
    path = f"/v1/vouchers/{backend.find(CODE).id}/balance"
    for balance in (10200, 10400):
        assert call("POST", path, {"amount": 200, "source_id": "gb-1"})[1]["balance"] == balance
    assert call("POST", path, {"amount": -400})[1]["balance"] == 10000
    assert call("POST", path, {"amount": -10001})[1]["key"] == "invalid_add_balance_params"


def test_transactions_tell_what_moved_page_by_page(call: Callable[..., tuple[int, Any]], backend: Voucherify) -> None:
    redeem(call, source_id="gb-1")
    call("POST", f"/v1/vouchers/{CODE}/balance", {"amount": 200, "source_id": "gb-2", "reason": "why"})
    first = call("GET", f"/v1/vouchers/{CODE}/transactions?order=id&limit=1")[1]
    [redemption] = first["data"]
    assert (redemption["type"], redemption["source_id"]) == ("CREDITS_REDEMPTION", None)
    assert redemption["details"]["order"]["source_id"] == "gb-1"
    assert (redemption["details"]["balance"]["amount"], redemption["details"]["balance"]["balance"]) == (-500, 9500)
    after = first["more_starting_after"]
    second = call("GET", f"/v1/vouchers/{CODE}/transactions?order=id&limit=1&starting_after_id={after}")[1]
    assert (second["has_more"], second["data"][0]["source_id"], second["data"][0]["reason"]) == (False, "gb-2", "why")
    newest = call("GET", f"/v1/vouchers/{CODE}/transactions")[1]["data"][0]
    assert newest["id"] == second["data"][0]["id"]


def test_a_code_makes_one_voucher(call: Callable[..., tuple[int, Any]]) -> None:
    body = {"type": "GIFT_VOUCHER", "code": "NEW", "gift": {"amount": 100}}
    assert call("POST", "/v1/vouchers", body)[1]["gift"]["balance"] == 100
    assert call("POST", "/v1/vouchers", body)[1]["key"] == "duplicate_resource_key"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"type": "DISCOUNT_VOUCHER"}, "invalid_voucher"),
        ({"type": "GIFT_VOUCHER"}, "invalid_gift"),
        ({"type": "GIFT_VOUCHER", "gift": {"amount": -1}}, "invalid_gift"),
        ({"type": "GIFT_VOUCHER", "gift": {"amount": 1}, "start_date": "soon"}, "invalid_voucher"),
    ],
)
def test_a_voucher_that_cannot_be_made_is_refused(
    call: Callable[..., tuple[int, Any]], body: dict[str, Any], key: str
) -> None:
    assert call("POST", "/v1/vouchers", body)[1]["key"] == key


def test_transactions_are_sorted_by_id_alone(call: Callable[..., tuple[int, Any]]) -> None:
    for order in ("id", "-id"):
        assert call("GET", f"/v1/vouchers/{CODE}/transactions?order={order}")[0] == 200
    assert call("GET", f"/v1/vouchers/{CODE}/transactions?order=created_at")[0] == 400


def ask(call: Callable[..., tuple[int, Any]], amount: int, code: str = CODE, **body: Any) -> Any:
    """Validate a voucher for an amount; return the credits it would pay, or the key of why not."""
    redeemable = {"object": "voucher", "id": code, "gift": {"credits": amount}}
    told = {"redeemables": [redeemable], "order": {"amount": amount}} | body
    status, answer = call("POST", "/v1/validations", told)
    assert status == 200
    result = answer["redeemables"][0]["result"]
    return result["gift"]["credits"] if answer["valid"] else result["error"]["key"]


def locked(key: str, **fields: Any) -> dict[str, Any]:
    return {"session": {"type": "LOCK", "key": key} | fields}


@pytest.mark.parametrize(
    ("code", "purchase", "answer"),
    [
        ("VOUCHERIFY-ACTIVE-100", {}, 500),
        ("VOUCHERIFY-EMPTY-0", {}, "gift_amount_exceeded"),
        ("VOUCHERIFY-DISABLED-50", {}, "voucher_disabled"),
        ("VOUCHERIFY-OTHER-DAY-50", {}, "voucher_not_active_now"),
        ("VOUCHERIFY-ORDERS-FROM-200-50", {"order": {"amount": 19999}}, "order_rules_violated"),
        ("VOUCHERIFY-ORDERS-FROM-200-50", {"order": {"amount": 20000}}, 500),
        ("VOUCHERIFY-HOLDER-50", {}, "missing_customer"),
        ("VOUCHERIFY-HOLDER-50", {"customer": {"source_id": "bob@example.com"}}, "customer_rules_violated"),
        ("VOUCHERIFY-HOLDER-50", {"customer": {"source_id": "ana@example.com"}}, 500),
        ("VOUCHERIFY-PRODUCT-50", {}, "missing_order_items"),
        (
            "VOUCHERIFY-PRODUCT-50",
            {"order": {"amount": 900, "items": [{"source_id": "sku-1", "quantity": 1, "price": 300}]}},
            300,
        ),
    ],
)
def test_a_validation_judges_the_purchase_and_takes_nothing(
    call: Callable[..., tuple[int, Any]], backend: Voucherify, code: str, purchase: dict[str, Any], answer: int | str
) -> None:
    before = backend.find(code).balance
    assert ask(call, 500, code, **purchase) == answer
    assert backend.find(code).balance == before


def test_a_session_locks_credits_for_itself_alone_until_it_redeems(
    call: Callable[..., tuple[int, Any]], backend: Voucherify
) -> None:
    assert ask(call, 8000, **locked("one")) == 8000
    assert (ask(call, 2001), ask(call, 2000)) == ("gift_amount_exceeded", 2000)
    assert ask(call, 9000, **locked("one")) == 9000  # the same key again: instead of the first
    assert (ask(call, 1001), ask(call, 1000)) == ("gift_amount_exceeded", 1000)
    redeemable = {"object": "voucher", "id": CODE, "gift": {"credits": 3000}}
    call("POST", "/v1/redemptions", {"redeemables": [redeemable], "order": {"amount": 3000}, **locked("one")})
    assert (backend.find(CODE).balance, ask(call, 7000)) == (7000, 7000)


def test_a_session_locks_a_use(call: Callable[..., tuple[int, Any]]) -> None:
    ask(call, 100, "VOUCHERIFY-ONCE-50", **locked("one"))
    assert ask(call, 100, "VOUCHERIFY-ONCE-50") == "quantity_exceeded"


def test_a_session_ends_when_it_is_released_and_by_itself(call: Callable[..., tuple[int, Any]]) -> None:
    ask(call, 8000, **locked("one"))
    released = [call("DELETE", f"/v1/vouchers/{CODE}/sessions/one")[0] for _ in range(2)]
    assert (released, ask(call, 10000)) == ([204, 404], 10000)
    ask(call, 8000, **locked("two", ttl=0, ttl_unit="SECONDS"))
    assert ask(call, 10000) == 10000


def test_calls_beyond_the_plan_s_limit_are_told_when_to_come_again(app: Flask, backend: Voucherify) -> None:
    backend.calls_left = 1
    headers = {"X-App-Id": APP_ID, "X-App-Token": APP_TOKEN}
    answers = [app.test_client().get("/v1/vouchers", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1].headers["X-Rate-Limit-Retry"]) > 0
