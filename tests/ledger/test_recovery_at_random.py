"""Random orders at Lightrail, whose Redis loses everything at random moments, while VTEX goes on as if nothing was.
In half of them people capture holds in the dashboard as well.

The invariants: every act that was asked for is answered in the end, and none is refused without end; the card is exact
after each; and the shopper never gets back what was settled.

`RECOVERY_SEEDS=1000 pytest tests/ledger/test_recovery_at_random.py` plays more of them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from app.ledger.errors import LedgerUnavailable, Unresolved
from mappers.base import BackendUnavailable, Holds, OutcomeUnknown, Receipt, Step
from mappers.deadline import Deadline
from tests.ledger.faults import Killed
from tests.ledger.lightrail_system import FULL, LightrailSystem, lightrail_system
from tests.ledger.system import MakeSystem
from tests.money import major, minor

SEEDS = int(os.environ.get("RECOVERY_SEEDS", "8"))
ACTS = 9
TRIES = 40


@dataclass
class Order:
    """What VTEX was told of one order, in minor units."""

    name: str
    rest: int
    settled: int = 0
    canceled: int = 0
    refunded: int = 0
    transaction: str = ""

    @property
    def kept(self) -> int:
        """What the shop may keep for good."""
        return self.settled - self.refunded


@dataclass
class Story:
    """One card, its orders, and a fault now and then."""

    system: LightrailSystem
    random: random.Random
    people: bool = False
    orders: list[Order] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def play(self) -> None:
        run = self.system.mapper.run

        def disturbed(step: Step, deadline: Deadline) -> Receipt:
            fault = self.random.choice(
                ("", "", "", "", "", "dies before", "dies after", "loses Redis", "dies and loses")
            )
            if fault == "dies before":
                raise Killed
            receipt = run(step, deadline)
            self.told += [fault] if fault else []
            if "loses" in fault:
                self.system.lose_everything()
            if "dies" in fault:
                raise Killed
            return receipt

        self.system.mapper.run = disturbed  # type: ignore[method-assign]
        try:
            for number in range(ACTS):
                self.act(number)
                spent = sum(order.rest + order.kept for order in self.orders)
                assert self.system.balance() == major(FULL - spent)
        finally:
            self.system.mapper.run = run  # type: ignore[method-assign]
        self.end()

    def act(self, number: int) -> None:
        order = self.random.choice(self.orders) if self.orders else None
        if order is None or self.random.random() < 0.1:
            amount = min(self.random.randint(1, 40) * 100, minor(str(self.system.balance())))
            if amount:
                self.open(Order(f"order-{number}", amount))
        elif self.random.random() < 0.15:
            self.told.append("Redis lost")
            self.system.lose_everything()
        elif self.people and self.random.random() < 0.15:
            if self.system.people_try_to_capture(f"{order.transaction}-1"):
                self.told.append(f"{order.name}: people capture the hold")
        elif order.rest and self.random.random() < 0.5:
            self.settle(order, self.random.choice((order.rest, self.random.randint(1, order.rest))), f"s{number}")
        elif left := order.rest + order.kept:
            self.cancel(order, self.random.randint(1, left), f"c{number}")

    def open(self, order: Order) -> None:
        def authorize() -> None:
            order.transaction = self.system.authorize(str(major(order.rest)), order.name)

        self.until_answered(f"authorize {order.rest}", authorize)
        self.orders.append(order)

    def settle(self, order: Order, amount: int, request_id: str) -> None:
        value = str(major(amount))
        what = f"{order.name}: settle {amount}"
        self.until_answered(what, lambda: self.system.settle(order.transaction, value, request_id))
        order.rest -= amount
        order.settled += amount

    def cancel(self, order: Order, amount: int, request_id: str) -> None:
        value = str(major(amount))
        what = f"{order.name}: cancel {amount}"
        self.until_answered(what, lambda: self.system.cancel(order.transaction, value, request_id))
        voided = min(amount, order.rest)
        order.rest -= voided
        order.refunded += amount - voided

    def end(self) -> None:
        """Let the policies' time go by, then let VTEX refund all that it was told is settled."""
        if self.random.random() < 0.5:
            self.told.append("Redis lost")
            self.system.lose_everything()
            self.system.transactions()
        if not self.people:
            # What people took is not given back by a policy, and its act is left to them.
            self.system.sweep_after(timedelta(days=200))
        kept, rest = sum(order.kept for order in self.orders), sum(order.rest for order in self.orders)
        assert FULL - kept - rest <= minor(str(self.system.balance())) <= FULL - kept
        for order in self.orders:
            if order.kept:
                self.cancel(order, order.kept, "the end")
        assert FULL - rest <= minor(str(self.system.balance())) <= FULL

    def until_answered(self, what: str, call: Callable[[], None]) -> None:
        self.told.append(what)
        for _ in range(TRIES):
            try:
                return call()
            except Killed:
                self.release_leases()
            except (BackendUnavailable, LedgerUnavailable, OutcomeUnknown, Unresolved) as error:
                self.told.append(f"  {type(error).__name__}")
        raise AssertionError(f"{what}: not answered")

    def release_leases(self) -> None:
        """Let the lease of the process that was killed be over."""
        for transaction in self.system.system.everything():
            self.system.system.lose_lease(transaction)


@pytest.fixture(params=["lightrail_v1", "lightrail_v2"])
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[LightrailSystem]:
    with lightrail_system(make_system(Holds.NATIVE), request.param) as system:
        yield system


@pytest.mark.parametrize("people", [False, True], ids=["nobody else", "people in the dashboard"])
def test_whatever_redis_loses_nothing_settled_goes_back_and_nothing_is_refused_without_end(
    system: LightrailSystem, people: bool
) -> None:
    for seed in range(SEEDS):
        system.new_card(f"seed-{seed}")
        story = Story(system, random.Random(seed), people=people)
        try:
            story.play()
        except Exception as error:
            told = "\n".join(story.told)
            raise AssertionError(f"seed {seed}: {type(error).__name__} {error}\n{told}") from error
