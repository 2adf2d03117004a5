"""Parked acts: the backend cannot tell what became of them, and a person decides."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.caller import Caller
from app.ledger.errors import Unresolved
from app.ledger.transaction import ActState, Decision
from mappers.base import (
    CardUnusable,
    Holds,
    OutcomeUnknown,
    Receipt,
    Step,
    Undecidable,
)
from tests.ledger.driver import (
    change_within,
    decide,
    half_settled,
    left_for_a_person,
)
from tests.ledger.faults import (
    Killed,
    Run,
    error_after,
    lost_after,
    lost_before,
    refuses,
    undisturbed,
)
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System


def test_nothing_is_parked_while_what_was_sent_may_still_arrive(system: System) -> None:
    """The backend cannot tell what became of the first call, and the repeat of it is on its way."""

    def cannot_tell(step: Step, run: Run) -> Receipt:
        raise Undecidable("it shows nothing")

    transaction = system.authorize("40.00")
    system.mapper.faults = [cannot_tell, *[lost_before] * 10]
    with pytest.raises(OutcomeUnknown):
        change_within(system, 0.3, transaction, "40.00", "settle", "settle-1")
    record = system.record(transaction)
    assert record.acts[1].state is ActState.PENDING
    assert record.in_flight_until > system.connection.now_milliseconds()


def test_an_act_that_the_backend_cannot_tell_about_is_parked(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_after]
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    with pytest.raises(Unresolved, match="a person must decide"):
        system.settle(transaction, "40.00")
    with pytest.raises(Unresolved):
        system.settlements(transaction)
    system.sweep()
    assert system.backend.effects.total() == 1
    assert system.record(transaction).acts[1].state is ActState.PARKED


def test_an_act_is_not_parked_while_its_result_may_still_show(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_after]
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            system.settle(transaction, "40.00")
    assert system.record(transaction).acts[1].state is ActState.PENDING
    system.mapper.tells = True
    system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 1


def test_a_refusal_after_money_moved_parks_the_act(system: System) -> None:
    transaction = half_settled(system)

    def refuse(step: Step, run: Run) -> Receipt:
        raise CardUnusable("frozen meanwhile")

    system.mapper.faults = [undisturbed, refuse]
    with pytest.raises(Unresolved, match="a person must decide"):
        system.cancel(transaction, "35.00")
    assert system.record(transaction).acts[2].state is ActState.PARKED


def test_the_sweeper_does_not_repeat_a_parked_act_without_a_trace(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = left_for_a_person(system)
    system.lose_lease(transaction)
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.PARKED
    assert system.backend.effects.total() == 0


def test_a_parked_authorization_that_did_not_happen_waits_for_nobody_any_more(make_system: MakeSystem) -> None:
    system = make_system(Holds.UPFRONT, repeatable=False, tells=False)
    system.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    transaction = system.only_record().id
    system.lose_lease(transaction)
    system.sweep()
    assert system.index.parked() == [transaction]
    system.mapper.tells = True
    assert system.sweep() == {"abandoned": 1}
    assert system.index.parked() == []


def test_the_sweeper_finishes_a_parked_act_that_the_backend_shows(make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = system.authorize("40.00")
    system.mapper.faults = [error_after]
    with pytest.raises((OutcomeUnknown, Unresolved)):
        system.settle(transaction, "40.00")
    with pytest.raises(Unresolved):
        system.settle(transaction, "40.00")
    system.mapper.tells = True
    system.lose_lease(transaction)
    system.sweep()
    assert system.settlements(transaction) == [Decimal("40.00")]
    assert (system.backend.effects.total(), system.index.parked()) == (1, [])


@pytest.fixture
def parked(make_system: MakeSystem) -> tuple[System, str]:
    """A settlement of 40.00 that the backend cannot tell about: it did it, and the answer was lost."""
    system = make_system(Holds.LEDGER, repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = system.authorize("40.00")
    system.mapper.faults = [error_after]
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    with pytest.raises(Unresolved):
        system.settlements(transaction)
    assert system.index.parked() == [transaction]
    return system, transaction


def test_a_person_may_decide_that_a_parked_act_happened(parked: tuple[System, str]) -> None:
    system, transaction = parked
    address = system.record(transaction).address
    system.ledger.decide(system.provider, address, system.deadline(), Decision("ana", True, "redemption-1"))
    assert system.settlements(transaction) == [Decimal("40.00")]
    assert system.backend.effects.total() == 1
    assert system.index.parked() == []
    assert [(event["what"], event.get("by")) for event in system.storage.events(transaction)][-2:] == [
        ("decided", "ana"),
        ("done", "ana"),
    ]


def test_a_person_may_decide_that_a_parked_act_did_not_happen(parked: tuple[System, str]) -> None:
    system, transaction = parked
    system.backend.balances[CARD] = 10_000
    address = system.record(transaction).address
    system.ledger.decide(system.provider, address, system.deadline(), Decision("ana", False))
    assert system.settlements(transaction) == []
    assert system.index.parked() == []
    system.mapper.tells = True
    system.backend.done.clear()
    system.settle(transaction, "40.00")
    assert system.settlements(transaction) == [Decimal("40.00")]


def test_a_person_decides_parked_acts_only(system: System) -> None:
    transaction = system.authorize("40.00")
    with pytest.raises(Unresolved, match="nothing to decide"):
        system.ledger.decide(
            system.provider, system.record(transaction).address, system.deadline(), Decision("ana", True)
        )


def test_an_interrupted_decision_is_carried_out_by_the_sweeper(
    non_idempotent: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person says that it happened; the process dies before that is on disk; the backend shows nothing."""
    system = non_idempotent
    system.mapper.tells = False
    transaction = system.authorize("40.00")
    system.mapper.faults = [error_after]
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    with pytest.raises(Unresolved):
        system.settlements(transaction)
    system.mapper.tells = True
    system.backend.done.clear()

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(system.storage, "finish", dies)
        with pytest.raises(Killed):
            decide(system, transaction, happened=True, reference="redemption-1")
    system.lose_lease(transaction)
    system.sweep()
    settlement = system.record(transaction).acts[1]
    assert (settlement.state, system.backend.effects.total()) == (ActState.DONE, 1)
    assert settlement.steps[0].receipt == Receipt("redemption-1", data={"decided_by": "ana"})


def test_a_parked_act_that_was_sent_is_asked_for_again(system: System) -> None:
    """The backend did it, and could not tell at once; later it shows it."""
    transaction = system.authorize("40.00")

    def cannot_tell(step: Step, run: Run) -> Receipt:
        run()
        raise Undecidable("it does not show what it did")

    system.mapper.faults = [cannot_tell]
    system.mapper.tells = False
    with pytest.raises(Unresolved, match="a person must decide"):
        system.settle(transaction, "40.00")
    system.mapper.tells = True
    system.sweep()
    assert system.settlements(transaction) == [Decimal("40.00")]


def test_a_parked_act_that_a_stalled_attempt_may_have_sent_is_asked_for_again(make_system: MakeSystem) -> None:
    """What took it over was refused for certain, and sent nothing that counts; then the stalled one wakes up and sends.

    Nobody hears of it: its process dies before it writes anything down.
    """
    system = make_system(Holds.NATIVE, settle="accept")
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")

    def stalls(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.mapper.faults = [refuses]
        with pytest.raises(Unresolved, match="a person must decide"):
            system.parts.executor.resolve(
                system.provider, system.record(transaction), system.deadline(), Caller.background("another process")
            )
        run()
        raise Killed

    system.mapper.faults = [stalls]
    with pytest.raises(Killed):
        system.sweep()
    system.sweep()
    assert system.settlements(transaction) == [Decimal("40.00")]


def test_vtex_leaves_a_parked_act_to_a_person(parked: tuple[System, str]) -> None:
    """Its requests neither ask for it nor take its lease, so that a person who decides finds it free."""
    system, transaction = parked
    before = (list(system.backend.calls), system.stored())
    for request in (system.settlements, lambda name: system.settle(name, "40.00")):
        with pytest.raises(Unresolved, match="a person must decide"):
            request(transaction)
    assert (system.backend.calls, system.stored()) == before


def test_nothing_is_added_behind_a_parked_act(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = left_for_a_person(system)
    for change in (system.settle, system.cancel):
        with pytest.raises(Unresolved, match="a person must decide"):
            change(transaction, "10.00", "another")
    assert len(system.record(transaction).acts) == 2


def test_it_says_why_a_promise_was_not_kept_until_that_is_another_reason(make_system: MakeSystem) -> None:
    system = make_system(settle="accept")
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.backend.frozen = True
    for _ in range(2):
        system.sweep()
        assert "frozen" in str(system.record(transaction).acts[1].error)


def test_it_says_what_the_backend_has_shown_last(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = left_for_a_person(system)
    system.lose_lease(transaction)
    system.sweep()
    assert "no trace" in str(system.record(transaction).acts[1].error)
