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
