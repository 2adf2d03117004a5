"""Lightrail V1 over real sockets: which cards are found and issued, and what a cart makes them worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mappers.base import (
    ActKind,
    CardStatus,
    CardUnusable,
    Cart,
    Customer,
    Holds,
    InsufficientFunds,
    Memo,
    NewCard,
    OutcomeUnknown,
    Query,
)
from mappers.lightrail_v1.mapper import LightrailV1
from mappers.lightrail_v1.sandbox import SEEDS, create_app
from mappers.lightrail_v1.sandbox_seeds import PINS
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_v1_story import ANA, HAT, LARGE, SMALL, Story, connect, soon


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailV1:
    return connect(sandbox)


# Cards


@pytest.mark.parametrize("code", SEEDS)
def test_every_seed_is_found_as_what_it_is(mapper: LightrailV1, code: str) -> None:
    statuses = {
        "V1FRO": CardStatus.FROZEN, "V1EXP": CardStatus.EXPIRED, "V1OLD": CardStatus.EXPIRED,
        "V1NST": CardStatus.NOT_STARTED, "V1CAN": CardStatus.CANCELED, "V1INA": CardStatus.INACTIVE,
        "V1USD": CardStatus.WRONG_CURRENCY, "V1JPY": CardStatus.WRONG_CURRENCY,
        "V1KWD": CardStatus.WRONG_CURRENCY, "V1PTS": CardStatus.WRONG_CURRENCY,
    }  # fmt: skip
    [card] = mapper.find(Query(code=code, pin=PINS.get(code)), soon())
    assert card.status is statuses.get(code[:5], CardStatus.ACTIVE)
    assert card.code_mask
    assert code not in repr(card)


@pytest.mark.parametrize(
    ("currency", "code", "amount"), [("JPY", "V1JPY-5000", 5000), ("KWD", "V1KWD-5", 5000), ("XXX", "V1PTS-900", 900)]
)
def test_odd_currencies_pay_in_their_own_unit(sandbox: Sandbox, currency: str, code: str, amount: int) -> None:
    mapper = connect(sandbox, currency=currency)
    [card] = mapper.find(Query(code=code), soon())
    assert (card.balance, card.status) == (amount, CardStatus.ACTIVE)
    story = Story(sandbox, mapper, code, amount)
    story.hold()
    story.do(ActKind.CAPTURE, amount)
    assert story.value == [0]


def test_the_code_is_in_no_url_but_the_lookups(sandbox: Sandbox, mapper: LightrailV1) -> None:
    [card] = mapper.find(Query(code="V1PRO-30", cart=LARGE), soon())
    mapper.get_card(card.id, soon())
    Story(sandbox, mapper, "V1PRO-30").hold()
    assert [request.path for request in sandbox.requests if "V1PRO-30" in request.path] == [
        "/v1/codes/V1PRO-30/details"
    ]


def test_a_card_whose_principal_is_over_pays_nothing_of_its_promotion(sandbox: Sandbox, mapper: LightrailV1) -> None:
    story = Story(sandbox, mapper, "V1OLD-30")
    with pytest.raises(CardUnusable, match="expired"):
        story.hold()
    assert story.value == [3000, 2000]


# A customer's own cards


def test_a_customers_cards_in_our_currency_are_found_without_a_code(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, loyalty_caption="Store credit", loyalty_relation_name="Shopper")
    cards = mapper.find(Query(customer=ANA), soon())
    shown = [(card.balance, card.caption, card.relation_name) for card in cards]
    account_cards = [(1500, "Store credit", "Shopper"), (4000, "Birthday credit", "Club")]
    assert (sorted(shown[:2]), shown[2:]) == (account_cards, [(2000, None, None)])
    assert {card.status for card in cards} == {CardStatus.ACTIVE}


def test_points_are_found_by_a_provider_of_points(sandbox: Sandbox) -> None:
    [card] = connect(sandbox, currency="XXX").find(Query(customer=ANA), soon())
    assert (card.balance, card.currency, card.caption) == (900, "XXX", "Points")


def test_a_gift_card_of_a_contact_may_still_be_paid_with_by_whoever_has_its_code(mapper: LightrailV1) -> None:
    [card] = mapper.find(Query(code="V1OWN-20"), soon())
    assert card.restricted_to_owner is None
    assert card.id in [own.id for own in mapper.find(Query(customer=ANA), soon())]


def test_a_customers_card_is_the_same_by_search_and_by_id(mapper: LightrailV1) -> None:
    for card in mapper.find(Query(customer=ANA), soon()):
        again = mapper.get_card(card.id, soon())
        assert (again.id, again.balance, again.caption) == (card.id, card.balance, card.caption)


def test_the_customers_document_may_be_the_contacts_id(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, contact_key="userSuppliedId")
    assert len(mapper.find(Query(customer=Customer("12345678909")), soon())) == 3
    assert mapper.find(Query(customer=ANA), soon()) == []


def test_an_account_card_pays(sandbox: Sandbox, mapper: LightrailV1) -> None:
    [card] = [card for card in mapper.find(Query(customer=ANA), soon()) if card.balance == 4000]
    story = Story(sandbox, mapper, amount=4000)
    story.transaction = replace(story.transaction, card_id=card.id)
    story.hold()
    assert mapper.get_card(card.id, soon()).balance == 0


def test_code_and_customer_are_told_apart(mapper: LightrailV1) -> None:
    assert mapper.find(Query(code="", customer=ANA), soon()) == []


# Promotions


@pytest.mark.parametrize(
    ("code", "cart", "balance"),
    [
        ("V1PRO-30", None, 3000),
        ("V1PRO-30", SMALL, 3000),
        ("V1PRO-30", LARGE, 5000),
        ("V1HAT-30", LARGE, 3000),
        ("V1HAT-30", HAT, 3500),
    ],
)
def test_a_search_counts_the_promotions_that_its_cart_unlocks(
    mapper: LightrailV1, code: str, cart: Cart | None, balance: int
) -> None:
    [card] = mapper.find(Query(code=code, cart=cart), soon())
    assert (card.balance, card.status) == (balance, CardStatus.ACTIVE)
    assert mapper.card_for(card.id, Memo(cart=cart), soon()).balance == balance


@pytest.mark.parametrize(("cart", "status"), [(SMALL, CardStatus.RULED_OUT), (LARGE, CardStatus.ACTIVE)])
def test_a_card_of_which_its_rules_let_nothing_pay_for_this_cart_says_so(
    sandbox: Sandbox, mapper: LightrailV1, cart: Cart, status: CardStatus
) -> None:
    story = Story(sandbox, mapper, "V1PRO-30", 1, cart=cart)
    story.card.principal.value = 0
    [card] = mapper.find(Query(code="V1PRO-30", cart=cart), soon())
    assert card.status is status
    if status is CardStatus.RULED_OUT:
        with pytest.raises(InsufficientFunds):
            story.hold()
    else:
        story.hold()


def test_by_id_a_card_is_worth_what_it_can_pay_for_certain(mapper: LightrailV1) -> None:
    [card] = mapper.find(Query(code="V1PRO-30", cart=LARGE), soon())
    assert mapper.get_card(card.id, soon()).balance == 3000


def test_a_store_may_leave_restricted_promotions_out_so_that_search_and_get_always_agree(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, restricted_promotions=False)
    assert mapper.find(Query(code="V1PRO-30", cart=LARGE), soon())[0].balance == 3000


def test_a_card_without_restrictions_costs_no_dry_run(sandbox: Sandbox, mapper: LightrailV1) -> None:
    mapper.find(Query(code="V1ACT-100", cart=LARGE), soon())
    assert not any("dryRun" in request.path for request in sandbox.requests)


def test_a_search_moves_nothing(sandbox: Sandbox, mapper: LightrailV1) -> None:
    mapper.find(Query(code="V1PRO-30", cart=LARGE), soon())
    assert Story(sandbox, mapper, "V1PRO-30").value == [3000, 2000]


@pytest.mark.parametrize("holds", LightrailV1.supported_holds)
def test_what_the_search_showed_can_be_paid_with_the_same_cart(sandbox: Sandbox, holds: Holds) -> None:
    story = Story(sandbox, connect(sandbox, holds), "V1PRO-30", 5000, cart=LARGE)
    story.hold()
    story.do(ActKind.CAPTURE, 5000)
    assert story.value == [0, 0]


def test_without_its_cart_a_promotion_does_not_pay(sandbox: Sandbox, mapper: LightrailV1) -> None:
    with pytest.raises(InsufficientFunds):
        Story(sandbox, mapper, "V1PRO-30", 5000, cart=SMALL).hold()


def test_a_promotion_gets_its_own_money_back_when_all_goes_back(sandbox: Sandbox, mapper: LightrailV1) -> None:
    story = Story(sandbox, mapper, "V1PRO-30", 5000, cart=LARGE)
    story.hold()
    story.do(ActKind.CAPTURE, 5000)
    story.do(ActKind.REVERSAL, 5000, refunded=5000)
    assert story.value == [3000, 2000]


# Issuing


def test_what_a_gift_card_is_issued_with_comes_back(mapper: LightrailV1) -> None:
    starts, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    new = NewCard("key-1", "Club", "Birthday ção", ANA, starts, ends, True, False, False, 700)
    issued = mapper.issue(new, soon())
    for card in (issued.card, mapper.get_card(issued.card.id, soon()), *mapper.find(Query(code=issued.code), soon())):
        assert (card.relation_name, card.caption, card.owner, card.balance) == ("Club", "Birthday ção", ANA.key, 700)
        assert (card.emission_date, card.expiring_date) == (starts, ends)
        assert (card.restricted_to_owner, card.multiple_redemptions, card.multiple_credits) == (True, False, False)
        assert issued.code is not None
        assert issued.code not in repr(card)


def test_a_repeat_whose_options_changed_meanwhile_makes_no_second_card(sandbox: Sandbox, mapper: LightrailV1) -> None:
    new = NewCard("key-1", customer=ANA)
    first = mapper.issue(new, soon())
    second = connect(sandbox, program_id=None).issue(new, soon())
    assert (second.card.id, second.code) == (first.card.id, first.code)


def test_a_lost_answer_to_issuing_is_made_good_by_the_repeat(sandbox: Sandbox, mapper: LightrailV1) -> None:
    sandbox.faults.add("drop_after", method="POST", path="/v1/cards$")
    with pytest.raises(OutcomeUnknown):
        mapper.issue(NewCard("key-1"), soon())
    before = len(sandbox.app.extensions["backend"].cards)
    assert mapper.issue(NewCard("key-1"), soon()).code
    assert len(sandbox.app.extensions["backend"].cards) == before


@pytest.mark.parametrize("email", ["ana@example.com", "new@example.com"])
def test_an_account_card_is_issued_to_a_customer_and_found_again(sandbox: Sandbox, email: str) -> None:
    mapper = connect(sandbox, program_id=None)
    customer = Customer(email, email=email)
    issued = mapper.issue(NewCard("key-1", caption="Welcome", customer=customer, balance=250), soon())
    assert mapper.issue(NewCard("key-1", caption="Welcome", customer=customer, balance=250), soon()) == issued
    assert issued.code is None
    found = {card.id: card for card in mapper.find(Query(customer=customer), soon())}
    assert (found[issued.card.id].balance, found[issued.card.id].caption) == (250, "Welcome")


def test_a_contact_that_has_the_id_and_another_address_is_named(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, program_id=None)
    backend = sandbox.app.extensions["backend"]
    body = {"userSuppliedId": "bob@example.com", "email": "robert@example.com"}
    backend.once("contact", "/v1/contacts", body, lambda: {"contact": backend.create_contact(body)})
    with pytest.raises(CardUnusable, match="409"):
        mapper.issue(NewCard("key-1", customer=Customer("bob@example.com", email="bob@example.com")), soon())


@pytest.mark.parametrize(("pin", "found"), [("4711", 1), ("4712", 0), (None, 0)])
def test_a_code_with_a_pin_finds_its_card_by_both(mapper: LightrailV1, pin: str | None, found: int) -> None:
    assert len(mapper.find(Query(code="V1PIN-40", pin=pin), soon())) == found
