"""What a card was issued for is kept: who pays with it, and whether once or more often."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import Mock

import pytest

from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation, State, Transaction
from mappers.base import (
    ActKind,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardUnusable,
    Customer,
    Holds,
    InsufficientFunds,
    MapperError,
    NewCard,
    OutcomeUnknown,
    Query,
    Unsupported,
)
from mappers.memory.mapper import Memory, MemoryOptions
from tests.ledger.faults import lost_before
from tests.ledger.system import MakeSystem, System
from tests.money import minor

USER_ID = "92de2449-0e02-4ca9-a4aa-a09cc9d8f7ff"
# As a search names her, and as a transaction does: without the user id.
ANA = Customer("12345678909", id=USER_ID, email="Ana@example.com", document="123.456.789-09")
ANA_PAYS = replace(ANA, id=None)
BOB = Customer("98765432100", email="bob@example.com", document="98765432100")


@pytest.fixture(params=list(Holds))
def system(make_system: MakeSystem, request: pytest.FixtureRequest) -> System:
    """A backend that keeps what its cards were issued for, with each kind of holds."""
    system = make_system(request.param)
    mapper = Memory("acme", system.provider.currency, request.param, MemoryOptions("empty"))
    return system.changed(mapper=mapper)


def issue(system: System, **terms: object) -> tuple[Card, str]:
    """Return a new card of 100.00 and its code."""
    new = NewCard("key", "relation", balance=minor("100.00"))
    issued = system.cards.issue(system.provider, replace(new, **terms), system.deadline())  # type: ignore[arg-type]
    assert issued.code is not None
    return issued.card, issued.code


def restricted_to(system: System, owner: Customer) -> tuple[Card, str]:
    return issue(system, customer=owner, restricted_to_owner=True)


def pay(
    system: System, card: Card, customer: Customer | None, request_id: str = "order-1", value: str = "40.00",
    operation: Operation = Operation.DEBIT,
) -> str:  # fmt: skip
    request = AuthorizationRequest(card.id, operation, minor(value), request_id, customer=customer)
    return system.ledger.authorize(system.provider, request, system.deadline())


def find(system: System, code: str, customer: Customer | None) -> int:
    return len(system.cards.search(system.provider, Query(code, customer), system.deadline()))


def forget_what_was_seen(system: System) -> None:
    client = system.connection._client
    for key in client.scan_iter("gb:*:terms:*"):
        client.delete(key)


def count_reads(system: System, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return a function that tells how often a card was read since."""
    reads = Mock(side_effect=system.provider.mapper.get_card)
    monkeypatch.setattr(system.provider.mapper, "get_card", reads)
    return lambda: reads.call_count


@pytest.mark.parametrize("stranger", [None, BOB, Customer("x", id="x")])
@pytest.mark.parametrize("seen", [True, False])
def test_a_restricted_card_is_not_there_for_others(system: System, stranger: Customer | None, *, seen: bool) -> None:
    card, code = restricted_to(system, Customer(USER_ID, id=USER_ID))
    assert find(system, code, ANA) == 1
    if not seen:
        forget_what_was_seen(system)
    assert find(system, code, stranger) == 0
    with pytest.raises(CardNotFound):
        pay(system, card, stranger)
    assert system.provider.mapper.get_card(card.id, system.deadline()).balance == minor("100.00")


@pytest.mark.parametrize("owner", ["ana@EXAMPLE.com", "12345678909", "123.456.789-09"])
@pytest.mark.parametrize("seen", [True, False])
def test_its_owner_pays_with_it_however_named(system: System, owner: str, *, seen: bool) -> None:
    card, code = restricted_to(system, Customer(owner))
    if not seen:
        forget_what_was_seen(system)
    assert find(system, code, ANA) == 1
    assert pay(system, card, ANA_PAYS)


def test_what_was_seen_at_one_account_allows_nothing_at_another(system: System) -> None:
    """The providers file changes, and at the other account a card of the same id is somebody's."""
    card, code = issue(system)
    assert find(system, code, BOB) == 1
    mapper = Memory("acme", system.provider.currency, system.provider.policy.holds, MemoryOptions("empty"))
    other = system.changed(mapper=mapper, account="another")
    theirs = NewCard("key", "relation", balance=minor("100.00"), customer=ANA, restricted_to_owner=True)
    assert mapper.issue(theirs, other.deadline()).card.id == card.id
    with pytest.raises(CardNotFound):
        pay(other, card, BOB)


def test_who_found_a_card_by_the_user_id_pays_with_it_though_a_transaction_has_none(system: System) -> None:
    card, code = restricted_to(system, Customer(USER_ID, id=USER_ID))
    with pytest.raises(CardNotFound):
        pay(system, card, ANA_PAYS)
    assert find(system, code, ANA) == 1
    assert pay(system, card, ANA_PAYS, "order-2")


def test_what_is_seen_of_a_card_names_nobody(system: System) -> None:
    _, code = restricted_to(system, ANA)
    find(system, code, ANA)
    client = system.connection._client
    [key] = client.scan_iter("gb:*:terms:*")
    noted = str(client.get(key))
    assert not [name for name in ("12345678909", "ana", USER_ID) if name in f"{key} {noted}"]
    assert 0 < client.ttl(key) <= 24 * 60 * 60


def test_a_card_that_was_found_is_not_read_again_to_pay(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    card, code = restricted_to(system, ANA)
    find(system, code, ANA)
    reads = count_reads(system, monkeypatch)
    pay(system, card, ANA_PAYS)
    # What the ledger holds is held against a balance, which is read for that.
    assert reads() == (1 if system.provider.policy.holds is Holds.LEDGER else 0)


def test_to_pay_with_a_card_that_was_found_takes_no_round_trip_more(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was noted of it comes with the lease."""
    card, code = restricted_to(system, ANA)
    find(system, code, ANA)
    system.parts.history.look()  # as whoever pays first does, on a new connection
    calls: list[str] = []

    def counted(name: str) -> nullcontext[None]:
        calls.append(name)
        return nullcontext()

    monkeypatch.setattr(system.connection, "around", counted)
    pay(system, card, ANA_PAYS)
    assert calls == ["open", "record"]


def test_a_payment_that_is_refused_for_a_stranger_stays_refused(system: System) -> None:
    card, code = restricted_to(system, ANA)
    for _ in range(2):
        with pytest.raises(CardNotFound):
            pay(system, card, BOB)
    assert find(system, code, ANA) == 1
    with pytest.raises(CardNotFound):
        pay(system, card, BOB)


def test_anybody_pays_with_a_card_that_is_not_restricted(system: System) -> None:
    card, code = issue(system, customer=ANA)
    forget_what_was_seen(system)
    assert find(system, code, BOB) == 1
    assert pay(system, card, None)


def test_a_customers_own_cards_are_found_without_a_code_by_relation(system: System) -> None:
    restricted_to(system, Customer(USER_ID, id=USER_ID))

    def own(customer: Customer, relation: str | None = None) -> int:
        query = Query(customer=customer, relation_name=relation)
        return len(system.cards.search(system.provider, query, system.deadline()))

    assert [own(ANA), own(ANA, "relation"), own(ANA, "another"), own(BOB)] == [1, 1, 0, 0]


def test_a_restricted_card_that_a_backend_lists_for_somebody_else_is_not_theirs(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At Lightrail a card that was issued for one may be attached to the contact of another."""
    card, _ = restricted_to(system, ANA)
    monkeypatch.setattr(system.provider.mapper, "find", lambda query, deadline: [card])
    assert system.cards.search(system.provider, Query(customer=BOB), system.deadline()) == []
    with pytest.raises(CardNotFound):
        pay(system, card, BOB)


def test_a_card_issued_again_for_another_is_the_first_ones(system: System) -> None:
    restricted_to(system, ANA)
    card, _ = restricted_to(system, BOB)
    with pytest.raises(CardNotFound):
        pay(system, card, BOB)


@pytest.mark.parametrize("seen", [True, False])
def test_a_card_for_one_payment_makes_one(system: System, *, seen: bool) -> None:
    card, code = issue(system, multiple_redemptions=False)
    if not seen:
        forget_what_was_seen(system)
    else:
        assert find(system, code, BOB) == 1
    first = pay(system, card, BOB)
    assert pay(system, card, BOB) == first
    with pytest.raises(CardUnusable):
        pay(system, card, BOB, "order-2")


def abandon_a_credit(system: System, card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as down:
        down.setattr(system.provider.mapper, "run", Mock(side_effect=BackendUnavailable("down")))
        with pytest.raises(BackendUnavailable):
            pay(system, card, BOB, operation=Operation.CREDIT)
    assert system.sweep() == {"abandoned": 1}


def test_a_credit_that_was_abandoned_and_comes_again_while_another_takes_its_place_is_the_only_one(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, _ = issue(system, multiple_credits=False)
    abandon_a_credit(system, card, monkeypatch)
    load = system.storage.load
    paid: list[str] = []

    def load_before_it_comes_again(name: str) -> Transaction | None:
        found = load(name)
        if not paid:
            paid.append(name)
            pay(system, card, BOB, operation=Operation.CREDIT)
        return found

    monkeypatch.setattr(system.storage, "load", load_before_it_comes_again)
    with pytest.raises(CardUnusable):
        pay(system, card, BOB, "order-2", operation=Operation.CREDIT)
    assert paid


def test_a_card_for_one_credit_gets_no_other_where_the_first_is_rebuilt_meanwhile(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one has read that the first came to nothing: so an old backup has it."""
    system = make_system(Holds.NATIVE)
    system = system.changed(mapper=Memory("acme", system.provider.currency, Holds.NATIVE, MemoryOptions("empty")))
    card, _ = issue(system, multiple_credits=False)
    abandon_a_credit(system, card, monkeypatch)
    before = system.stored()
    first = pay(system, card, BOB, operation=Operation.CREDIT)
    system.fall_back(before)
    load = system.storage.load

    def load_before_it_is_rebuilt(name: str) -> Transaction | None:
        found = load(name)
        if name == first and found is not None and found.came_to_nothing:
            monkeypatch.undo()
            assert system.parts.recovery.card(system.provider, card.id, system.deadline()) == {first}
        return found

    monkeypatch.setattr(system.storage, "load", load_before_it_is_rebuilt)
    with pytest.raises(CardUnusable):
        pay(system, card, BOB, "order-2", operation=Operation.CREDIT)


@pytest.mark.parametrize("seen", [True, False])
def test_a_card_for_one_credit_gets_one(system: System, *, seen: bool) -> None:
    card, _ = issue(system, multiple_credits=False)
    if not seen:
        forget_what_was_seen(system)
    first = pay(system, card, BOB, operation=Operation.CREDIT)
    assert pay(system, card, BOB, operation=Operation.CREDIT) == first
    with pytest.raises(CardUnusable):
        pay(system, card, BOB, "order-2", operation=Operation.CREDIT)
    assert pay(system, card, BOB, "order-3") != pay(system, card, BOB, "order-4")


def test_a_credit_that_was_taken_back_was_none(system: System) -> None:
    card, _ = issue(system, multiple_credits=False)
    first = pay(system, card, BOB, operation=Operation.CREDIT)
    change = system._change(first, "40.00", "cancel-1")
    system.ledger.cancel(system.provider, replace(change, card_id=card.id), system.deadline())
    assert pay(system, card, BOB, "order-2", operation=Operation.CREDIT)


@pytest.mark.parametrize("taken_back", [True, False])
def test_a_credit_that_was_forgotten_counts_if_it_was_not_taken_back(system: System, *, taken_back: bool) -> None:
    card, _ = issue(system, multiple_credits=False)
    first = pay(system, card, BOB, operation=Operation.CREDIT)
    if taken_back:
        change = system._change(first, "40.00", "cancel-1")
        system.ledger.cancel(system.provider, replace(change, card_id=card.id), system.deadline())
    assert system.sweep()["forgotten"] == 1
    assert system.storage.load(first) is None
    if taken_back:
        assert pay(system, card, BOB, "order-2", operation=Operation.CREDIT)
    else:
        with pytest.raises(CardUnusable):
            pay(system, card, BOB, "order-2", operation=Operation.CREDIT)


@pytest.mark.parametrize("error", [CardUnusable("not now"), BackendUnavailable("down")], ids=["refused", "abandoned"])
def test_what_came_to_nothing_leaves_its_place_once_when_it_is_forgotten(
    system: System, monkeypatch: pytest.MonkeyPatch, error: MapperError
) -> None:
    card, _ = issue(system, multiple_credits=False)
    with monkeypatch.context() as fault:
        fault.setattr(system.provider.mapper, "run", Mock(side_effect=error))
        with pytest.raises(type(error)):
            pay(system, card, BOB, "order-1", operation=Operation.CREDIT)
    nothing = system.only_record()
    while found := system.storage.load(nothing.id):
        nothing = found
        system.sweep()
    only = pay(system, card, BOB, "order-2", operation=Operation.CREDIT)
    system.storage.restore(nothing, in_totals=False)
    system.make_due()
    assert system.storage.forget(nothing, due_by=0)
    assert system.storage.load(only)
    with pytest.raises(CardUnusable):
        pay(system, card, BOB, "order-3", operation=Operation.CREDIT)


@pytest.mark.parametrize(
    "terms", [{"restricted_to_owner": True}, {"multiple_redemptions": False}, {"multiple_credits": False}]
)
def test_what_a_backend_cannot_keep_is_refused_at_issue(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch, terms: dict[str, bool]
) -> None:
    system = make_system(Holds.NATIVE)
    monkeypatch.setattr(type(system.mapper), "issue", None)
    with pytest.raises(Unsupported, match="cannot keep"):
        issue(system, **terms)


def test_a_payment_whose_use_the_backend_counts_is_left_to_the_backend(system: System) -> None:
    """Two that read a use at once are told apart there; the first must not be refused because the second came."""
    card, _ = issue(system, multiple_redemptions=False)
    assert card.uses == 1
    pay(system, card, BOB)
    assert not list(system.connection._client.scan_iter("gb:*:only:*"))


def test_a_card_that_is_not_allowed_any_more_refuses_nothing_that_may_still_arrive(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = make_system()
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    monkeypatch.setattr("app.ledger.attempt.expect_allowed", Mock(side_effect=CardNotFound("restricted")))
    with pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    assert system.only_record().state is State.PENDING


def test_a_payment_that_was_refused_and_is_forgotten_is_not_the_only_one(system: System) -> None:
    card, _ = issue(system)
    with pytest.raises(InsufficientFunds):
        pay(system, card, BOB, value="1000.00")
    refused, account = system.only_record(), system.provider.backend.account
    be_the_only = system.storage.terms.be_the_only
    assert be_the_only(account, card.id, ActKind.DEBIT, refused.id) == refused.id
    while system.storage.load(refused.id):
        system.sweep()
    assert be_the_only(account, card.id, ActKind.DEBIT, f"{refused.id[:-1]}x") == f"{refused.id[:-1]}x"


def test_a_settlement_does_not_ask_what_the_card_was_issued_for(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, _ = issue(system)
    transaction = pay(system, card, ANA)
    forget_what_was_seen(system)
    monkeypatch.setattr(system.provider.mapper, "get_card", Mock(side_effect=BackendUnavailable("down")))
    settlement = ChangeRequest(card.id, transaction, minor("40.00"), "settle-1")
    assert system.ledger.settle(system.provider, settlement, system.deadline())
