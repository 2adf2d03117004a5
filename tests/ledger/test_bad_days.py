"""Answers that are lost, backends that are down, attempts that are overtaken: money moves once or not at all."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from app.ledger.caller import Caller
from app.ledger.errors import LedgerUnavailable, TransactionNotFound, Unresolved
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.storage.answers import LeaseAnswer
from app.ledger.transaction import ActState, Decision, Operation, State
from mappers.base import BackendUnavailable, CardUnusable, Holds, InsufficientFunds, OutcomeUnknown, Receipt, Step, Verb
from mappers.deadline import Deadline
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD, Fault, error_after, error_before, lost_after, lost_before, unavailable
from tests.money import minor


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


@pytest.fixture
def once_only(make_house: MakeHouse) -> House:
    """A backend that would redeem twice when told twice, reserved in the ledger."""
    return make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


def test_a_lost_answer_is_asked_for_in_the_same_request(house: House) -> None:
    house.mapper.faults = [lost_after]
    house.authorize("40.00")
    assert house.backend.effects.total() == 1
    assert house.backend.held == 4_000


@pytest.mark.parametrize("fault", [lost_before, error_before])
def test_what_a_backend_that_knows_our_keys_did_not_do_is_told_again_in_the_same_request(
    house: House, fault: Fault
) -> None:
    house.mapper.faults = [fault, fault, fault]
    transaction = house.authorize("40.00")
    assert house.backend.effects == {house.record(transaction).acts[0].oid + "-1": 1}


def test_what_shows_late_is_found_in_the_same_request(once_only: House) -> None:
    transaction = once_only.authorize("40.00")
    once_only.mapper.faults = [lost_after]
    once_only.mapper.ask_faults = [BackendUnavailable("down"), BackendUnavailable("down")]
    once_only.settle(transaction, "40.00")
    assert once_only.backend.effects.total() == 1


def test_what_shows_late_is_not_told_again(once_only: House) -> None:
    """A backend that does not know our keys would do it twice."""
    transaction = once_only.authorize("40.00")
    sent: list[Step] = []

    def arrives_late(step: Step, run: Callable[[], Receipt]) -> Receipt:
        sent.append(step)
        raise OutcomeUnknown("no answer")

    once_only.mapper.faults = [arrives_late]
    with pytest.raises(OutcomeUnknown):
        once_only.settle(transaction, "40.00")
    once_only.backend.apply(sent[0])
    once_only.settle(transaction, "40.00")
    assert once_only.backend.effects.total() == 1


def test_a_refusal_of_what_is_told_again_is_not_believed(house: House) -> None:
    """The first call may be what emptied the card."""
    transaction = house.authorize("40.00")

    def refused(step, run):  # type: ignore[no-untyped-def]
        raise InsufficientFunds("the card does not hold enough")

    house.mapper.faults = [lost_before, *[refused] * 10]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    assert house.record(transaction).acts[1].state is ActState.PENDING


def test_an_answer_that_cannot_be_asked_for_is_found_by_the_repeat(house: House) -> None:
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    house.authorize("40.00")
    assert house.backend.held == 4_000
    assert [verb for call, verb, _ in house.backend.calls if call == "run"] == [Verb.HOLD]


@pytest.mark.parametrize("fault", [lost_before, error_before, unavailable])
def test_the_repeat_finishes_what_did_not_happen(house: House, fault: object) -> None:
    house.mapper.faults = [fault]  # type: ignore[list-item]
    with house.cut_off(), pytest.raises((OutcomeUnknown, BackendUnavailable)):
        house.authorize("40.00")
    assert house.backend.held == 0
    house.authorize("40.00")
    assert house.backend.held == 4_000
    assert house.backend.effects.total() == 1


def test_a_settlement_that_failed_is_finished_by_the_next_read(house: House) -> None:
    transaction = house.authorize("40.00")
    house.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        house.settle(transaction, "40.00")
    assert house.settlements(transaction) == [Decimal("40.00")]
    assert house.backend.held == 0


def test_a_settlement_that_failed_is_finished_by_the_sweeper(house: House) -> None:
    transaction = house.authorize("40.00")
    house.mapper.faults = [lost_before]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    assert house.sweep() == {"resolved": 1}
    assert house.backend.held == 0
    assert house.backend.spendable == 6_000


def test_a_list_with_something_unresolved_is_not_answered(house: House) -> None:
    transaction = house.authorize("40.00")
    house.mapper.faults = [lost_before]
    with house.cut_off():
        with pytest.raises(OutcomeUnknown):
            house.settle(transaction, "40.00")
        with pytest.raises(BackendUnavailable):
            house.settlements(transaction)


def test_nothing_is_sent_again_while_it_may_still_arrive(once_only: House) -> None:
    house = once_only
    transaction = house.authorize("40.00")
    house.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    with pytest.raises(OutcomeUnknown, match="may still arrive"):
        house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 0
    house.lose_lease(transaction)
    house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 1
    assert house.backend.spendable == 6_000


def test_a_backend_that_answered_is_believed_at_once(once_only: House) -> None:
    house = once_only
    transaction = house.authorize("40.00")
    house.mapper.faults = [error_before]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    house.settle(transaction, "40.00")
    assert house.backend.spendable == 6_000


def test_an_error_after_the_fact_is_a_success(once_only: House) -> None:
    house = once_only
    transaction = house.authorize("40.00")
    house.mapper.faults = [error_after]
    house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 1


def test_a_refusal_is_not_believed_while_the_first_attempt_may_still_arrive(house: House) -> None:
    house.mapper.faults = [lost_before]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    house.backend.balances[CARD] = 0
    with pytest.raises(OutcomeUnknown, match="may still arrive"):
        house.authorize("40.00")
    house.lose_lease(house.only_record().id)
    with pytest.raises(InsufficientFunds):
        house.authorize("40.00")


def test_what_nobody_can_tell_is_left_for_a_person(make_house: MakeHouse) -> None:
    house = make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = house.authorize("40.00")
    house.mapper.faults = [lost_after]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    house.lose_lease(transaction)
    with pytest.raises(Unresolved, match="a person must decide"):
        house.settle(transaction, "40.00")
    with pytest.raises(Unresolved):
        house.settlements(transaction)
    house.sweep()
    assert house.backend.effects.total() == 1
    assert house.record(transaction).acts[1].state is ActState.PARKED


def test_what_was_parked_is_finished_once_the_backend_shows_it(make_house: MakeHouse) -> None:
    house = make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = house.authorize("40.00")
    house.mapper.faults = [error_after]
    with pytest.raises((OutcomeUnknown, Unresolved)):
        house.settle(transaction, "40.00")
    with pytest.raises(Unresolved):
        house.settle(transaction, "40.00")
    house.mapper.tells = True
    house.lose_lease(transaction)
    house.sweep()
    assert house.settlements(transaction) == [Decimal("40.00")]
    assert house.backend.effects.total() == 1


def test_an_opening_nobody_came_back_for_is_not_started(house: House) -> None:
    house.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        house.authorize("40.00")
    assert house.sweep() == {"abandoned": 1}
    assert house.backend.effects.total() == 0
    assert house.only_record().state is State.ABANDONED


def test_an_authorization_nobody_came_back_for_is_undone(house: House) -> None:
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    assert house.sweep() == {"resolved": 1}
    assert house.backend.held == 4_000
    assert house.sweep() == {"abandoned": 1}
    assert house.backend.held == 0
    assert house.ledger.transactions(house.provider, CARD, house.deadline()) == []


def test_coming_back_in_time_keeps_the_authorization(house: House) -> None:
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    house.sweep()
    transaction = house.authorize("40.00")
    assert house.record(transaction).acknowledged
    assert house.backend.effects.total() == 1
    house.settle(transaction, "40.00")


def test_coming_back_too_late_opens_it_again_under_a_new_name_and_never_twice(house: House) -> None:
    house.mapper.faults = [lost_after]
    with house.cut_off(), pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    house.sweep()
    house.sweep()
    transaction = house.authorize("40.00")
    assert house.backend.held == 4_000
    assert house.authorize("40.00") == transaction
    house.settle(transaction, "15.00", "s1")
    house.cancel(transaction, "25.00", "c1")
    assert house.settlements(transaction) == [Decimal("15.00")]
    assert house.cancellations(transaction) == [Decimal("25.00")]
    assert house.backend.spendable == 8_500
    assert house.ledger.transactions(house.provider, CARD, house.deadline()) == [transaction]


def test_a_success_that_comes_after_the_refusal_is_undone(house: House) -> None:
    """The first attempt stalls past its lease; the second is refused; then the first one's hold succeeds after all."""

    def overtaken(step, run):  # type: ignore[no-untyped-def]
        transaction = house.only_record().id
        house.lose_lease(transaction)
        house.backend.balances[CARD] = 0
        with pytest.raises(InsufficientFunds):
            house.authorize("40.00")
        house.backend.balances[CARD] = 10_000
        return run()

    house.mapper.faults = [overtaken]
    with pytest.raises(InsufficientFunds):
        house.authorize("40.00")
    assert house.backend.held == 0
    assert house.backend.spendable == 10_000
    assert house.only_record().unresolved is None


def test_a_stalled_attempt_cannot_write_over_the_one_that_overtook_it(house: House) -> None:
    """The first attempt wakes up with a refusal, when the second has already succeeded."""

    def overtaken(step, run):  # type: ignore[no-untyped-def]
        house.lose_lease(house.only_record().id)
        house.authorize("40.00")
        raise InsufficientFunds("refused, too late")

    house.mapper.faults = [overtaken]
    transaction = house.authorize("40.00")
    assert house.record(transaction).state is State.AUTHORIZED
    assert house.backend.held == 4_000


def test_a_refused_settlement_can_be_tried_again(once_only: House) -> None:
    """The card was drained elsewhere between authorization and settlement, and charged again later."""
    house = once_only
    transaction = house.authorize("40.00")
    house.backend.balances[CARD] = 1_000
    with pytest.raises(InsufficientFunds):
        house.settle(transaction, "40.00")
    assert house.settlements(transaction) == []
    house.backend.balances[CARD] = 4_000
    house.settle(transaction, "40.00")
    assert house.settlements(transaction) == [Decimal("40.00")]
    assert house.backend.spendable == 0


def test_a_frozen_card_is_not_reserved(once_only: House) -> None:
    once_only.backend.frozen = True
    with pytest.raises(CardUnusable, match="frozen"):
        once_only.authorize("40.00")


def test_a_balance_read_before_money_was_taken_is_read_again(once_only: House) -> None:
    """Between reading the balance and reserving, another order's reservation is settled: the old balance lies."""
    house = once_only
    first = house.authorize("60.00", "order-1")

    def settle_first() -> None:
        house.mapper.on_look = None
        house.settle(first, "60.00")

    house.mapper.on_look = settle_first
    with pytest.raises(InsufficientFunds):
        house.authorize("50.00", "order-2")
    assert house.backend.spendable == 4_000


def test_a_promised_settlement_is_answered_at_once_and_done_by_the_sweeper(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE, settle="accept")
    transaction = house.authorize("40.00")
    house.mapper.faults = [unavailable]
    house.settle(transaction, "10.00", "s1")
    house.settle(transaction, "20.00", "s2")
    assert house.settlements(transaction) == [Decimal("10.00"), Decimal("20.00")]
    assert house.backend.held == 4_000
    house.sweep()
    house.sweep()
    assert house.backend.held == 1_000
    house.cancel(transaction, "10.00", "c1")
    assert house.backend.held == 0
    assert house.backend.spendable == 7_000


def test_a_promise_the_backend_breaks_is_left_for_a_person(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE, settle="accept")
    transaction = house.authorize("40.00")
    house.settle(transaction, "10.00")
    house.backend.frozen = True
    house.sweep()
    assert house.record(transaction).acts[1].state is ActState.PARKED
    with pytest.raises(Unresolved):
        house.settlements(transaction)


def test_with_redis_down_nothing_reaches_the_backend(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise LedgerUnavailable("down")

    transaction = house.authorize("40.00")
    before = len(house.backend.calls)
    monkeypatch.setattr(house.connection, "call", refuse)
    for call in (
        lambda: house.authorize("1.00", "order-2"),
        lambda: house.settle(transaction, "1.00"),
        lambda: house.cancel(transaction, "1.00"),
        lambda: house.settlements(transaction),
    ):
        with pytest.raises(LedgerUnavailable):
            call()
    assert len(house.backend.calls) == before


def test_a_transaction_that_never_was_authorized_cannot_be_settled(house: House) -> None:
    with pytest.raises(InsufficientFunds):
        house.authorize("100.01")
    with pytest.raises(TransactionNotFound):
        house.settle(house.only_record().id, "1.00")


def test_an_attempt_that_lost_its_lease_cannot_refuse_for_the_one_that_has_it(house: House) -> None:
    def overtaken(step, run):  # type: ignore[no-untyped-def]
        record = house.only_record()
        house.lose_lease(record.id)
        assert house.storage.take_lease(record, Caller.vtex(), one_step_at_a_time=False).answer is LeaseAnswer.LEASED
        raise InsufficientFunds("refused, too late")

    house.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        house.ledger.authorize(
            house.provider, AuthorizationRequest(CARD, Operation.DEBIT, minor(40), "order-1"), Deadline.after(0.3)
        )
    assert house.only_record().state is State.PENDING
    house.lose_lease(house.only_record().id)
    house.authorize("40.00")
    assert house.backend.held == 4_000


def test_one_act_of_a_transaction_is_under_way_at_a_time(house: House) -> None:
    transaction = house.authorize("40.00")

    def meanwhile(step, run):  # type: ignore[no-untyped-def]
        change = ChangeRequest(CARD, transaction, minor(10), "c1")
        with pytest.raises(Unresolved):
            house.ledger.cancel(house.provider, change, Deadline.after(0.2))
        assert [act.oid for act in house.record(transaction).acts[1:]] == [house.record(transaction).acts[1].oid]
        return run()

    house.mapper.faults = [meanwhile]
    house.settle(transaction, "10.00", "s1")
    house.cancel(transaction, "10.00", "c1")


@pytest.mark.parametrize("holds", [Holds.LEDGER, Holds.UPFRONT])
def test_steps_on_one_card_do_not_overlap_where_the_backend_is_judged_by_its_balance(
    make_house: MakeHouse, holds: Holds
) -> None:
    house = make_house(holds, repeatable=False, one_step_at_a_time=True)
    transactions = [house.authorize("10.00", "order-1"), house.authorize("10.00", "order-2")]
    verb = Verb.REFUND if holds is Holds.UPFRONT else Verb.DEBIT

    def act(number: int, seconds: float) -> None:
        change = ChangeRequest(CARD, transactions[number], minor(10), "r1")
        use_case = house.ledger.cancel if holds is Holds.UPFRONT else house.ledger.settle
        use_case(house.provider, change, Deadline.after(seconds))

    def meanwhile(step, run):  # type: ignore[no-untyped-def]
        before = list(house.backend.calls)
        with pytest.raises(Unresolved):
            act(1, 0.2)
        if holds is Holds.UPFRONT:
            opening = AuthorizationRequest(CARD, Operation.DEBIT, minor(10), "order-3")
            with pytest.raises(Unresolved):
                house.ledger.authorize(house.provider, opening, Deadline.after(0.2))
        assert house.backend.calls == before
        return run()

    house.mapper.faults = [meanwhile]
    act(0, 5)
    act(1, 5)
    assert [done for call, done, _ in house.backend.calls if call == "run" and done is verb] == [verb, verb]


def test_a_money_call_makes_two_round_trips_to_redis(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[object] = []
    call = house.connection.call
    house.settle(house.authorize("1.00", "order-0"), "1.00")  # loads the scripts
    monkeypatch.setattr(house.connection, "call", lambda command: trips.append(command) or call(command))
    transaction = house.authorize("40.00")
    assert len(trips) == 2
    house.settle(transaction, "40.00")
    assert len(trips) == 4


@pytest.fixture
def parked(make_house: MakeHouse) -> tuple[House, str]:
    """A settlement of 40.00 that the backend cannot tell about: it did it, and the answer was lost."""
    house = make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = house.authorize("40.00")
    house.mapper.faults = [error_after]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    with pytest.raises(Unresolved):
        house.settlements(transaction)
    assert house.index.parked() == [transaction]
    return house, transaction


def test_a_person_may_say_that_it_happened(parked: tuple[House, str]) -> None:
    house, transaction = parked
    address = house.record(transaction).address
    house.ledger.decide(house.provider, address, house.deadline(), Decision("ana", True, "redemption-1"))
    assert house.settlements(transaction) == [Decimal("40.00")]
    assert house.backend.effects.total() == 1
    assert house.index.parked() == []
    assert [(event["what"], event.get("by")) for event in house.storage.events(transaction)][-2:] == [
        ("decided", "ana"),
        ("done", "ana"),
    ]


def test_a_person_may_say_that_it_did_not_happen(parked: tuple[House, str]) -> None:
    house, transaction = parked
    house.backend.balances[CARD] = 10_000
    address = house.record(transaction).address
    house.ledger.decide(house.provider, address, house.deadline(), Decision("ana", False))
    assert house.settlements(transaction) == []
    assert house.index.parked() == []
    house.mapper.tells = True
    house.backend.done.clear()
    house.settle(transaction, "40.00")
    assert house.settlements(transaction) == [Decimal("40.00")]


def test_what_is_not_parked_is_not_for_a_person_to_decide(house: House) -> None:
    transaction = house.authorize("40.00")
    with pytest.raises(Unresolved, match="nothing to decide"):
        house.ledger.decide(house.provider, house.record(transaction).address, house.deadline(), Decision("ana", True))


def test_a_success_too_late_to_count_is_shown_to_a_person_until_it_was_seen_to(once_only: House) -> None:
    """A settlement is refused, its room is canceled, and then it turns out to have happened."""
    house = once_only
    transaction = house.authorize("40.00")

    def overtaken(step, run):  # type: ignore[no-untyped-def]
        house.lose_lease(transaction)
        house.backend.balances[CARD] = 0
        with pytest.raises(InsufficientFunds):
            house.settle(transaction, "40.00")
        house.backend.balances[CARD] = 10_000
        house.cancel(transaction, "40.00")
        return run()

    house.mapper.faults = [overtaken]
    with pytest.raises((InsufficientFunds, Unresolved, TransactionNotFound)):
        house.settle(transaction, "40.00")
    assert house.index.parked() == [transaction]
    record = house.record(transaction)
    assert (record.captured, record.voided, record.unresolved) == (0, 4_000, None)
    house.ledger.decide(house.provider, record.address, house.deadline(), Decision("ana", True))
    assert house.index.parked() == []
    assert house.storage.events(transaction)[-1]["what"] == "seen to"
