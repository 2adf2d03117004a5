"""Answers that are lost or come as an error: the backend is asked, and a step is repeated only when that is safe."""

from __future__ import annotations

from contextlib import suppress

import pytest

from app.ledger.transaction import ActState
from mappers.base import (
    BackendUnavailable,
    CardUnusable,
    Conflict,
    InsufficientFunds,
    OutcomeUnknown,
    Receipt,
    Step,
    Verb,
)
from mappers.deadline import Deadline
from tests.ledger.driver import change_within, half_settled
from tests.ledger.faults import (
    Fault,
    Run,
    error_after,
    error_before,
    lost_after,
    lost_before,
    refuses,
    unavailable,
)
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System


def test_a_lost_answer_is_asked_for_in_the_same_request(system: System) -> None:
    system.mapper.faults = [lost_after]
    system.authorize("40.00")
    assert system.backend.effects.total() == 1
    assert system.backend.held == 4_000


@pytest.mark.parametrize("fault", [lost_before, error_before])
def test_an_idempotent_step_that_did_not_happen_is_repeated_in_the_same_request(system: System, fault: Fault) -> None:
    system.mapper.faults = [fault, fault, fault]
    transaction = system.authorize("40.00")
    assert system.backend.effects == {system.record(transaction).acts[0].oid + "-1": 1}


def test_a_debit_that_shows_late_is_found_in_the_same_request(non_idempotent: System) -> None:
    transaction = non_idempotent.authorize("40.00")
    non_idempotent.mapper.faults = [lost_after]
    non_idempotent.mapper.ask_faults = [BackendUnavailable("down"), BackendUnavailable("down")]
    non_idempotent.settle(transaction, "40.00")
    assert non_idempotent.backend.effects.total() == 1


def test_a_debit_that_shows_late_is_not_repeated(non_idempotent: System) -> None:
    """A backend that does not know our keys would do it twice."""
    transaction = non_idempotent.authorize("40.00")
    sent: list[Step] = []

    def arrives_late(step: Step, run: Run) -> Receipt:
        sent.append(step)
        raise OutcomeUnknown("no answer")

    non_idempotent.mapper.faults = [arrives_late]
    with pytest.raises(OutcomeUnknown):
        non_idempotent.settle(transaction, "40.00")
    non_idempotent.backend.apply(sent[0])
    non_idempotent.settle(transaction, "40.00")
    assert non_idempotent.backend.effects.total() == 1


def test_the_refusal_of_a_repeated_step_leaves_its_outcome_unknown(system: System) -> None:
    """The first call may be what emptied the card."""
    transaction = system.authorize("40.00")

    def refused(step: Step, run: Run) -> Receipt:
        raise InsufficientFunds("the card does not hold enough")

    system.mapper.faults = [lost_before, *[refused] * 10]
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    assert system.record(transaction).acts[1].state is ActState.PENDING


@pytest.mark.parametrize(
    "answers", [(error_before, error_before), (lost_before, error_before), (error_before, lost_before)]
)
def test_the_refusal_of_a_repeated_step_counts_once_nothing_can_show_or_arrive_any_more(
    system: System, answers: tuple[Fault, Fault]
) -> None:
    """A backend that planned with an old balance fails inside, until it sees that the card holds too little."""

    def refused(step: Step, run: Run) -> Receipt:
        raise InsufficientFunds("the card does not hold enough")

    system.mapper.read_lag_seconds = 1.0  # type: ignore[misc]
    system.mapper.faults = [*answers, *[refused] * 10]
    with pytest.raises(OutcomeUnknown if lost_before in answers else InsufficientFunds):
        system.authorize("40.00")
    assert system.backend.effects.total() == 0


def test_a_repeat_that_was_answered_may_show_late_too(system: System) -> None:
    """What an earlier call did must have come to show before a refusal counts."""
    system.mapper.read_lag_seconds = 1.0  # type: ignore[misc]
    transaction = system.authorize("40.00")
    ask = system.mapper.ask
    shown = []

    def late(step: Step, deadline: Deadline) -> Receipt | None:
        shown.append(step.key)
        return ask(step, deadline) if len(shown) > 5 else None

    def refused(step: Step, run: Run) -> Receipt:
        raise InsufficientFunds("the card does not hold enough")

    system.mapper.ask = late  # type: ignore[method-assign]
    system.mapper.faults = [error_before, error_before, error_before, error_before, error_after, *[refused] * 10]
    system.settle(transaction, "40.00")
    assert system.record(transaction).acts[1].state is ActState.DONE


def test_a_repeated_request_finds_the_lost_answer(system: System) -> None:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    system.authorize("40.00")
    assert system.backend.held == 4_000
    assert [verb for call, verb, _ in system.backend.calls if call == "run"] == [Verb.HOLD]


@pytest.mark.parametrize("fault", [lost_before, error_before, unavailable])
def test_a_repeated_request_finishes_an_authorization_that_did_not_happen(system: System, fault: Fault) -> None:
    system.mapper.faults = [fault]
    with system.cut_off(), pytest.raises((OutcomeUnknown, BackendUnavailable)):
        system.authorize("40.00")
    assert system.backend.held == 0
    system.authorize("40.00")
    assert system.backend.held == 4_000
    assert system.backend.effects.total() == 1


def test_the_backend_is_asked_before_a_step_is_repeated(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 1


def test_the_steps_of_one_act_have_different_keys(system: System) -> None:
    system.cancel(half_settled(system), "35.00")
    keys = [key for call, _, key in system.backend.calls if call == "run"]
    assert len(keys) == len(set(keys)) == 2
    assert system.backend.spendable == 9_500


def test_a_step_is_not_repeated_while_the_first_call_may_still_arrive(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    with pytest.raises(OutcomeUnknown, match="may still arrive"):
        system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 0
    system.lose_lease(transaction)
    system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 1
    assert system.backend.spendable == 6_000


def test_a_step_is_repeated_at_once_after_the_backend_answered_it(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = system.authorize("40.00")
    system.mapper.faults = [error_before]
    with pytest.raises(OutcomeUnknown):
        change_within(system, 0.05, transaction, "40.00", "settle", "settle-1")
    system.settle(transaction, "40.00")
    assert system.backend.spendable == 6_000


def test_an_error_answer_to_a_step_that_happened_is_a_success(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = system.authorize("40.00")
    system.mapper.faults = [error_after]
    system.settle(transaction, "40.00")
    assert system.backend.effects.total() == 1


def test_a_refusal_is_not_final_while_the_first_call_may_still_arrive(system: System) -> None:
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("40.00")
    system.backend.balances[CARD] = 0
    with pytest.raises(OutcomeUnknown, match="may still arrive"):
        system.authorize("40.00")
    system.lose_lease(system.only_record().id)
    with pytest.raises(InsufficientFunds):
        system.authorize("40.00")


def test_a_refusal_met_while_asking_is_not_final_while_the_first_call_may_still_arrive(system: System) -> None:
    """A read that lags shows another call, or none that fits: it says no more than silence."""
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    system.mapper.ask_faults = [Conflict("it shows another one")]
    with pytest.raises(OutcomeUnknown, match="may still arrive"):
        system.settle(transaction, "40.00")
    assert system.record(transaction).acts[1].state is ActState.PENDING
    system.lose_lease(transaction)
    system.mapper.ask_faults = [Conflict("it shows another one")]
    with pytest.raises(Conflict):
        system.settle(transaction, "40.00")


def test_a_repeated_step_reads_the_balance_again(non_idempotent: System) -> None:
    """The backend was down for hours: what the card held before says nothing about what the second call does to it."""
    system = non_idempotent
    seen: list[int | None] = []

    def as_looked_at(step: Step, run: Run) -> Receipt:
        seen.append(step.earlier[-1].balance)
        on_disk = system.record(transaction).acts[1].steps[0].receipt
        assert on_disk
        seen.append(on_disk.balance)
        return run()

    system.look_before_capturing()
    system.mapper.faults = [lost_before, as_looked_at]
    transaction = system.authorize("40.00")
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    system.lose_lease(transaction)
    system.backend.balances[CARD] = 7_000
    system.settle(transaction, "40.00")
    assert seen == [7_000, 7_000]


@pytest.fixture
def lagging(non_idempotent: System) -> System:
    """A backend that would do it twice when told twice, and whose reads may lag a second behind its answers."""
    non_idempotent.mapper.read_lag_seconds = 1.0  # type: ignore[misc]
    return non_idempotent


def told_and_asked(system: System) -> str:
    """What the backend was told (t) and asked (a) since its calls were cleared, in order."""
    return "".join("a" if call == "ask" else "t" for call, _, _ in system.backend.calls)


def test_an_answered_step_that_shows_no_trace_is_told_again_in_the_same_request(lagging: System) -> None:
    """It answered, and its reads would show it by now: nothing that was sent can still arrive."""
    transaction = lagging.authorize("40.00")
    lagging.backend.calls.clear()
    lagging.mapper.faults = [error_before]
    lagging.settle(transaction, "40.00")
    assert lagging.backend.effects.total() == 1
    assert told_and_asked(lagging) == "t" + "aaaaa" + "t"


def test_an_answered_step_is_told_again_only_while_there_is_time(lagging: System) -> None:
    transaction = lagging.authorize("40.00")
    lagging.backend.calls.clear()
    lagging.mapper.faults = [error_before] * 10
    with pytest.raises(OutcomeUnknown):
        change_within(lagging, 5, transaction, "40.00", "settle", "settle-1")
    assert told_and_asked(lagging) == "t" + "aaaaa" + "t" + "at" + "at"
    lagging.mapper.faults = []
    lagging.let_it_be_quiet(transaction)
    lagging.settle(transaction, "40.00")
    assert lagging.backend.effects.total() == 1


def test_a_step_whose_second_answer_is_lost_is_not_told_a_third_time(lagging: System) -> None:
    transaction = lagging.authorize("40.00")
    lagging.backend.calls.clear()
    lagging.mapper.faults = [error_before, lost_before]
    with pytest.raises(OutcomeUnknown):
        lagging.settle(transaction, "40.00")
    assert told_and_asked(lagging).count("t") == 2


def test_an_answered_step_is_not_told_again_while_the_backend_cannot_be_asked(lagging: System) -> None:
    transaction = lagging.authorize("40.00")
    lagging.backend.calls.clear()
    lagging.mapper.faults = [error_after]
    lagging.mapper.ask_faults = [BackendUnavailable("down")] * 20
    with pytest.raises(OutcomeUnknown):
        lagging.settle(transaction, "40.00")
    assert told_and_asked(lagging).count("t") == 1
    lagging.mapper.ask_faults = []
    lagging.let_it_be_quiet(transaction)
    lagging.settle(transaction, "40.00")
    assert lagging.backend.effects.total() == 1


def test_the_refusal_of_an_answered_step_that_was_told_again_counts(lagging: System) -> None:
    transaction = lagging.authorize("40.00")
    lagging.mapper.faults = [error_before, refuses]
    with pytest.raises(CardUnusable):
        lagging.settle(transaction, "40.00")
    assert lagging.record(transaction).acts[1].state is ActState.REFUSED


def test_the_refusal_of_a_repeated_step_does_not_count_while_the_call_of_an_earlier_attempt_may_arrive(
    system: System,
) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    system.mapper.faults = [error_before, *[refuses] * 10]
    with pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    assert system.record(transaction).acts[1].state is ActState.PENDING


def test_the_sweeper_asks_once_and_tells_nothing_again(make_system: MakeSystem) -> None:
    """It has others to see to; it comes again."""
    system = make_system(settle="accept")
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    system.backend.calls.clear()
    system.mapper.faults = [error_before]
    system.sweep()
    assert [call for call, _, _ in system.backend.calls] == ["run", "ask"]


def test_what_was_certainly_not_sent_is_not_asked_for(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [unavailable]
    for _ in range(2):
        with suppress(BackendUnavailable):
            system.settle(transaction, "40.00")
    assert ("ask", Verb.CAPTURE) not in [(call, verb) for call, verb, _ in system.backend.calls]


def test_the_step_after_one_that_is_found_is_not_asked_for(system: System) -> None:
    transaction = half_settled(system)
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.cancel(transaction, "35.00")
    system.backend.calls.clear()
    system.cancel(transaction, "35.00")
    assert [(call, verb) for call, verb, _ in system.backend.calls] == [("ask", Verb.VOID), ("run", Verb.REFUND)]
