"""Lightrail's early V2 draft: what a value store with a redemption rule pays for, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardStatus,
    CardUnusable,
    Cart,
    CartItem,
    Holds,
    InsufficientFunds,
    Memo,
    Origin,
    Query,
    Step,
    Verb,
)
from mappers.lightrail_draft.cards import line_items
from mappers.lightrail_draft.mapper import LightrailDraft
from mappers.lightrail_draft.sandbox import create_app
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_draft_story import Story, connect, soon

LARGE = Cart(12000, (CartItem("book", 2, 5500),))  # and 10.00 of shipping
SMALL = Cart(9999, (CartItem("book", 1, 9999),))
HAT = Cart(4500, (CartItem("book", 1, 1500), CartItem("red-hat", 1, 3000)))
CHEAPER = Cart(2000, (CartItem("red-hat", 1, 3000),))  # 10.00 less than its item


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailDraft:
    return connect(sandbox)


def opening(sandbox: Sandbox, code: str, amount: int, cart: Cart | None, verb: Verb = Verb.HOLD) -> Step:
    store_id = sandbox.app.extensions["backend"].by_code(code)["valueStoreId"]
    origin = Origin("gb-0", "r-1", ActKind.DEBIT, "gb-0-1", amount)
    return Step(verb, amount, store_id, memo=Memo(cart=cart), key="gb-0-1-1", origin=origin)


def value(sandbox: Sandbox, code: str) -> int:
    found: int = sandbox.app.extensions["backend"].by_code(code)["value"]
    return found


PAYS = [
    ("VS-CART-50", LARGE, 5000),
    ("VS-CART-50", SMALL, None),
    ("VS-CART-50", None, None),
    ("VS-HAT-50", HAT, 3000),
    ("VS-HAT-50", CHEAPER, 2000),
    ("VS-HAT-50", LARGE, None),
    ("VS-ACTIVE-100", SMALL, 10000),
]


@pytest.mark.parametrize(("code", "cart", "payable"), PAYS)
def test_a_card_is_worth_what_it_pays_of_this_cart(
    sandbox: Sandbox, mapper: LightrailDraft, code: str, cart: Cart | None, payable: int | None
) -> None:
    [found] = mapper.find(Query(code=code, cart=cart), soon())
    for card in (found, mapper.card_for(found.id, Memo(cart=cart), soon())):
        if payable is None:
            assert card.status is CardStatus.RULED_OUT
        else:
            assert (card.status, card.balance) == (CardStatus.ACTIVE, payable)
    assert sandbox.app.extensions["backend"].transactions == {}


@pytest.mark.parametrize("holds", LightrailDraft.supported_holds)
@pytest.mark.parametrize(("code", "cart", "payable"), PAYS)
def test_a_card_pays_no_more_than_its_rule_allows(
    sandbox: Sandbox, holds: Holds, code: str, cart: Cart | None, payable: int | None
) -> None:
    mapper, before = connect(sandbox, holds), value(sandbox, code)
    verb = Verb.HOLD if holds is Holds.NATIVE else Verb.DEBIT
    with pytest.raises((InsufficientFunds, CardUnusable)):
        mapper.run(opening(sandbox, code, (payable or 0) + 1, cart, verb), soon())
    assert value(sandbox, code) == before
    if payable:
        mapper.run(opening(sandbox, code, payable, cart, verb), soon())
        assert value(sandbox, code) == before - payable


@pytest.mark.parametrize("code", ["VS-PRETAX", "VS-DISCOUNT"])
def test_what_is_no_gift_card_pays_nothing(sandbox: Sandbox, mapper: LightrailDraft, code: str) -> None:
    with pytest.raises(CardUnusable, match="kind"):
        mapper.run(opening(sandbox, code, 1, LARGE), soon())
    assert value(sandbox, code) == 5000


def test_what_was_held_before_a_rule_forbids_it_stays_held(sandbox: Sandbox, mapper: LightrailDraft) -> None:
    step = opening(sandbox, "VS-ACTIVE-100", 1000, SMALL)
    receipt = mapper.run(step, soon())
    sandbox.app.extensions["backend"].by_code("VS-ACTIVE-100")["redemptionRule"] = {"rule": "false"}
    assert mapper.run(step, soon()) == receipt
    with pytest.raises(CardUnusable, match="not for this purchase"):
        mapper.run(replace(step, key="gb-0-2-1"), soon())


def test_a_rule_does_not_keep_money_from_being_taken_back(sandbox: Sandbox, mapper: LightrailDraft) -> None:
    story = Story(sandbox, mapper, "VS-HAT-50", credit=True).open()
    assert story.reverse(1000).balance == 5000


@pytest.mark.parametrize("status", [404, 500])
def test_where_rules_cannot_be_asked_the_search_and_the_payment_fail(
    sandbox: Sandbox, mapper: LightrailDraft, status: int
) -> None:
    sandbox.faults.add("status", times=20, path="/orders$", status=status)
    with pytest.raises(BackendUnavailable):
        mapper.find(Query(code="VS-HAT-50", cart=HAT), soon())
    with pytest.raises(BackendUnavailable):
        mapper.run(opening(sandbox, "VS-HAT-50", 1000, HAT), soon())
    assert value(sandbox, "VS-HAT-50") == 5000


@pytest.mark.parametrize(
    ("cart", "lines"),
    [
        (LARGE, [("product", "book", 5500, 2), ("shipping", "giftbridge-rest", 1000, 1)]),
        (SMALL, [("product", "book", 9999, 1)]),
        (CHEAPER, [("product", "red-hat", 3000, 1)]),
        (Cart(700), [("shipping", "giftbridge-rest", 700, 1)]),
    ],
)
def test_a_cart_is_told_as_the_lines_of_an_order(cart: Cart, lines: list[tuple[str, str, int, int]]) -> None:
    told = [(line["type"], line["productId"], line["unitPrice"], line["quantity"]) for line in line_items(cart)]
    assert told == lines


def test_a_hold_that_has_expired_there_cannot_be_settled_and_is_canceled_already(
    sandbox: Sandbox, mapper: LightrailDraft
) -> None:
    story = Story(sandbox, mapper).open()
    sandbox.app.extensions["backend"].advance(timedelta(days=7))
    with pytest.raises(CardUnusable, match="expired"):
        story.capture(1000)
    assert story.reverse(1000).balance == 10000
