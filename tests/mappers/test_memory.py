"""What is particular to the memory mapper; what every mapper does is in the conformance suite."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from mappers.base import (
    ActKind,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Conflict,
    Customer,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    NewCard,
    Origin,
    Query,
    StatementLine,
    Step,
    Verb,
)
from mappers.deadline import Deadline
from mappers.memory.mapper import SEEDS, Memory, MemoryOptions
from mappers.money import Currency

SOON = Deadline.after(60)


def memory(currency: str = "BRL", seed: str = "demo", digits: int | None = None) -> Memory:
    return Memory("acme", Currency.of(currency, digits), Holds.NATIVE, MemoryOptions(seed))


def card(mapper: Memory, code: str = "MEMORY-ACTIVE-250") -> Card:
    return mapper.find(Query(code=code), SOON)[0]


@pytest.mark.parametrize(("code", "units", "status", "owner"), SEEDS)
def test_every_seeded_code_finds_its_card(code: str, units: int, status: CardStatus, owner: str | None) -> None:
    found = card(memory(), code)
    assert (found.balance, found.status, found.owner) == (units * 100, status, owner)


@pytest.mark.parametrize(
    ("currency", "digits", "balance"), [("JPY", None, 250), ("KWD", None, 250_000), ("GEMS", 0, 250)]
)
def test_seeds_are_in_the_currency_of_the_provider(currency: str, digits: int | None, balance: int) -> None:
    found = card(memory(currency, digits=digits))
    assert (found.balance, found.currency) == (balance, currency)


def test_an_empty_system_has_no_cards() -> None:
    assert memory(seed="empty").find(Query(code="MEMORY-ACTIVE-250"), SOON) == []


def test_an_unknown_seed_stops_the_boot() -> None:
    with pytest.raises(InvalidOptions) as caught:
        memory(seed="yes please")
    assert caught.value.option == "seed"


def test_two_processes_give_a_seeded_card_the_same_id() -> None:
    assert card(memory()).id == card(memory()).id


def test_a_customer_finds_the_own_cards_only() -> None:
    mapper = memory()
    found = mapper.find(Query(customer=Customer("x", email="shopper@example.com")), SOON)
    assert [entry.id for entry in found] == [card(mapper, "MEMORY-OWNED-100").id]
    assert mapper.find(Query(customer=Customer("someone else")), SOON) == []
    assert mapper.find(Query(), SOON) == []


@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.DEBIT, Verb.CREDIT])
@pytest.mark.parametrize("code", ["MEMORY-EXPIRED-50", "MEMORY-FROZEN-50"])
def test_a_card_that_is_not_active_cannot_be_used(verb: Verb, code: str) -> None:
    mapper = memory()
    with pytest.raises(CardUnusable):
        mapper.run(Step(verb, 100, card(mapper, code).id, key="a"), SOON)


def test_money_goes_back_to_a_card_that_can_no_longer_be_used() -> None:
    mapper = memory()
    frozen = card(mapper, "MEMORY-FROZEN-50")
    assert mapper.run(Step(Verb.REFUND, 100, frozen.id, key="a"), SOON).balance == 5100


def test_another_step_under_a_used_key_is_a_conflict() -> None:
    mapper = memory()
    mapper.run(Step(Verb.DEBIT, 100, card(mapper).id, key="a"), SOON)
    with pytest.raises(Conflict):
        mapper.run(Step(Verb.DEBIT, 101, card(mapper).id, key="a"), SOON)
    with pytest.raises(Conflict):
        mapper.ask(Step(Verb.DEBIT, 101, card(mapper).id, key="a"), SOON)
    assert card(mapper).balance == 24900


def test_a_hold_gives_no_more_than_it_has_left() -> None:
    mapper = memory()
    mapper.run(Step(Verb.HOLD, 100, card(mapper).id, key="hold"), SOON)
    mapper.run(Step(Verb.CAPTURE, 60, card(mapper).id, "hold", key="capture"), SOON)
    for verb in (Verb.CAPTURE, Verb.VOID):
        with pytest.raises(InsufficientFunds):
            mapper.run(Step(verb, 41, card(mapper).id, "hold", key=f"too much {verb}"), SOON)
    mapper.run(Step(Verb.VOID, 40, card(mapper).id, "hold", key="rest"), SOON)
    assert card(mapper).balance == 24940


def test_racing_debits_never_take_more_than_the_card_holds() -> None:
    mapper = memory()
    taken = []

    def debit(number: int) -> None:
        with suppress(InsufficientFunds):
            taken.append(mapper.run(Step(Verb.DEBIT, 1000, card(mapper).id, key=str(number)), SOON))

    threads = [threading.Thread(target=debit, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), card(mapper).balance) == (25, 0)


def test_an_issued_card_keeps_what_it_was_given_and_a_repeat_makes_no_second() -> None:
    mapper = memory(seed="empty")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    new = NewCard("k", "loyalty", "Points", Customer("c"), start, start + timedelta(days=3650), True, False, False, 500)
    issued = mapper.issue(new, SOON)
    assert mapper.issue(new, SOON) == issued
    assert mapper.find(Query(code=issued.code), SOON) == [issued.card]
    assert mapper.find(Query(customer=Customer("c")), SOON) == [issued.card]
    assert (issued.card.caption, issued.card.relation_name) == ("Points", "loyalty")
    assert issued.card.restricted_to_owner
    assert not issued.card.multiple_redemptions
    assert issued.code is not None
    assert issued.code not in repr(issued)


@pytest.mark.parametrize(
    ("days", "status"), [((-2, -1), CardStatus.EXPIRED), ((1, 2), CardStatus.NOT_STARTED), ((-1, 1), CardStatus.ACTIVE)]
)
def test_the_dates_of_a_card_decide_when_it_can_pay(days: tuple[int, int], status: CardStatus) -> None:
    start, end = (datetime.now(UTC) + timedelta(days=day) for day in days)
    issued = memory().issue(NewCard("k", emission_date=start, expiring_date=end), SOON)
    assert issued.card.status is status


def test_an_unknown_card_is_not_found() -> None:
    with pytest.raises(CardNotFound):
        memory().run(Step(Verb.DEBIT, 1, "nobody", key="a"), SOON)


# The statement


ORIGIN = Origin("gb-1", "order-1", ActKind.DEBIT, "gb-2", 100)


def test_the_statement_tells_what_was_done_with_its_notes() -> None:
    mapper = memory()
    step = Step(Verb.HOLD, 100, card(mapper).id, key="a", origin=ORIGIN)
    receipt = mapper.run(step, SOON)
    mapper.run(step, SOON)
    [entry] = mapper.statement(5)
    assert entry == StatementLine("a", Verb.HOLD, 100, step.card_id, receipt, entry.date, ORIGIN)


def test_the_statement_is_of_one_card_or_of_all() -> None:
    mapper = memory()
    ids = [card(mapper, code).id for code in ("MEMORY-ACTIVE-250", "MEMORY-ACTIVE-100")]
    for number, card_id in enumerate(ids):
        mapper.run(Step(Verb.DEBIT, 100, card_id, key=str(number)), SOON)
    assert [entry.key for entry in mapper.statement(5)] == ["0", "1"]
    assert [entry.key for entry in mapper.statement(5, ids[1])] == ["1"]


def test_the_statement_begins_where_it_is_asked_to() -> None:
    mapper = memory()
    mapper.run(Step(Verb.DEBIT, 100, card(mapper).id, key="a"), SOON)
    [entry] = mapper.statement(5)
    assert list(mapper.statement(5, since=entry.date)) == [entry]
    assert list(mapper.statement(5, since=entry.date + timedelta(microseconds=1))) == []


def test_what_was_refused_and_what_only_looked_is_in_no_statement() -> None:
    mapper = memory()
    mapper.run(Step(Verb.LOOK, 0, card(mapper).id, key="look"), SOON)
    with pytest.raises(InsufficientFunds):
        mapper.run(Step(Verb.DEBIT, 10**9, card(mapper).id, key="much"), SOON)
    assert list(mapper.statement(5)) == []


def test_an_unknown_card_has_no_statement() -> None:
    with pytest.raises(CardNotFound):
        list(memory().statement(5, "nobody"))
