"""Many at once: every interleaving ends with the money where it belongs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.ledger.errors import AmountExceeded, Unresolved
from mappers.base import Holds, InsufficientFunds
from tests.ledger.system import MakeSystem, System

KINDS = [
    pytest.param((Holds.NATIVE, True), id="native"),
    pytest.param((Holds.LEDGER, True), id="ledger"),
    pytest.param((Holds.LEDGER, False), id="ledger, one step at a time"),
    pytest.param((Holds.UPFRONT, True), id="upfront"),
    pytest.param((Holds.UPFRONT, False), id="upfront, one step at a time"),
]


@pytest.fixture(params=KINDS)
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    holds, repeatable = request.param
    return make_system(holds, repeatable=repeatable, one_step_at_a_time=not repeatable)


def at_once(count: int, call: Callable[[int], object]) -> Counter[str]:
    """Run `call` with 0..count-1 in as many threads, released together; return how often each result came."""
    gate = threading.Barrier(count)

    def run(number: int) -> str:
        gate.wait()
        try:
            call(number)
        except Exception as error:  # noqa: BLE001 - the kind of error is the result
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(run, range(count)))


def test_twenty_four_copies_of_one_request_move_money_once(system: System) -> None:
    answers: set[str] = set()
    results = at_once(24, lambda _: answers.add(system.authorize("40.00")))
    assert results == {"done": 24}
    assert len(answers) == 1
    assert system.cards.get(system.provider, "card-1", system.deadline()).balance == 6_000


def test_shoppers_racing_for_one_card_never_overspend_it(system: System) -> None:
    results = at_once(24, lambda number: system.authorize("10.00", f"order-{number}"))
    assert results == {"done": 10, InsufficientFunds.__name__: 14}
    assert system.cards.get(system.provider, "card-1", system.deadline()).balance == 0


def test_settlements_and_cancellations_racing_never_exceed_the_authorization(system: System) -> None:
    transaction = system.authorize("50.00")

    def change(number: int) -> str:
        if number % 2:
            return system.settle(transaction, "10.00", f"s{number}")
        return system.cancel(transaction, "10.00", f"c{number}")

    results = at_once(16, change)
    assert set(results) <= {"done", AmountExceeded.__name__, Unresolved.__name__}
    record = system.record(transaction)
    assert record.captured + record.voided <= record.amount
    assert record.refunded <= record.captured
    taken_upfront = record.rest if system.provider.policy.holds is Holds.UPFRONT else 0
    assert system.backend.spendable + system.backend.held == 10_000 - record.captured + record.refunded - taken_upfront


def test_settling_while_others_authorize_never_reserves_money_that_is_gone(system: System) -> None:
    transactions = [system.authorize("10.00", f"first-{number}") for number in range(6)]

    def act(number: int) -> str:
        if number < 6:
            return system.settle(transactions[number], "10.00")
        return system.authorize("10.00", f"second-{number}")

    results = at_once(16, act)
    assert results == {"done": 10, InsufficientFunds.__name__: 6}
    assert system.cards.get(system.provider, "card-1", system.deadline()).balance == 0


def test_sweepers_and_requests_do_not_run_a_step_twice(system: System) -> None:
    transactions = [system.authorize("10.00", f"order-{number}") for number in range(8)]
    system.make_due()

    settled: list[str] = []

    def act(number: int) -> None:
        if number % 2:
            system.sweeper.sweep_once()
        else:
            settled.append(system.settle(transactions[number // 2], "10.00"))

    at_once(8, act)
    system.sweep()  # expires what was not settled
    assert max(system.backend.effects.values(), default=1) == 1
    assert system.backend.spendable == 10_000 - 1_000 * len(settled)
    assert system.backend.held == 0
