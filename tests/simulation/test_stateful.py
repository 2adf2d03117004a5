"""Any sequence of calls, repeats, mishaps and sweeps, against a model of the money that knows nothing of the ledger."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from mappers.base import Holds
from mappers.deadline import Deadline
from tests.simulation.house import PROVIDER, House, house
from tests.simulation.invariants import ALWAYS, AT_REST, AT_THE_END, broken
from tests.simulation.kinds import KINDS
from tests.simulation.money import CARDS, FIRST_BALANCE
from tests.simulation.paper import Change, Payment
from tests.simulation.people import LATER, NO, Answer, entries
from tests.simulation.safeties import SAFETIES
from tests.simulation.schedule import books
from tests.simulation.weather import MONEY_DEADLINE_SECONDS, Backend, Calm, Mishap, Storage

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
mishaps = st.one_of(
    st.just(Mishap()),
    st.just(Mishap()),
    st.builds(Mishap, crash_at=st.integers(1, 25)),
    st.builds(Mishap, backend=st.sampled_from(list(Backend))),
    st.builds(Mishap, backend=st.sampled_from(list(Backend)), read_fails=st.just(True)),
    st.builds(Mishap, storage=st.sampled_from(list(Storage)), redis_at=st.integers(1, 6)),
)


class Machine(RuleBasedStateMachine):
    """What VTEX, the clock and bad luck do."""

    def __init__(self, one: House) -> None:
        super().__init__()
        self.house = one
        one.reset(0)
        self.payments: list[Payment] = []

    # What may happen.

    @rule(amount=amounts, credit=st.booleans(), mishap=mishaps)
    def authorize(self, amount: int, credit: bool, mishap: Mishap) -> None:
        payment = Payment(f"order-{len(self.payments)}", amount, credit and self.house.kind.credits)
        before, certain = self.spendable, self.certain
        self.payments.append(payment)
        answer = self.ask_to_pay(payment, mishap)
        if certain and mishap == Mishap():
            assert answer.word == ("done" if payment.credit or amount <= before else "refused"), answer

    @precondition(lambda self: self.payments)
    @rule(number=st.integers(0, 99), mishap=mishaps)
    def authorize_again(self, number: int, mishap: Mishap) -> None:
        payment = self.payments[number % len(self.payments)]
        answer = self.ask_to_pay(payment, mishap)
        if self.certain and mishap == Mishap():
            assert answer.word == ("refused" if payment.refused else "done")

    @precondition(lambda self: self.told)
    @rule(number=st.integers(0, 99), part=parts, mishap=mishaps)
    def settle(self, number: int, part: tuple[int, int], mishap: Mishap) -> None:
        self.change(number, "settle", part, mishap)

    @precondition(lambda self: self.told)
    @rule(number=st.integers(0, 99), part=parts, mishap=mishaps)
    def cancel(self, number: int, part: tuple[int, int], mishap: Mishap) -> None:
        self.change(number, "cancel", part, mishap)

    @precondition(lambda self: not any(payment.total("settle") for payment in self.payments))
    @rule(amount=amounts, part=parts, mishap=mishaps)
    def authorize_and_settle(self, amount: int, part: tuple[int, int], mishap: Mishap) -> None:
        self.authorize(amount, False, Mishap())
        if self.payments[-1].id is not None:
            self.change(self.told.index(self.payments[-1]), "settle", part, mishap)

    def change(self, number: int, what: str, part: tuple[int, int], mishap: Mishap) -> None:
        payment = self.told[number % len(self.told)]
        room, certain = payment.room(what), self.certain
        amount = max(1, room * part[0] // 2 + part[1])
        change = Change(what, f"change-{len(payment.changes)}", amount)
        payment.changes.append(change)
        answer = self.ask_to_change(payment, change, mishap)
        may_be_spent = payment.credit and what == "cancel"
        if certain and mishap == Mishap() and not may_be_spent:
            assert answer.word == ("done" if amount <= room else "refused"), (room, answer)

    @precondition(lambda self: any(payment.changes for payment in self.told))
    @rule(number=st.integers(0, 99), mishap=mishaps)
    def change_again(self, number: int, mishap: Mishap) -> None:
        every = [(payment, change) for payment in self.told for change in payment.changes]
        payment, change = every[number % len(every)]
        known = change.done
        answer = self.ask_to_change(payment, change, mishap)
        if known:
            assert answer.word != "refused", answer

    @precondition(lambda self: self.told)
    @rule(number=st.integers(0, 99), mishap=mishaps)
    def read(self, number: int, mishap: Mishap) -> None:
        self.look_at(self.told[number % len(self.told)], mishap)

    @rule(mishap=mishaps)
    def sweep(self, mishap: Mishap) -> None:
        self.play("sweeper", self.house.sweepers[0].sweep_once, mishap)

    @rule(milliseconds=st.sampled_from((SECOND, 31 * SECOND, 2 * MINUTE, 16 * MINUTE)))
    def wait(self, milliseconds: int) -> None:
        self.house.scheduler.now += milliseconds

    @precondition(lambda self: self.payments)
    @rule()
    def come_to_rest(self) -> None:
        assert self.house.resolve_everything()
        for payment in self.told:
            self.look_at(payment, Mishap())
        assert not broken(AT_REST, books(self.house))

    # What must be true.

    @invariant()
    def the_invariants_hold(self) -> None:
        assert not self.house.bookkeeper.found
        assert not broken(ALWAYS, books(self.house))

    @invariant()
    def nobody_can_spend_more_than_there_is(self) -> None:
        assert self.could_be_spent <= self.most_spendable
        if self.certain:
            assert self.could_be_spent == self.spendable

    def teardown(self) -> None:
        self.come_to_rest()
        assert self.house.expire_everything()
        assert not broken(AT_THE_END, books(self.house))
        taken = sum(payment.total("settle") - self.refunded(payment) for payment in self.told if not payment.credit)
        added = [payment.amount - payment.given_back for payment in self.payments if payment.credit and payment.id]
        unsure = sum(payment.amount for payment in self.payments if payment.credit and not payment.certain)
        assert 0 <= self.could_be_spent - (FIRST_BALANCE - taken + sum(added)) <= unsure

    # The money on paper.

    @property
    def told(self) -> list[Payment]:
        return [payment for payment in self.payments if payment.id is not None]

    @property
    def certain(self) -> bool:
        return all(payment.certain for payment in self.payments)

    @property
    def spendable(self) -> int:
        debits = sum(payment.amount - payment.given_back for payment in self.told if not payment.credit)
        return FIRST_BALANCE - debits + sum(p.amount - p.given_back for p in self.told if p.credit)

    @property
    def most_spendable(self) -> int:
        """What could be spent if everything unknown turned out in the shopper's favour."""
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
        return unsure and self.house.kind.holds is Holds.UPFRONT

    @staticmethod
    def refunded(payment: Payment) -> int:
        return max(0, payment.given_back - (payment.amount - payment.total("settle")))

    @property
    def could_be_spent(self) -> int:
        """What a shopper could spend now by what the service and the backend say."""
        return self.house.money.balance[CARD] - self.house.storage.reserved(PROVIDER, CARD)

    # Asking.

    def ask_to_pay(self, payment: Payment, mishap: Mishap) -> Answer:
        operation = Operation.CREDIT if payment.credit else Operation.DEBIT
        request = AuthorizationRequest(CARD, operation, payment.amount, payment.request_id)
        service, provider = self.house.ledger, self.house.provider
        answer = Answer("authorize", "", payment.request_id, payment.amount, self.house.scheduler.now)
        self.ask(answer, lambda deadline: service.authorize(provider, request, deadline), mishap)
        if answer.word == "done":
            payment.id = answer.value
        payment.refused |= answer.word == "refused"
        return answer

    def ask_to_change(self, payment: Payment, change: Change, mishap: Mishap) -> Answer:
        service, provider = self.house.ledger, self.house.provider
        request = ChangeRequest(CARD, payment.id or "", change.amount, change.request_id)
        use_case = service.settle if change.what == "settle" else service.cancel
        answer = Answer(change.what, payment.id or "", change.request_id, change.amount, self.house.scheduler.now)
        self.ask(answer, lambda deadline: use_case(provider, request, deadline), mishap)
        known = {"done": True, "refused": False}
        change.done = known.get(answer.word, change.done or None)
        return answer

    def look_at(self, payment: Payment, mishap: Mishap) -> None:
        """Read both lists: what they do not show did not happen, and never will without a repeat."""
        service, provider = self.house.ledger, self.house.provider
        shown: dict[str, list[int]] = {}
        for what, list_name in (("settle", "settlements"), ("cancel", "cancellations")):
            answer = Answer(list_name, payment.id or "", "", 0, self.house.scheduler.now)
            use_case = getattr(service, list_name)
            self.ask(answer, lambda d, use_case=use_case: use_case(provider, CARD, payment.id, d), mishap)
            if answer.word != "done":
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

    def ask(self, answer: Answer, use_case: Callable[[Deadline], Any], mishap: Mishap) -> None:
        def work() -> None:
            try:
                answer.value = use_case(Deadline.after(MONEY_DEADLINE_SECONDS))
                answer.word = "done"
            except NO as error:
                answer.word, answer.error = "refused", error
            except LATER as error:
                answer.word, answer.error = "later", error
            answer.answered_at = self.house.scheduler.now
            self.house.town.answers.append(answer)

        self.play("worker", work, mishap)

    def play(self, name: str, work: Callable[[], Any], mishap: Mishap) -> None:
        """Let one actor do its work, with one mishap; what was on its way then arrives."""
        self.house.around.weather = Calm(mishap)
        self.house.scheduler.spawn(name, work)
        self.house.scheduler.run()
        failures = [error for error in self.house.scheduler.failures if not isinstance(error, LATER)]
        assert not failures, failures


@pytest.mark.parametrize("kind", ["v1", "v1-upfront", "v2", "vauchar", "vauchar-upfront", "voucherify"])
def test_the_ledger_agrees_with_the_money_on_paper(kind: str, redis_url: str) -> None:
    with house(KINDS[kind], redis_url) as one:
        run_state_machine_as_test(lambda: Machine(one), settings=SETTINGS)


@pytest.mark.parametrize("name", ["the caps are checked", "every repeat has the same key"])
def test_the_money_on_paper_disagrees_without_a_safety(name: str, redis_url: str) -> None:
    safety = next(safety for safety in SAFETIES if safety.name.startswith(name))
    unshrunk = settings(SETTINGS, max_examples=500, phases=[Phase.generate], derandomize=True)
    with house(KINDS[safety.kind], redis_url, safety) as one, pytest.raises(AssertionError):
        run_state_machine_as_test(lambda: Machine(one), settings=unshrunk)
