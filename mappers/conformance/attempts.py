"""Ways to get one step done, each of which must end in the same place, and ways to look at where the money is."""

from __future__ import annotations

import time
from collections.abc import Callable

from mappers.base import Mapper, MapperError, Receipt, Step, Verb
from mappers.conformance.driver import Driver
from mappers.deadline import Deadline

# ruff: noqa: S101 - these are tests

Attempt = Callable[[Mapper, Step], Receipt]

# What a busy machine may add to any limit.
SLACK_SECONDS = 3.0


def soon() -> Deadline:
    return Deadline.after(15)


def run(mapper: Mapper, step: Step) -> Receipt:
    return mapper.run(step, soon())


def run_twice(mapper: Mapper, step: Step) -> Receipt:
    """Run a step, and again where that is safe; where it is not, ask. Both must name the same thing."""
    receipt = run(mapper, step)
    if step.verb is not Verb.LOOK:
        again = run(mapper, step) if mapper.repeatable else mapper.ask(step, soon())
        assert again is not None, f"the {step.verb} happened, and ask() shows no trace of it"
        assert again.reference == receipt.reference, (
            f"done again, the {step.verb} has another reference: it happened twice"
        )
    return receipt


def ask_and_run(mapper: Mapper, step: Step) -> Receipt:
    """Run a step, asking for it before and after."""
    if step.verb is Verb.LOOK:
        return run(mapper, step)
    assert mapper.ask(step, soon()) is None, f"the {step.verb} was not run yet, and ask() says that it happened"
    receipt = run(mapper, step)
    assert ask_until_it_shows(mapper, step).reference == receipt.reference, (
        f"run() and ask() name the {step.verb} differently"
    )
    return receipt


def ask_until_it_shows(mapper: Mapper, step: Step) -> Receipt:
    """Return what `ask` finds, once the backend's reads have come to show it."""
    deadline = Deadline.after(mapper.read_lag_seconds + SLACK_SECONDS)
    while (receipt := mapper.ask(step, soon())) is None and not deadline.passed():
        time.sleep(0.05)
    assert receipt is not None, f"the {step.verb} happened, and ask() shows no trace of it"
    return receipt


def pay(driver: Driver) -> None:
    """Open a payment and take all of it."""
    driver.open()
    driver.capture(driver.transaction.amount)


def error_of(action: Callable[[], object]) -> MapperError | None:
    """Return what the mapper refuses or fails with, None when it does neither."""
    try:
        action()
    except MapperError as error:
        return error
    return None


def assert_balance(mapper: Mapper, card_id: str, expected: int) -> None:
    """See that the card holds exactly `expected`, once the backend's reads have come to show it."""
    deadline = Deadline.after(mapper.read_lag_seconds)
    while (balance := mapper.get_card(card_id, soon()).balance) != expected and not deadline.passed():
        time.sleep(0.05)
    assert balance == expected, f"the card holds {balance} in minor units, and must hold {expected}"
