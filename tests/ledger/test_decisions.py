"""A person's word about a parked act: believed once, about one step of one act, and carried out whatever dies."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from app.ledger.errors import Unresolved
from app.ledger.storage import keys
from app.ledger.transaction import ActState, Decision, State
from mappers.base import Holds, OutcomeUnknown, Receipt, Step, Verb
from tests.ledger.driver import change_within, decide, half_settled, leased, left_for_a_person, park_meanwhile, runs
from tests.ledger.faults import Fault, Killed, Run, dies, does_it_and_dies, error_after, lost_before
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_stated_times import LEASE_SECONDS, due_in_seconds, stated
from tests.stored import rewrite


@pytest.fixture
def promised(make_system: MakeSystem) -> tuple[System, str]:
    """A promised settlement that the backend, which would redeem twice when told twice, cannot tell about."""
    system = make_system(Holds.LEDGER, settle="accept", repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.mapper.faults = [lost_before]
    system.sweep()
    system.lose_lease(transaction)
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.PARKED
    system.mapper.tells = True
    return system, transaction


@pytest.fixture
def parked_void(make_system: MakeSystem) -> tuple[System, str]:
    """A cancellation by a void and a refund, parked at its void, which happened."""
    system = make_system(Holds.NATIVE, repeatable=False, tells=False)
    transaction = half_settled(system)
    system.mapper.faults = [error_after]
    with pytest.raises(OutcomeUnknown):
        system.cancel(transaction, "35.00")
    with pytest.raises(Unresolved):
        system.cancellations(transaction)
    assert system.record(transaction).acts[2].state is ActState.PARKED
    system.mapper.tells = True
    system.backend.calls.clear()
    return system, transaction


def test_that_it_did_not_happen_is_believed_once(promised: tuple[System, str]) -> None:
    """The process dies after the backend did it: whoever comes next asks, as no word is left about that."""
    system, transaction = promised
    system.mapper.faults = [does_it_and_dies]
    with pytest.raises(Killed):
        decide(system, transaction, happened=False)
    system.lose_lease(transaction)
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.DONE
    assert (system.backend.effects.total(), system.backend.spendable) == (1, 6_000)


def test_that_it_happened_is_on_disk_before_the_next_step_is_sent(parked_void: tuple[System, str]) -> None:
    """Else whoever comes next believes it again, and takes it that nothing was sent after it."""
    system, transaction = parked_void
    system.mapper.faults = [does_it_and_dies]
    with pytest.raises(Killed):
        decide(system, transaction, happened=True)
    system.lose_lease(transaction)
    system.sweep()
    assert system.record(transaction).acts[2].state is ActState.DONE
    assert runs(system) == [Verb.REFUND]
    assert system.backend.spendable == 10_000 - 4_000 + 35_00


def test_a_word_about_one_step_is_not_taken_for_the_next(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person decides about the void and dies; an attempt that slept notes the void; the refund is not yet made."""
    system = make_system(Holds.NATIVE)
    transaction = half_settled(system)

    def decided_meanwhile(step: Step, run: Run) -> Receipt:
        park_meanwhile(system, transaction)
        decide_and_die(system, transaction, monkeypatch)
        system.mapper.tells = True
        return run()

    system.mapper.faults = [decided_meanwhile]
    with pytest.raises(Unresolved):
        change_within(system, 0.5, transaction, "35.00", "cancel", "cancel-1")
    system.lose_lease(transaction)
    system.sweep()
    assert system.record(transaction).acts[2].state is ActState.DONE
    assert runs(system) == [Verb.VOID, Verb.REFUND]
    assert system.backend.spendable == 10_000 - 4_000 + 35_00


def decide_and_die(system: System, transaction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a person find that it happened, whose process dies before that is on disk as a step."""
    with monkeypatch.context() as cut:
        cut.setattr(system.storage, "progress", Mock(side_effect=Killed))
        with pytest.raises(Killed):
            decide(system, transaction, happened=True)


def test_a_killed_decision_is_due_when_its_lease_is_over(promised: tuple[System, str]) -> None:
    system, transaction = promised
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        decide(system, transaction, happened=False)
    assert due_in_seconds(system, transaction) == stated(LEASE_SECONDS)


def test_a_word_about_an_act_that_somebody_else_decided_is_not_taken_for_the_next(make_system: MakeSystem) -> None:
    """Two people look at one settlement. The first one decides; meanwhile the next settlement is parked."""
    system = make_system(Holds.LEDGER, repeatable=False, tells=False)
    transaction = system.authorize("60.00")
    settle_without_a_trace(system, transaction, "s1")
    seen = system.record(transaction)
    decide(system, transaction, happened=True, reference="R1")
    settle_without_a_trace(system, transaction, "s2")
    system.mapper.needs_reference = frozenset({Verb.DEBIT})  # type: ignore[misc]
    # What the word is not about is not looked up either
    for decision in (Decision("ben", True, "R1"), Decision("ben", True, act=1, step=1)):
        record = seen if decision.act is None else system.record(transaction)
        with pytest.raises(Unresolved, match="another"):
            system.parts.executor.decide(system.provider, record, system.deadline(), decision)
    assert system.record(transaction).acts[2].state is ActState.PARKED


def test_a_word_about_a_step_that_is_done_is_not_taken_for_the_next(parked_void: tuple[System, str]) -> None:
    """Two people look at the void. The first one decides, and the refund is parked in turn."""
    system, transaction = parked_void
    seen = system.record(transaction)
    system.mapper.faults, system.mapper.tells = [error_after], False
    with pytest.raises(OutcomeUnknown):
        decide(system, transaction, happened=True)
    with pytest.raises(Unresolved):
        system.cancellations(transaction)
    with pytest.raises(Unresolved, match="another"):
        system.parts.executor.decide(system.provider, seen, system.deadline(), Decision("ben", True))
    assert system.record(transaction).acts[2].state is ActState.PARKED


@pytest.mark.parametrize("fault", [lost_before, dies])
def test_a_word_about_what_is_not_parked_is_not_taken(system: System, fault: Fault) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [fault]
    with system.cut_off(), pytest.raises((OutcomeUnknown, Killed)):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    with pytest.raises(Unresolved, match="nothing to decide now"):
        system.parts.executor.decide(
            system.provider, system.record(transaction), system.deadline(), Decision("ana", True)
        )
    assert system.record(transaction).acts[1].state is ActState.PENDING


def test_a_look_at_the_balance_cannot_have_happened(make_system: MakeSystem) -> None:
    """A promise is parked at its look, since the card is frozen."""
    system = make_system(Holds.LEDGER, settle="accept")
    system.look_before_capturing()
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.backend.frozen = True
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.PARKED
    with pytest.raises(Unresolved, match="only reads the balance"):
        decide(system, transaction, happened=True, reference="R1")


def test_what_the_ledger_wants_by_itself_is_sent_again_when_it_did_not_happen(make_system: MakeSystem) -> None:
    """Nobody could ask for it again, were it refused."""
    system = make_system(Holds.NATIVE, repeatable=False, tells=False)
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    system.sweep()
    system.let_it_be_quiet(transaction)
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.PARKED
    decide(system, transaction, happened=False)
    assert system.record(transaction).state is State.EXPIRED
    assert system.backend.spendable == 10_000


def settle_without_a_trace(system: System, transaction: str, request_id: str) -> None:
    system.mapper.faults = [error_after]
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, "20.00", request_id)
    with pytest.raises(Unresolved):
        system.settle(transaction, "20.00", request_id)


def test_a_word_about_an_act_is_not_taken_for_a_late_success(system: System) -> None:
    """What came too late to count is not seen to by a word that was meant for something else."""
    transaction = system.authorize("40.00")
    key = str(keys.of_transaction(transaction))
    rewrite(system.connection._client, transaction, late="1")
    system.connection.call(lambda client: client.sadd(f"{key.partition(':tx:')[0]}:parked", transaction))
    record = system.record(transaction)
    with pytest.raises(Unresolved, match="nothing to decide"):
        system.parts.executor.decide(system.provider, record, system.deadline(), Decision("ana", True, act=1, step=1))
    assert system.index.parked() == [transaction]


def test_a_word_stays_when_an_attempt_that_was_overtaken_tells_where_it_stands(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = half_settled(system)
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.cancel(transaction, "35.00")
    slept, lease = leased(system, transaction)
    park_meanwhile(system, transaction)
    decide_and_die(system, transaction, monkeypatch)
    act = slept.acts[2]
    system.storage.progress(slept, act, lease, act.steps)
    assert system.record(transaction).acts[2].decision is not None


def test_what_was_not_promised_is_given_up_quietly(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, repeatable=False)
    transaction = left_for_a_person(system)
    with capture_logs() as logs:
        decide(system, transaction, give_up=True)
    assert [line for line in logs if line["log_level"] == "error"] == []
