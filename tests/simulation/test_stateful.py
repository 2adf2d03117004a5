"""Any sequence of calls, repeats, faults and sweeps, against a reference model of the money."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from mappers.base import Holds
from mappers.deadline import Deadline
from tests.simulation.backend_model import CARDS, FIRST_BALANCE
from tests.simulation.faults import MONEY_DEADLINE_SECONDS, BackendFault, PlannedFault, PlannedFaultInjector, RedisFault
from tests.simulation.invariants import ALWAYS, AT_THE_END, WHEN_RESOLVED, broken
from tests.simulation.kinds import KINDS
from tests.simulation.reference_model import Change, Payment
from tests.simulation.safeties import SAFETIES
from tests.simulation.schedule import snapshot
from tests.simulation.system import System, build_system
from tests.simulation.workload import REFUSALS, RETRYABLE, Answer, entries

# STATEFUL_EXAMPLES=10000 for a long run, which also looks for examples at random.
EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "20"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    derandomize="STATEFUL_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)

CARD = CARDS[0]
SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000

amounts = st.sampled_from((700, 2_500, 4_000, 6_000, 10_000))
# Halves of what is left, and a little: all of it, a half, a little, a little too much.
parts = st.sampled_from(((2, 0), (1, 0), (1, 0), (0, 100), (2, 100)))
faults = st.one_of(
    st.just(PlannedFault()),
    st.just(PlannedFault()),
    st.builds(PlannedFault, crash_at=st.integers(1, 25)),
    st.builds(PlannedFault, backend=st.sampled_from(list(BackendFault))),
    st.builds(PlannedFault, backend=st.sampled_from(list(BackendFault)), read_fails=st.just(True)),
    st.builds(PlannedFault, redis=st.sampled_from(list(RedisFault)), redis_at=st.integers(1, 6)),
)


class Machine(RuleBasedStateMachine):
    """What VTEX, the clock and the fault injector do."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system
        system.reset(0)
        self.payments: list[Payment] = []

    # What may happen.

    @rule(amount=amounts, credit=st.booleans(), fault=faults)
    def authorize(self, amount: int, credit: bool, fault: PlannedFault) -> None:
        payment = Payment(f"order-{len(self.payments)}", amount, credit and self.system.kind.credits)
        before, certain = self.spendable, self.certain
        self.payments.append(payment)
        answer = self.ask_to_pay(payment, fault)
        if certain and fault == PlannedFault():
            assert answer.outcome == ("done" if payment.credit or amount <= before else "refused"), answer

    @precondition(lambda self: self.payments)
    @rule(number=st.integers(0, 99), fault=faults)
    def authorize_again(self, number: int, fault: PlannedFault) -> None:
        payment = self.payments[number % len(self.payments)]
        answer = self.ask_to_pay(payment, fault)
        if self.certain and fault == PlannedFault():
            assert answer.outcome == ("refused" if payment.refused else "done")

    @precondition(lambda self: self.known)
    @rule(number=st.integers(0, 99), part=parts, fault=faults)
    def settle(self, number: int, part: tuple[int, int], fault: PlannedFault) -> None:
        self.change(number, "settle", part, fault)

    @precondition(lambda self: self.known)
    @rule(number=st.integers(0, 99), part=parts, fault=faults)
    def cancel(self, number: int, part: tuple[int, int], fault: PlannedFault) -> None:
        self.change(number, "cancel", part, fault)

    @precondition(lambda self: not any(payment.total("settle") for payment in self.payments))
    @rule(amount=amounts, part=parts, fault=faults)
    def authorize_and_settle(self, amount: int, part: tuple[int, int], fault: PlannedFault) -> None:
        self.authorize(amount, False, PlannedFault())
        if self.payments[-1].id is not None:
            self.change(self.known.index(self.payments[-1]), "settle", part, fault)

    def change(self, number: int, what: str, part: tuple[int, int], fault: PlannedFault) -> None:
        payment = self.known[number % len(self.known)]
        room, certain = payment.room(what), self.certain
        amount = max(1, room * part[0] // 2 + part[1])
        change = Change(what, f"change-{len(payment.changes)}", amount)
        payment.changes.append(change)
        answer = self.ask_to_change(payment, change, fault)
        may_be_spent = payment.credit and what == "cancel"
        if certain and fault == PlannedFault() and not may_be_spent:
            assert answer.outcome == ("done" if amount <= room else "refused"), (room, answer)

    @precondition(lambda self: any(payment.changes for payment in self.known))
    @rule(number=st.integers(0, 99), fault=faults)
    def change_again(self, number: int, fault: PlannedFault) -> None:
        every = [(payment, change) for payment in self.known for change in payment.changes]
        payment, change = every[number % len(every)]
        known = change.done
        answer = self.ask_to_change(payment, change, fault)
        if known:
            assert answer.outcome != "refused", answer

    @precondition(lambda self: self.known)
    @rule(number=st.integers(0, 99), fault=faults)
    def read(self, number: int, fault: PlannedFault) -> None:
        self.look_at(self.known[number % len(self.known)], fault)

    @rule(fault=faults)
    def sweep(self, fault: PlannedFault) -> None:
        self.run_actor("sweeper", self.system.sweepers[0].sweep_once, fault)

    @rule(milliseconds=st.sampled_from((SECOND, 31 * SECOND, 2 * MINUTE, 16 * MINUTE)))
    def wait(self, milliseconds: int) -> None:
        self.system.scheduler.now += milliseconds

    @precondition(lambda self: self.payments)
    @rule()
    def resolve_everything(self) -> None:
        assert self.system.resolve_everything()
        for payment in self.known:
            self.look_at(payment, PlannedFault())
        assert not broken(WHEN_RESOLVED, snapshot(self.system))

    # What must be true.

    @invariant()
    def the_invariants_hold(self) -> None:
        assert not self.system.checker.found
        assert not broken(ALWAYS, snapshot(self.system))

    @invariant()
    def nobody_can_spend_more_than_there_is(self) -> None:
        assert self.could_be_spent <= self.most_spendable
        if self.certain:
            assert self.could_be_spent == self.spendable

    def teardown(self) -> None:
        self.resolve_everything()
        assert self.system.expire_everything()
        assert not broken(AT_THE_END, snapshot(self.system))
        taken = sum(payment.total("settle") - self.refunded(payment) for payment in self.known if not payment.credit)
        added = [payment.amount - payment.given_back for payment in self.payments if payment.credit and payment.id]
        unsure = sum(payment.amount for payment in self.payments if payment.credit and not payment.certain)
        assert 0 <= self.could_be_spent - (FIRST_BALANCE - taken + sum(added)) <= unsure

    # The reference model.

    @property
    def known(self) -> list[Payment]:
        return [payment for payment in self.payments if payment.id is not None]

    @property
    def certain(self) -> bool:
        return all(payment.certain for payment in self.payments)

    @property
    def spendable(self) -> int:
        debits = sum(payment.amount - payment.given_back for payment in self.known if not payment.credit)
        return FIRST_BALANCE - debits + sum(p.amount - p.given_back for p in self.known if p.credit)

    @property
    def most_spendable(self) -> int:
        """What could be spent if everything unknown turned out in the shopper's favor."""
        most = FIRST_BALANCE
        for payment in self.payments:
            if payment.credit and not payment.refused:
                most += payment.amount - payment.given_back
            elif payment.id is not None and not self.put_back_for_a_moment(payment):
                most -= payment.amount - payment.total("cancel", at_most=True) - payment.voided
        return most

    def put_back_for_a_moment(self, payment: Payment) -> bool:
        """Tell whether a cancellation may be half done that puts all of it back, to take the rest again."""
        unsure = any(change.done is None for change in payment.changes if change.what == "cancel")
        return unsure and self.system.kind.holds is Holds.UPFRONT

    @staticmethod
    def refunded(payment: Payment) -> int:
        return max(0, payment.given_back - (payment.amount - payment.total("settle")))

    @property
    def could_be_spent(self) -> int:
        """What a shopper could spend now by what the service and the backend say."""
        return (
            self.system.backend.balance[CARD]
            - self.system.storage.standing(self.system.provider.backend.account, CARD).reserved
        )

    # Asking.

    def ask_to_pay(self, payment: Payment, fault: PlannedFault) -> Answer:
        operation = Operation.CREDIT if payment.credit else Operation.DEBIT
        request = AuthorizationRequest(CARD, operation, payment.amount, payment.request_id)
        service, provider = self.system.ledger, self.system.provider
        answer = Answer("authorize", "", payment.request_id, payment.amount, self.system.scheduler.now)
        self.ask(answer, lambda deadline: service.authorize(provider, request, deadline), fault)
        if answer.outcome == "done":
            payment.id = answer.value
        payment.refused |= answer.outcome == "refused"
        return answer

    def ask_to_change(self, payment: Payment, change: Change, fault: PlannedFault) -> Answer:
        service, provider = self.system.ledger, self.system.provider
        request = ChangeRequest(CARD, payment.id or "", change.amount, change.request_id)
        use_case = service.settle if change.what == "settle" else service.cancel
        answer = Answer(change.what, payment.id or "", change.request_id, change.amount, self.system.scheduler.now)
        self.ask(answer, lambda deadline: use_case(provider, request, deadline), fault)
        known = {"done": True, "refused": False}
        change.done = known.get(answer.outcome, change.done or None)
        return answer

    def look_at(self, payment: Payment, fault: PlannedFault) -> None:
        """Read both lists: what they do not show did not happen, and never will without a repeat."""
        service, provider = self.system.ledger, self.system.provider
        shown: dict[str, list[int]] = {}
        for what, list_name in (("settle", "settlements"), ("cancel", "cancellations")):
            answer = Answer(list_name, payment.id or "", "", 0, self.system.scheduler.now)
            self.ask(answer, partial(getattr(service, list_name), provider, CARD, payment.id), fault)
            if answer.outcome != "done":
                return
            shown[what] = list(entries(answer).values())
        for what, listed in shown.items():
            for change in sorted(payment.changes, key=lambda change: change.done is None):
                if change.what == what and change.done is not False:
                    found = change.amount in listed
                    assert found or change.done is None, (change, listed)
                    change.done = found
                    if found:
                        listed.remove(change.amount)
            assert not listed, f"{payment.id} lists {listed}, which nobody asked for"

    def ask(self, answer: Answer, use_case: Callable[[Deadline], Any], fault: PlannedFault) -> None:
        def work() -> None:
            try:
                answer.value = use_case(Deadline.after(MONEY_DEADLINE_SECONDS))
                answer.outcome = "done"
            except REFUSALS as error:
                answer.outcome, answer.error = "refused", error
            except RETRYABLE as error:
                answer.outcome, answer.error = "retry", error
            answer.answered_at = self.system.scheduler.now
            self.system.workload.answers.append(answer)

        self.run_actor("worker", work, fault)

    def run_actor(self, name: str, work: Callable[[], Any], fault: PlannedFault) -> None:
        """Let one actor do its work, with one fault; what was on its way then arrives."""
        self.system.environment.faults = PlannedFaultInjector(fault)
        self.system.scheduler.spawn(name, work)
        self.system.scheduler.run()
        failures = [error for error in self.system.scheduler.failures if not isinstance(error, RETRYABLE)]
        assert not failures, failures


def machines_of(system: System) -> Any:
    """Return what makes a machine for each example. Hypothesis declares a class here, and takes any callable."""
    return lambda: Machine(system)


@pytest.mark.parametrize("kind", ["v1", "v1-upfront", "v2", "vauchar", "vauchar-upfront", "voucherify"])
def test_the_ledger_agrees_with_the_reference_model(kind: str, redis_url: str) -> None:
    with build_system(KINDS[kind], redis_url) as system:
        run_state_machine_as_test(machines_of(system), settings=SETTINGS)


@pytest.mark.parametrize("name", ["the caps are checked", "every repeat has the same key"])
def test_the_reference_model_disagrees_without_a_safety(name: str, redis_url: str) -> None:
    safety = next(safety for safety in SAFETIES if safety.name.startswith(name))
    unshrunk = settings(SETTINGS, max_examples=500, phases=[Phase.generate], derandomize=True)
    with build_system(KINDS[safety.kind], redis_url, safety) as system, pytest.raises(AssertionError):
        run_state_machine_as_test(machines_of(system), settings=unshrunk)
