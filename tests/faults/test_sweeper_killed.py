"""A sweeper that dies at what nobody asked for leaves it to the next one, which does it once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from mappers.base import Verb
from tests.faults.child import Sweeping
from tests.faults.matrix import Backend, Point
from tests.faults.promises import AUTHORIZED, PART, START, Money
from tests.faults.stage import Stage
from tests.faults.workshop import Chore, Summary, Where

REST = AUTHORIZED - PART
LOOK_AND_GIVE_BACK = (Verb.LOOK, Verb.REFUND)

# The backend calls of each chore, and where the money is in the end.
CHORES: dict[tuple[Chore, Backend], tuple[tuple[Verb, ...], Money]] = {
    (Chore.EXPIRE, Backend.NATIVE): ((Verb.VOID,), Money(START)),
    (Chore.EXPIRE, Backend.LEDGER): ((), Money(START)),
    (Chore.EXPIRE, Backend.UPFRONT): (LOOK_AND_GIVE_BACK, Money(START)),
    (Chore.EXPIRE, Backend.VOUCHERIFY): ((), Money(START)),
    (Chore.VOID_THE_REST, Backend.NATIVE): ((Verb.REFUND,), Money(START - PART)),
    (Chore.VOID_THE_REST, Backend.LEDGER): ((), Money(START - PART, redeemed=PART)),
    (Chore.VOID_THE_REST, Backend.UPFRONT): (
        (*LOOK_AND_GIVE_BACK, Verb.LOOK, Verb.DEBIT),
        Money(START - PART, redeemed=PART),
    ),
    (Chore.VOID_THE_REST, Backend.V2_UPFRONT): ((Verb.REFUND,), Money(START - PART)),
    (Chore.KEEP_THE_PROMISE, Backend.NATIVE): ((Verb.CAPTURE,), Money(START - AUTHORIZED)),
    (Chore.KEEP_THE_PROMISE, Backend.V1): ((Verb.CAPTURE,), Money(START - AUTHORIZED)),
}
LISTS: dict[Chore, tuple[list[Decimal], list[Decimal]]] = {
    Chore.EXPIRE: ([], [AUTHORIZED]),
    Chore.VOID_THE_REST: ([PART], [REST]),
    Chore.KEEP_THE_PROMISE: ([AUTHORIZED], []),
}


def deaths() -> Iterator[Any]:
    """Yield each point of each chore; the short form has the calls, and the intents of what calls nobody."""
    for (chore, backend), (steps, _) in CHORES.items():
        intents = () if chore is Chore.KEEP_THE_PROMISE else (Point.BEFORE_INTENT, Point.AFTER_INTENT)
        points = [(point, 0) for point in intents]
        for number in range(1, len(steps) + 1) if steps else [0]:
            looks = not steps or steps[number - 1] is Verb.LOOK
            calls = (Point.BEFORE_SEND,) if looks else (Point.BEFORE_SEND, Point.AFTER_COMMIT)
            points += [(point, number) for point in calls if steps]
            points += [(point, number) for point in (Point.BEFORE_RESULT, Point.AFTER_RESULT)]
        for point, step in points:
            short = point is (Point.AFTER_COMMIT if steps else Point.AFTER_INTENT)
            marks = () if short else pytest.mark.long
            yield pytest.param(chore, backend, point, step, marks=marks, id=f"{chore}, {backend}: {point} of {step}")


@pytest.mark.parametrize(("chore", "backend", "point", "step"), list(deaths()))
def test_the_next_sweeper_does_it_once(stage: Stage, chore: Chore, backend: Backend, point: Point, step: int) -> None:
    stage.client.flushall()
    card = stage.new_card(backend)
    where = Where(stage.storage.url, backend, card)

    def kill(process_id: int) -> bool:
        if point is not Point.AFTER_COMMIT:
            os.kill(process_id, signal.SIGKILL)
            return False
        stage.stands[backend].gate.arm(reads=False, after=lambda: os.kill(process_id, signal.SIGKILL))
        return True

    assert stage.run(Sweeping(where, chore.operation, point, step, chore=chore), kill) is None
    summary = stage.run(Sweeping(where, chore.operation, chore=chore, again=True))
    assert isinstance(summary, Summary)
    assert (summary.unresolved, summary.parked, summary.busy, summary.taking) == (False, False, False, 0)
    assert stage.money(backend, card, summary) == CHORES[chore, backend][1]
    assert (summary.settlements, summary.cancellations) == LISTS[chore]
    assert summary.steps[-1] == CHORES[chore, backend][0]
