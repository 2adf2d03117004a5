"""Cards in Lightrail's early V2 draft: found, read, issued, in whatever currency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mappers.base import (
    BackendUnavailable,
    CardStatus,
    CardUnusable,
    Customer,
    NewCard,
    OutcomeUnknown,
    Query,
)
from mappers.lightrail_draft.mapper import LightrailDraft
from mappers.lightrail_draft.sandbox import SEEDS, create_app
from mappers.money import Currency
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_draft_story import Story, connect, soon

MEGABUCKS = Currency.of("MEGABUCKS", 0)
NEW = NewCard(
    "key-1",
    "loyalty",
    "Birthday",
    Customer("12345678909"),
    datetime(2026, 1, 2, tzinfo=UTC),
    datetime(2099, 1, 2, tzinfo=UTC),
    restricted_to_owner=True,
    multiple_redemptions=False,
    balance=2500,
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailDraft:
    return connect(sandbox)


# Finding and reading


def find(mapper: LightrailDraft, code: str) -> list[tuple[str, int, CardStatus]]:
    return [(card.id, card.balance, card.status) for card in mapper.find(Query(code=code), soon())]


@pytest.mark.parametrize("code", ["VS-ACTIVE-250", "VS-ACTIVE-10", "VS-EMPTY", "VS /+=.%#é ODD"])
def test_a_code_finds_the_card_that_would_pay(sandbox: Sandbox, mapper: LightrailDraft, code: str) -> None:
    card = sandbox.app.extensions["backend"].by_code(code)
    assert find(mapper, f" {code} ") == [(card["valueStoreId"], card["value"], CardStatus.ACTIVE)]


@pytest.mark.parametrize(
    "code",
    ["VS-EXPIRED", "VS-NOT-STARTED", "VS-FROZEN", "VS-INACTIVE", "VS-NO-USES", "VS-DOLLARS", "VS-OVER", ""],
)
def test_a_code_that_would_pay_nothing_finds_no_card(mapper: LightrailDraft, code: str) -> None:
    assert find(mapper, code) == []


@pytest.mark.parametrize("code", ["VS-PRETAX", "VS-DISCOUNT"])
def test_a_promotion_is_not_used_as_a_gift_card(mapper: LightrailDraft, code: str) -> None:
    assert [status for _, _, status in find(mapper, code)] == [CardStatus.UNSUPPORTED]


def test_finding_moves_no_money(sandbox: Sandbox, mapper: LightrailDraft) -> None:
    model = sandbox.app.extensions["backend"]
    before = {code: model.by_code(code)["value"] for code in SEEDS}
    for code in SEEDS:
        mapper.find(Query(code=code), soon())
    assert ({code: model.by_code(code)["value"] for code in SEEDS}, model.transactions) == (before, {})


def test_a_value_store_whose_id_tells_its_code_is_not_used(sandbox: Sandbox, mapper: LightrailDraft) -> None:
    body = {"valueStoreId": "gift/SECRET-1", "currency": "BRL", "code": "secret-1", "value": 5}
    sandbox.app.extensions["backend"].create_store(body)
    assert find(mapper, "secret-1") == [("gift/SECRET-1", 5, CardStatus.UNSUPPORTED)]


def test_a_customer_without_a_code_has_no_cards(mapper: LightrailDraft) -> None:
    assert mapper.find(Query(customer=Customer("1", email="a@example.com")), soon()) == []


def test_a_card_that_cannot_pay_can_still_be_read(sandbox: Sandbox, mapper: LightrailDraft) -> None:
    store_id = sandbox.app.extensions["backend"].by_code("VS-FROZEN")["valueStoreId"]
    assert mapper.get_card(store_id, soon()).status is CardStatus.FROZEN


# Issuing


def test_an_issued_card_keeps_what_it_was_given_and_can_be_spent(sandbox: Sandbox, mapper: LightrailDraft) -> None:
    issued = mapper.issue(NEW, soon())
    (card,) = mapper.find(Query(code=issued.code), soon())
    assert (card.caption, card.relation_name, card.owner) == ("Birthday", "loyalty", "12345678909")
    assert (card.emission_date, card.expiring_date) == (NEW.emission_date, NEW.expiring_date)
    assert (card.restricted_to_owner, card.multiple_redemptions, card.multiple_credits) == (True, False, True)
    assert issued.code is not None
    assert Story(sandbox, mapper, issued.code).open().balance == 1500
    assert issued.code not in repr((issued, card))


def test_issuing_again_under_the_key_answers_the_first_card(mapper: LightrailDraft) -> None:
    first = mapper.issue(NEW, soon())
    assert mapper.issue(NEW, soon()) == first
    assert mapper.issue(replace(NEW, key="key-2"), soon()).code != first.code


def test_an_issued_card_whose_answer_was_lost_is_found_by_issuing_again(
    sandbox: Sandbox, mapper: LightrailDraft
) -> None:
    sandbox.faults.add("drop_after", method="POST")
    with pytest.raises(OutcomeUnknown):
        mapper.issue(NEW, soon())
    assert mapper.issue(NEW, soon()).card.balance == 2500


def test_the_values_a_program_allows_are_said_before_the_call(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, program_id="gift-cards-fixed")
    with pytest.raises(CardUnusable, match=r"5\.00 BRL, 15\.00 BRL, 25\.00 BRL only"):
        mapper.issue(replace(NEW, balance=1000), soon())
    assert [request.method for request in sandbox.requests] == ["GET"]
    assert mapper.issue(NEW, soon()).card.balance == 2500


def test_a_program_that_does_not_exist_is_named(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, program_id="nope")
    for ask in (mapper.ping, lambda deadline: mapper.issue(NEW, deadline)):
        with pytest.raises(BackendUnavailable, match="program_id"):
            ask(soon())


# Currencies


@pytest.mark.parametrize(
    ("code", "currency", "balance"),
    [
        ("VS-MEGABUCKS-500", MEGABUCKS, 500),
        ("VS-YEN-5000", Currency.of("JPY"), 5000),
        ("VS-DINARS-75", Currency.of("KWD"), 75000),
        ("VS-POINTS-900", Currency.of("XXX"), 900),
    ],
)
def test_every_currency_is_counted_in_its_own_smallest_unit(
    sandbox: Sandbox, code: str, currency: Currency, balance: int
) -> None:
    mapper = connect(sandbox, currency=currency)
    (card,) = mapper.find(Query(code=code), soon())
    assert (card.balance, card.currency, card.status) == (balance, currency.code, CardStatus.ACTIVE)
    story = Story(sandbox, mapper, code, amount=7).open().capture(5).reverse(2)
    assert story.balance == balance - 5


def test_a_branded_currency_is_issued_too(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, currency=MEGABUCKS, program_id="gift-cards-megabucks")
    mapper.ping(soon())
    card = mapper.issue(NEW, soon()).card
    assert (card.balance, card.currency) == (2500, "MEGABUCKS")


def test_a_program_of_another_currency_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(BackendUnavailable, match="MEGABUCKS"):
        connect(sandbox, program_id="gift-cards-megabucks").ping(soon())
