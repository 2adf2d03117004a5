"""Where the Lightrail V2 sandbox once differed from the real server, which was run beside it with some 4,200 calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.mappers.lightrail_v2_api import CARD, Api, code_of

EXPIRED, DOLLARS = ({"rail": "lightrail", "code": code} for code in ("LIGHT-EXPIRED", "LIGHT-DOLLARS"))
LARGEST = 2147483647
RULE = {"rule": "totals.subtotal >= 100", "explanation": "Carts of 1.00 and more."}


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def late(api: Api) -> Api:
    """A sandbox whose replica is a second late, after a hold of 10.00 that shows."""
    api.hold("old")
    api.model.advance(timedelta(seconds=2))
    api.model.read_lag_seconds = 1
    return api


def create(api: Api, name: str = "new", **more: Any) -> tuple[int, Any]:
    return api.post("/values", {"id": name, "currency": "BRL"} | more)


def credit(api: Api, name: str, amount: int = 10, **more: Any) -> tuple[int, Any]:
    body = {"id": name, "destination": CARD, "amount": amount, "currency": "BRL"} | more
    return api.post("/transactions/credit", {key: value for key, value in body.items() if value is not None})


def end(api: Api, how: str, name: str = "end", transaction: str = "hold", **more: Any) -> tuple[int, Any]:
    return api.post(f"/transactions/{transaction}/{how}", {"id": name} | more)


# The replica is late for the look-ups of POSTs, too.


def test_a_hold_that_is_not_in_the_replica_yet_does_not_exist(late: Api) -> None:
    late.hold()
    for how in ("capture", "void", "reverse"):
        assert code_of(end(late, how)) == (404, "TransactionNotFound")
    late.model.advance(timedelta(seconds=1))
    assert end(late, "capture")[0] == 201
    assert code_of(end(late, "reverse", "rev", "end")) == (404, "TransactionNotFound")


def test_a_value_that_is_not_in_the_replica_yet_does_not_exist(late: Api) -> None:
    create(late)
    destination = {"rail": "lightrail", "valueId": "new"}
    assert code_of(credit(late, "credit", destination=destination)) == (409, "InvalidParty")
    assert code_of(late.get("/values/new")) == (404, "ValueNotFound")
    late.model.advance(timedelta(seconds=1))
    assert credit(late, "credit", destination=destination)[0] == 201


def test_what_was_just_added_cannot_be_taken_and_does_not_show_yet(late: Api) -> None:
    credit(late, "credit", 1000)
    assert code_of(late.debit("all", 10000)) == (409, "InsufficientBalance")
    assert late.get("/values/value-002")[1]["balance"] == 9000
    late.model.advance(timedelta(seconds=1))
    assert late.debit("all", 10000)[0] == 201


def test_a_debit_planned_on_an_old_balance_fails_inside(late: Api) -> None:
    late.debit("first", 8000)
    assert late.debit("second", 8000)[0] == 500
    late.model.advance(timedelta(seconds=1))
    assert code_of(late.debit("second", 8000)) == (409, "InsufficientBalance")


def test_what_ended_already_is_not_ended_again_whatever_the_replica_shows(late: Api) -> None:
    assert end(late, "capture", "cap", "old")[0] == 201
    assert code_of(end(late, "void", "void", "old")) == (409, "TransactionExists")


# The order of checks.


@pytest.mark.parametrize("frozen", [True, False])
def test_canceled_comes_before_frozen(api: Api, frozen: bool) -> None:
    api.patch("/values/value-002", {"canceled": True, "frozen": frozen, "active": False})
    assert code_of(api.debit("tx")) == (409, "ValueCanceled")


@pytest.mark.parametrize("pending", ["P4M", "P100D", "PT59M", "x"])
@pytest.mark.parametrize(
    ("source", "code"),
    [(EXPIRED, "ValueEnded"), (DOLLARS, "WrongCurrency"), ({"rail": "lightrail", "valueId": "é"}, "InvalidParty")],
)
def test_the_card_comes_before_how_long_it_is_held(api: Api, source: dict[str, str], code: str, pending: str) -> None:
    assert code_of(api.debit("tx", source=source, pending=pending)) == (409, code)


def test_an_empty_pending_is_no_hold(api: Api) -> None:
    status, body = api.debit("tx", pending="")
    assert (status, body["pending"]) == (201, False)


def test_a_lower_case_currency_fails_before_the_balance_is_looked_at(api: Api) -> None:
    assert api.debit("tx", 99999, currency="brl")[0] == 500


def test_the_id_comes_before_a_balance_too_large(api: Api) -> None:
    credit(api, "credit")
    assert code_of(credit(api, "credit", LARGEST)) == (409, "TransactionExists")
    assert code_of(credit(api, "other", LARGEST)) == (409, "ValueBalanceTooLarge")


@pytest.mark.parametrize("how", ["void", "reverse"])
def test_what_is_given_back_can_be_too_much(api: Api, how: str) -> None:
    api.hold() if how == "void" else api.debit("hold")
    api.model.by_code("LIGHT-ACTIVE-100")["balance"] = LARGEST
    assert code_of(end(api, how)) == (409, "ValueBalanceTooLarge")


@pytest.mark.parametrize("how", ["void", "reverse"])
def test_an_id_that_exists_comes_before_an_inactive_card(api: Api, how: str) -> None:
    api.hold() if how == "void" else api.debit("hold")
    api.patch("/values/value-002", {"active": False})
    assert code_of(end(api, how, "hold")) == (409, "TransactionExists")
    assert end(api, how)[0] == 500


# Simulations, uses, totals.


@pytest.mark.parametrize("how", ["capture", "void"])
def test_capture_and_void_can_be_simulated(api: Api, how: str) -> None:
    api.hold()
    status, body = end(api, how, simulate=True)
    assert (status, body["simulated"], api.balance()) == (201, True, 9000)
    assert end(api, how)[0] == 201


def test_uses_are_taken_only_where_they_are_asked_for(api: Api) -> None:
    create(api, balance=100, code="TWO-USES-ONLY", usesRemaining=1)
    card = {"rail": "lightrail", "code": "TWO-USES-ONLY"}
    [step] = api.debit("plain", 10, card)[1]["steps"]
    assert (step["usesRemainingBefore"], step["usesRemainingChange"], step["usesRemainingAfter"]) == (1, 0, 1)
    [step] = api.hold("hold", 10, source=card, uses=1)[1]["steps"]
    assert (step["usesRemainingChange"], step["usesRemainingAfter"]) == (-1, 0)
    assert code_of(api.debit("more", 10, card, uses=1)) == (409, "InsufficientUsesRemaining")
    assert end(api, "void")[0] == 201
    assert api.debit("more", 10, card, uses=1)[0] == 201


def test_a_card_without_uses_has_none_to_take_or_add(api: Api) -> None:
    assert code_of(api.debit("tx", uses=1)) == (409, "NullUses")
    assert code_of(credit(api, "tx", None, uses=1)) == (409, "NullUses")  # type: ignore[arg-type]
    assert code_of(credit(api, "tx", None)) == (422, None)  # type: ignore[arg-type]


def test_a_reversal_has_the_totals_of_what_it_reverses(api: Api) -> None:
    api.debit("hold", 10500, allowRemainder=True)
    assert end(api, "reverse")[1]["totals"] == {"remainder": 500}
    credit(api, "credit")
    assert end(api, "reverse", "rev", "credit")[1]["totals"] is None


# Values.


def test_a_value_with_a_balance_rule_has_its_first_transaction_too(api: Api) -> None:
    create(api, balanceRule={"rule": "500", "explanation": "5.00"})
    assert api.get("/transactions/new")[1]["steps"][0]["balanceChange"] is None
    assert code_of(api.debit("new")) == (409, "TransactionExists")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"redemptionRule": {"rule": "1 +", "explanation": ""}}, (422, "RedemptionRuleSyntaxError")),
        ({"redemptionRule": {"rule": "true"}}, (422, None)),
        ({"balance": 5, "balanceRule": {"rule": "500", "explanation": ""}}, (422, None)),
        ({"isGenericCode": True, "code": "WELCOME", "balance": 5}, (422, None)),
        ({"isGenericCode": True, "code": "WELCOME", "balance": 5, "genericCodeOptions": {}}, (422, None)),
        ({"contactId": "nobody"}, (409, "ContactNotFound")),
        ({"currency": "brl"}, (500, None)),
        ({"currency": "EUR"}, (409, "CurrencyNotFound")),
        ({"endDate": "2030-05-05"}, (422, None)),
        ({"generateCode": {"length": 5}}, (422, "InvalidGenerateCodeParameters")),
        ({"code": "x" * 255}, (500, None)),
        ({"code": "x" * 254}, (201, None)),
        ({"id": "value-001", "balance": -1}, (422, None)),
        ({"currency": "EUR", "balance": 5, "balanceRule": RULE}, (422, None)),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_value_cannot_be_made_of(api: Api, body: dict[str, Any], answer: tuple[int, str | None]) -> None:
    assert code_of(create(api, **body)) == answer


def test_a_balance_rule_cannot_come_to_a_value_with_a_balance(api: Api) -> None:
    assert api.patch("/values/value-002", {"balanceRule": RULE})[0] == 422
    assert api.patch("/values/value-002", {"redemptionRule": RULE})[0] == 200


def test_what_a_value_was_given_comes_back(api: Api) -> None:
    options = {"perContact": {"balance": 5}}
    api.post("/contacts", {"id": "ana"})
    value = create(api, balance=50, code="WELCOME", isGenericCode=True, genericCodeOptions=options, metadata=None)[1]
    assert (value["genericCodeOptions"], value["metadata"], value["updatedContactIdDate"]) == (options, {}, None)
    assert create(api, "anas", contactId="ana")[1]["updatedContactIdDate"] is not None
    assert api.get("/contacts/ana")[1]["createdBy"] == "user-sandbox-TEST"


# Programs and contacts.


@pytest.mark.parametrize(
    ("program", "body"),
    [
        ({"currency": "USD"}, {"currency": "BRL"}),
        ({"minInitialBalance": 1}, {}),
        ({"fixedInitialBalances": [500]}, {}),
        ({"fixedInitialUsesRemaining": [1]}, {}),
        ({"balanceRule": RULE}, {"balance": 0}),
    ],
    ids=str,
)
def test_a_program_forbids_a_value(api: Api, program: dict[str, Any], body: dict[str, Any]) -> None:
    api.post("/programs", {"id": "cards", "name": "Cards", "currency": "BRL"} | program)
    assert code_of(api.post("/values", {"id": "new", "programId": "cards"} | body)) == (409, None)


def test_a_value_has_from_its_program_what_it_does_not_say_itself(api: Api) -> None:
    api.post("/programs", {"id": "later", "name": "Cards", "currency": "BRL", "active": False, "redemptionRule": RULE})
    value = api.post("/values", {"id": "new", "programId": "later"})[1]
    assert (value["active"], value["redemptionRule"], value["currency"]) == (False, RULE, "BRL")


def test_a_contacts_values_are_found_by_what_can_pay(api: Api) -> None:
    api.post("/contacts", {"id": "ana", "email": "Ana@Example.com"})
    assert [row["id"] for row in api.get("/contacts?email=ana@example.COM")[1]] == ["ana"]
    for name, more in {"full": {"balance": 5}, "empty": {}, "off": {"balance": 5, "active": False}}.items():
        create(api, name, contactId="ana", **more)
    filters = "currency=BRL&active=true&canceled=false&frozen=false&balance.gt=0"
    assert [row["id"] for row in api.get(f"/contacts/ana/values?{filters}")[1]] == ["full"]
    assert api.get("/contacts/nobody/values") == (200, [])


def test_a_generic_code_gives_each_contact_a_value_of_its_own(api: Api) -> None:
    api.post("/contacts", {"id": "ana"})
    attach: Callable[[], Any] = lambda: api.post("/contacts/ana/values/attach", {"code": "LIGHT-GENERIC"})[1]  # noqa: E731
    mine = attach()
    assert (mine["code"], mine["balance"], mine["attachedFromValueId"]) == (None, 500, "value-011")
    assert attach()["id"] == mine["id"]
    assert api.debit("tx", 500, {"rail": "lightrail", "valueId": mine["id"]})[0] == 201


# Rules: only a checkout looks at them.


def checkout(api: Api, *prices: int, code: str = "LIGHT-CARTS-OF-100", **more: Any) -> tuple[int, Any]:
    body = {
        "id": "checkout",
        "currency": "BRL",
        "simulate": True,
        "allowRemainder": True,
        "lineItems": [{"type": "product", "productId": f"sku-{price}", "unitPrice": price} for price in prices],
        "sources": [{"rail": "lightrail", "code": code}],
    }
    return api.post("/transactions/checkout", body | more)


@pytest.mark.parametrize(("prices", "paid"), [((9999,), 0), ((5000, 5000), 5000), ((10000, 1), 5000)])
def test_a_checkout_says_what_a_rule_lets_a_card_pay(api: Api, prices: tuple[int, ...], paid: int) -> None:
    status, body = checkout(api, *prices)
    totals = body["totals"]
    assert (status, totals["paidLightrail"], totals["remainder"]) == (200, paid, sum(prices) - paid)
    assert api.balance("LIGHT-CARTS-OF-100") == 5000


@pytest.mark.parametrize(
    ("rule", "paid"),
    [
        ("currentLineItem.productId == 'sku-300'", 300),
        ("currentLineItem.productId != 'sku-300' && !(totals.subtotal > 5000)", 200),
        ("currentLineItem.lineTotal.subtotal * 2 >= 500 || false", 300),
        ('metadata.channel == "web"', 500),
        ("metadata.channel.missing == null", 500),
        ("1==2", 0),
        ("currentLineItem.nothing > 5", 0),
    ],
)
def test_a_rule_may_be_about_each_line_item(api: Api, rule: str, paid: int) -> None:
    create(api, balance=9000, code="WITH-A-RULE", redemptionRule={"rule": rule, "explanation": ""})
    body = checkout(api, 300, 200, code="WITH-A-RULE", metadata={"channel": "web"})[1]
    assert body["totals"]["paidLightrail"] == paid


def test_a_discount_is_not_counted_as_paid(api: Api) -> None:
    totals = checkout(api, 3000, code="LIGHT-DISCOUNT")[1]["totals"]
    assert (totals["discountLightrail"], totals["paidLightrail"], totals["payable"]) == (3000, 0, 0)


def test_a_checkout_leaves_out_what_cannot_pay_and_moves_money_otherwise(api: Api) -> None:
    assert checkout(api, 500, code="LIGHT-FROZEN")[1]["totals"]["remainder"] == 500
    refused = checkout(api, 500, code="LIGHT-FROZEN", allowRemainder=False)
    assert code_of(refused) == (409, "InsufficientBalance")
    assert checkout(api, 500, code="LIGHT-ACTIVE-100", simulate=False)[0] == 201
    assert api.balance() == 9500
