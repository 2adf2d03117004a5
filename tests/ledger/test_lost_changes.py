"""A failover loses the last changes, and VTEX repeats its request, before backends whose repeats are not safe."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from app.admin import doubts
from app.ledger import names
from app.ledger.errors import LedgerUnavailable, Unresolved
from app.ledger.milliseconds import milliseconds
from app.ledger.service import AuthorizationRequest
from app.ledger.storage.history import DOUBTS, Doubt
from app.ledger.transaction import ActState, Operation, State
from mappers.base import (
    ActKind,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardUnusable,
    Holds,
    OutcomeUnknown,
    Receipt,
    StatementLine,
    Step,
)
from mappers.deadline import Deadline
from mappers.voucherify.sandbox_model import timestamp
from tests.ledger.driver import change_within
from tests.ledger.faults import Fault, Killed, Run, dies, lost_before, refuses, unavailable
from tests.ledger.moved_clock import MovedClock
from tests.ledger.reference_model import CARD
from tests.ledger.sandbox_system import (
    SandboxSystem,
    lightrail_v1_system,
    lightrail_v2_system,
    vauchar_system,
    voucherify_system,
)
from tests.ledger.system import MakeSystem, System
from tests.stored import rewrite


def not_reached(step: Step, deadline: Deadline) -> Receipt:
    raise BackendUnavailable("connection refused")


@pytest.fixture(params=[vauchar_system, voucherify_system], ids=["vauchar", "voucherify"])
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with request.param(make_system(Holds.LEDGER)) as system:
        yield system


@pytest.fixture(params=[vauchar_system, voucherify_system], ids=["vauchar", "voucherify"])
def upfront(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with request.param(make_system(Holds.UPFRONT)) as system:
        yield system


@contextmanager
def lost_changes(system: System) -> Iterator[None]:
    """Let Redis lose what is written meanwhile, as a replica has that takes over behind its primary."""
    before = system.stored()
    yield
    system.fall_back(before)


def a_day_later(system: System) -> None:
    """Let what was doubted be of a day ago, and all that began before it."""
    client, day = system.connection._client, milliseconds(timedelta(days=1))
    system.parts.history.look()
    for number, row in enumerate(client.lrange(DOUBTS, 0, -1)):
        doubt = json.loads(row)
        client.lset(DOUBTS, number, json.dumps(doubt | {"noticed_at": doubt["noticed_at"] - day}))
    for transaction in system.everything():
        record = system.record(transaction)
        acts = {f"a{act.number}__date": act.date - day for act in record.acts}
        rewrite(client, transaction, date=record.date - day, **acts)
    system.parts.history._found = None


def balance(system: SandboxSystem) -> int:
    return system.mapper.get_card(system.card.id, System.deadline()).balance


def reads(system: SandboxSystem) -> int:
    return sum(request.method == "GET" for request in system.sandbox.requests)


def test_a_repeated_settlement_whose_intent_was_lost_redeems_once(system: SandboxSystem) -> None:
    transaction = system.authorize("40")
    with lost_changes(system.system):
        system.settle(transaction, "40", "s1")
    system.settle(transaction, "40", "s1")
    assert balance(system) == 6000
    assert system.system.record(transaction).captured == 4000


def test_a_repeated_authorization_whose_intent_was_lost_redeems_once(upfront: SandboxSystem) -> None:
    with lost_changes(upfront.system):
        upfront.authorize("40")
    transaction = upfront.authorize("40")
    assert balance(upfront) == 6000
    upfront.cancel(transaction, "40", "c1")
    assert balance(upfront) == 10_000


def test_what_was_taken_is_not_taken_once_more_where_the_repeat_is_given_up(
    upfront: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failover forgot it, the repeat was not sent, and VTEX repeats it once more after the sweeper saw to it."""
    with lost_changes(upfront.system):
        upfront.authorize("40")

    def killed(step: Step, deadline: Deadline) -> Receipt:
        raise Killed

    monkeypatch.setattr(upfront.mapper, "run", killed)
    with pytest.raises(Killed):
        upfront.authorize("40")
    monkeypatch.undo()
    upfront.system.lose_lease(upfront.system.only_record().id)
    assert upfront.system.sweep() == {"resolved": 1}
    upfront.authorize("40")
    assert balance(upfront) == 6000


def test_a_redemption_that_no_longer_stands_is_made_again(upfront: SandboxSystem) -> None:
    """It was made and given back; then all of it was lost, and VTEX pays anew under the same name."""
    with lost_changes(upfront.system):
        upfront.cancel(upfront.authorize("40"), "40", "c1")
    upfront.authorize("40")
    assert balance(upfront) == 6000


def test_a_redemption_that_no_longer_stands_is_made_again_where_its_intent_is_older(
    upfront: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its refund still shows: that is no other name of it, and none is tried after the other."""
    monkeypatch.setattr(upfront.mapper, "run", not_reached)
    with pytest.raises(BackendUnavailable):
        upfront.authorize("40")
    monkeypatch.undo()
    with lost_changes(upfront.system):
        upfront.cancel(upfront.authorize("40"), "40", "c1")
    a_day_later(upfront.system)
    transaction = upfront.authorize("40")
    assert (balance(upfront), len(upfront.system.record(transaction).acts)) == (6000, 1)


@pytest.mark.parametrize("days", [0, 3])
def test_value_is_added_once_although_the_intent_was_lost(make_system: MakeSystem, days: int) -> None:
    with voucherify_system(make_system(Holds.LEDGER)) as system:
        request = AuthorizationRequest(system.card.id, Operation.CREDIT, 4000, "credit-1")
        with lost_changes(system.system):
            system.system.ledger.authorize(system.provider, request, System.deadline(10))
        for movement in system.card.transactions:
            movement["created_at"] = timestamp(datetime.now(UTC) - timedelta(days=days))
        system.system.parts.history.doubt("put back the disk of Sunday")
        system.system.ledger.authorize(system.provider, request, System.deadline(10))
        assert balance(system) == 14_000


def test_a_part_goes_back_once_although_the_intent_was_lost(make_system: MakeSystem) -> None:
    with voucherify_system(make_system(Holds.LEDGER)) as system:
        transaction = system.authorize("40")
        system.settle(transaction, "40", "s1")
        with lost_changes(system.system):
            system.cancel(transaction, "10", "c1")
        system.cancel(transaction, "10", "c1")
        assert balance(system) == 7000


def test_looking_first_costs_voucherify_one_read_and_vauchar_none(system: SandboxSystem) -> None:
    transaction = system.authorize("40")
    before = reads(system)
    system.settle(transaction, "40", "s1")
    assert reads(system) - before == 2


def test_an_answer_is_not_written_to_the_act_that_took_the_place_of_a_forgotten_one(make_system: MakeSystem) -> None:
    system = make_system()
    transaction = system.authorize("40.00")
    before = system.stored()

    def forgotten(step: Step, run: Run) -> Receipt:
        system.fall_back(before)
        system.mapper.faults = [lost_before] * 20
        with pytest.raises(OutcomeUnknown):
            change_within(system, 0.05, transaction, "5.00", "cancel", "c1")
        system.mapper.faults = []
        return run()

    system.mapper.faults = [forgotten]
    assert system.settle(transaction, "10.00", "s1") == names.act_id(transaction, ActKind.CAPTURE, "s1")
    record = system.record(transaction)
    assert [(act.kind, act.state) for act in record.acts[1:]] == [
        (ActKind.REVERSAL, ActState.DONE),
        (ActKind.CAPTURE, ActState.DONE),
    ]
    assert system.backend.balances[CARD] == 10_000 - 3_500
    assert (record.captured, record.voided) == (1_000, 500)


def forgets_it(system: System) -> Fault:
    """Let Redis have nothing of what is written from here on, when the backend does it."""
    before = system.stored()

    def forgotten(step: Step, run: Run) -> Receipt:
        system.fall_back(before)
        return run()

    return forgotten


def test_an_answer_for_an_act_that_was_forgotten_is_found_by_the_same_request(make_system: MakeSystem) -> None:
    system = make_system()
    transaction = system.authorize("40.00")
    system.mapper.faults = [forgets_it(system)]
    system.settle(transaction, "10.00", "s1")
    assert system.record(transaction).captured == 1_000


def test_what_was_forgotten_a_moment_ago_is_not_done_again_while_it_may_not_show(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = make_system(Holds.UPFRONT, repeatable=False)
    monkeypatch.setattr(type(system.mapper), "read_lag_seconds", 2.0)
    transaction = system.authorize("40.00")
    system.mapper.faults = [forgets_it(system)]
    with pytest.raises(Unresolved, match="may not show yet"):
        system.cancel(transaction, "10.00", "c1")
    assert set(system.backend.effects.values()) == {1}


def test_an_authorization_whose_reservation_was_forgotten_is_made_again(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER)
    before = system.stored()
    get_card = system.mapper.get_card

    def forgotten(card_id: str, deadline: Deadline) -> Card:
        system.mapper.get_card = get_card  # type: ignore[method-assign]
        system.fall_back(before)
        return get_card(card_id, deadline)

    system.mapper.get_card = forgotten  # type: ignore[method-assign]
    with pytest.raises(LedgerUnavailable):
        system.authorize("40.00")
    assert system.authorize("40.00")
    assert system.standing.reserved == 4_000


@pytest.fixture
def done_and_given_back(system: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> str:
    """A transaction whose settlement was interrupted, then done and given back; Redis knows only of the first."""

    def killed(step: Step, deadline: Deadline) -> Receipt:
        raise Killed

    transaction = system.authorize("40")
    monkeypatch.setattr(system.mapper, "run", killed)
    with pytest.raises(Killed):
        system.settle(transaction, "40", "s1")
    monkeypatch.undo()
    system.system.lose_lease(transaction)
    with lost_changes(system.system):
        system.settle(transaction, "40", "s1")
        system.cancel(transaction, "40", "c1")
    system.system.parts.history.doubt("put back the disk of Sunday")
    a_day_later(system.system)
    return transaction


def test_what_may_have_been_done_and_given_back_is_not_done_again_by_itself(
    system: SandboxSystem, done_and_given_back: str
) -> None:
    assert system.system.sweep() == {"left for later": 1}
    with pytest.raises(OutcomeUnknown, match="ledger doubts"):
        system.system.ledger.settlements(system.provider, system.card.id, done_and_given_back, System.deadline(10))
    assert balance(system) == 10_000
    (waiting,) = doubts.doubts(system.system.parts).waiting
    assert waiting.id == done_and_given_back


def test_what_began_while_the_clock_was_ahead_is_left_to_a_person(
    system: SandboxSystem, done_and_given_back: str
) -> None:
    """Once that day has come, it would seem to have begun after Redis may have forgotten anything."""
    client, ahead = system.system.connection._client, milliseconds(timedelta(days=31))
    act = system.system.record(done_and_given_back).acts[1]
    rewrite(client, done_and_given_back, a1__date=act.date + ahead)
    system.system.sweep()
    assert system.system.record(done_and_given_back).acts[1].state is ActState.PARKED
    assert balance(system) == 10_000


def test_what_is_asked_for_again_is_done(system: SandboxSystem, done_and_given_back: str) -> None:
    system.settle(done_and_given_back, "40", "s1")
    assert balance(system) == 6000


def test_what_is_in_doubt_keeps_nothing_else_waiting(system: SandboxSystem, done_and_given_back: str) -> None:
    """The backend has answered: whoever comes next in the queue is no less likely to be."""
    system.authorize("10", "order-2")
    assert system.system.sweep() == {"left for later": 1, "expired": 1}


@dataclass
class OnItsWay:
    """What a backend does later than anybody waits for it."""

    arrive: Run | None = None

    def __call__(self, step: Step, run: Run) -> Receipt:
        self.arrive = run
        raise OutcomeUnknown("no answer")


@pytest.mark.parametrize(("holds", "repeatable"), [(Holds.NATIVE, True), (Holds.UPFRONT, False)])
def test_what_an_attempt_sent_may_still_arrive_where_a_failover_has_forgotten_the_attempt(
    make_system: MakeSystem, holds: Holds, repeatable: bool
) -> None:
    """Neither does the sweeper abandon it by then, nor is it sent anew where that could do it twice."""
    system, late = make_system(holds, repeatable=repeatable), OnItsWay()
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    with lost_changes(system):
        system.mapper.faults = [late]
        with system.cut_off(), pytest.raises(OutcomeUnknown):
            system.authorize("40.00")
    system.parts.history.doubt("a replica took over")
    assert system.sweep() == {"left for later": 1}
    if not repeatable:
        with pytest.raises(OutcomeUnknown, match="may still arrive"):
            system.authorize("40.00")
    assert late.arrive is not None
    late.arrive()
    a_day_later(system)
    system.authorize("40.00")
    assert system.backend.effects.total() == 1


def test_what_never_arrives_is_abandoned_after_a_failover(make_system: MakeSystem) -> None:
    system = make_system(Holds.UPFRONT)
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    system.parts.history.doubt("a replica took over")
    assert system.sweep() == {"left for later": 1}
    a_day_later(system)
    assert system.sweep() == {"abandoned": 1}


def test_nobody_waits_for_what_may_arrive_until_a_day_that_only_a_wrong_clock_knew(
    make_system: MakeSystem, empty_redis_url: str
) -> None:
    connection = MovedClock(empty_redis_url)
    system = make_system(Holds.UPFRONT, connection=connection)
    connection.ahead = timedelta(days=31)
    system.authorize("1.00", "order-of-that-day")
    connection.ahead = timedelta()
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    system.parts.history.doubt("a replica took over")
    assert system.sweep() == {"abandoned": 1, "in doubt": 1}


def test_what_only_the_ledger_held_is_not_abandoned_in_doubt(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis has forgotten that it was authorized, and no backend knows that VTEX was told so."""
    system, before = make_system(Holds.LEDGER), {}
    get_card = system.mapper.get_card

    def remembered(card_id: str, deadline: Deadline) -> Card:
        before.update(system.stored())
        return get_card(card_id, deadline)

    monkeypatch.setattr(system.mapper, "get_card", remembered)
    transaction = system.authorize("40.00")
    monkeypatch.undo()
    system.fall_back(before)
    system.lose_lease(transaction)
    system.parts.history.doubt("a replica took over")
    a_day_later(system)
    assert system.sweep() == {"left for later": 1}
    assert [one.id for one in doubts.doubts(system.parts).waiting] == [transaction]
    system.settle(transaction, "40.00")
    assert system.backend.spendable == 6_000


def test_what_the_backend_cannot_tell_is_not_abandoned_in_doubt(make_system: MakeSystem) -> None:
    """VTEX may have been told that it was authorized: a person looks whether it was."""
    system = make_system(Holds.UPFRONT, repeatable=False, tells=False)
    system.mapper.faults = [unavailable]
    with pytest.raises(BackendUnavailable):
        system.authorize("40.00")
    system.parts.history.doubt("a replica took over")
    a_day_later(system)
    assert system.sweep() == {"left for later": 1}
    (opening,) = system.only_record().acts
    assert opening.state is ActState.PARKED


def test_an_authorization_that_is_asked_for_again_is_made(make_system: MakeSystem) -> None:
    system = make_system(Holds.UPFRONT, repeatable=False)
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.authorize("40.00")
    system.lose_lease(system.only_record().id)
    system.parts.history.doubt("put back the disk of Sunday")
    a_day_later(system)
    system.authorize("40.00")
    assert system.backend.spendable == 6_000


def test_where_a_key_makes_it_safe_a_refusal_is_believed_right_after_a_failover(make_system: MakeSystem) -> None:
    system = make_system()
    transaction = system.authorize("40.00")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    system.parts.history.doubt("a replica took over")
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")


def test_what_began_after_redis_was_doubted_is_finished_at_once(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, repeatable=False)
    transaction = system.authorize("40.00")
    system.parts.history.doubt("put back the disk of Sunday")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    system.settle(transaction, "40.00")
    assert system.backend.spendable == 6_000


def test_once_the_ledger_is_trusted_what_was_interrupted_is_finished(
    system: SandboxSystem, done_and_given_back: str
) -> None:
    system.system.parts.history.look()
    doubts.trust(system.system.parts)
    assert system.system.sweep() == {"resolved": 1}
    assert balance(system) == 6000


def test_where_a_key_makes_it_safe_what_was_interrupted_is_finished_by_itself(make_system: MakeSystem) -> None:
    system = make_system(Holds.UPFRONT)
    transaction = system.authorize("40.00")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.cancel(transaction, "40.00", "c1")
    system.lose_lease(transaction)
    system.parts.history.doubt("put back the disk of Sunday")
    assert system.sweep() == {"resolved": 1}
    assert system.backend.balances[CARD] == 10_000


@pytest.mark.parametrize("make", [lightrail_v1_system, lightrail_v2_system], ids=["v1", "v2"])
def test_nothing_else_of_an_order_is_refunded_while_a_forgotten_refund_may_be_on_its_way(
    make: Callable[[System, Holds], AbstractContextManager[SandboxSystem]], make_system: MakeSystem
) -> None:
    """A failover forgot it, and another one is asked for at once."""
    with make(make_system(Holds.UPFRONT), Holds.UPFRONT) as system:
        before = system.spendable
        transaction = system.authorize("40.00")
        now = system.system.connection.now_milliseconds()
        system.system.parts.history._add(Doubt(now - 5_000, now + 1, "a replica took over"))
        with pytest.raises(BackendUnavailable, match="may not have arrived yet"):
            system.cancel(transaction, "10.00", "c1")
        assert system.spendable == before - 4_000
        system.cancel(system.authorize("5.00", "order-2"), "5.00", "c2")
        assert system.spendable == before - 4_000
        a_day_later(system.system)
        system.cancel(transaction, "10.00", "c1")
        assert system.spendable == before - 3_000


@pytest.mark.parametrize("make", [lightrail_v1_system, lightrail_v2_system], ids=["v1", "v2"])
def test_all_of_an_order_goes_back_where_a_settlement_was_forgotten(
    make: Callable[[System, Holds], AbstractContextManager[SandboxSystem]], make_system: MakeSystem
) -> None:
    """VTEX cancels the whole: what was settled of it goes back as well, once a part that had gone back would show."""
    with make(make_system(Holds.NATIVE), Holds.NATIVE) as system:
        transaction = system.authorize("60")
        with lost_changes(system.system):
            system.settle(transaction, "20", "s1")
        system.system.parts.history.doubt("put back the disk of Sunday")
        if system.mapper.read_lag_seconds:
            with pytest.raises(BackendUnavailable, match="may not show yet"):
                system.cancel(transaction, "60", "c1")
        a_day_later(system.system)
        system.system.let_it_be_quiet(transaction)
        system.cancel(transaction, "60", "c1")
        assert balance(system) == 10_000
        assert system.system.record(transaction).state is State.CLOSED


def test_the_policy_does_not_void_what_was_settled_and_forgotten(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE)
    transaction = system.authorize("60.00")
    with lost_changes(system):
        system.settle(transaction, "20.00", "s1")
    system.parts.history.doubt("put back the disk of Sunday")
    a_day_later(system)
    assert system.sweep() == {"left for later": 1}
    assert "reconcile" in str(system.record(transaction).acts[1].error)
    assert system.backend.held == 4_000


def test_a_card_without_a_statement_shows_nothing_that_was_forgotten(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_card(*arguments: object) -> Iterator[StatementLine]:
        raise CardNotFound("no such card")

    system = make_system(Holds.NATIVE)
    transaction = system.authorize("60.00")
    system.parts.history.doubt("put back the disk of Sunday")
    monkeypatch.setattr(system.mapper, "statement", no_such_card)
    system.cancel(transaction, "60.00", "c1")
    assert system.backend.spendable == 10_000


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.UPFRONT])
@pytest.mark.parametrize("make", [lightrail_v1_system, lightrail_v2_system], ids=["v1", "v2"])
def test_no_more_goes_back_than_was_taken_where_a_refund_was_forgotten(
    make: Callable[[System, Holds], AbstractContextManager[SandboxSystem]], holds: Holds, make_system: MakeSystem
) -> None:
    """VTEX reads the list of what was canceled, which lacks it, and cancels the whole.

    A hold may have been captured for it: what would void the hold gives back all that was captured.
    """
    with make(make_system(holds), holds) as system:
        before = balance(system)
        transaction = system.authorize("60")
        with lost_changes(system.system):
            system.cancel(transaction, "7", "c1")
        system.system.parts.history.doubt("put back the disk of Sunday")
        with pytest.raises(Unresolved):
            system.cancel(transaction, "60", "c2")
        assert balance(system) == before - 5300
        assert "reconcile" in str(system.system.record(transaction).acts[1].error)
        system.cancel(system.authorize("5", "order-2"), "5", "c3")
        assert balance(system) == before - 5300
