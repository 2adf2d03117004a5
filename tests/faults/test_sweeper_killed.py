"""A sweeper that dies at what nobody asked for leaves it to the next one, which does it once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from mappers.base import Verb
from tests.faults.expected import AUTHORIZED, PART, START, Money
from tests.faults.harness import Harness
from tests.faults.matrix import Backend, Point
from tests.faults.service_driver import Summary, SweeperTask, Target
from tests.faults.worker import Sweeping

REST = AUTHORIZED - PART
LOOK_AND_GIVE_BACK = (Verb.LOOK, Verb.REFUND)

# The backend calls of each task, and where the money is in the end.
TASKS: dict[tuple[SweeperTask, Backend], tuple[tuple[Verb, ...], Money]] = {
    (SweeperTask.EXPIRE, Backend.NATIVE): ((Verb.VOID,), Money(START)),
    (SweeperTask.EXPIRE, Backend.LEDGER): ((), Money(START)),
    (SweeperTask.EXPIRE, Backend.UPFRONT): (LOOK_AND_GIVE_BACK, Money(START)),
    (SweeperTask.EXPIRE, Backend.VOUCHERIFY): ((), Money(START)),
    (SweeperTask.VOID_THE_REST, Backend.NATIVE): ((Verb.REFUND,), Money(START - PART)),
    (SweeperTask.VOID_THE_REST, Backend.LEDGER): ((), Money(START - PART, redeemed=PART)),
    (SweeperTask.VOID_THE_REST, Backend.UPFRONT): (
        (Verb.LOOK, Verb.DEBIT, *LOOK_AND_GIVE_BACK),
        Money(START - PART, redeemed=PART),
    ),
    (SweeperTask.VOID_THE_REST, Backend.V2_UPFRONT): ((Verb.REFUND,), Money(START - PART)),
    (SweeperTask.KEEP_THE_PROMISE, Backend.NATIVE): ((Verb.CAPTURE,), Money(START - AUTHORIZED)),
    (SweeperTask.KEEP_THE_PROMISE, Backend.V1): ((Verb.CAPTURE,), Money(START - AUTHORIZED)),
}
LISTS: dict[SweeperTask, tuple[list[Decimal], list[Decimal]]] = {
    SweeperTask.EXPIRE: ([], [AUTHORIZED]),
    SweeperTask.VOID_THE_REST: ([PART], [REST]),
    SweeperTask.KEEP_THE_PROMISE: ([AUTHORIZED], []),
}


def kills() -> Iterator[Any]:
    """Yield each point of each task; the short form has the calls, and the intents of what calls nobody."""
    for (task, backend), (steps, _) in TASKS.items():
        intents = () if task is SweeperTask.KEEP_THE_PROMISE else (Point.BEFORE_INTENT, Point.AFTER_INTENT)
        points = [(point, 0) for point in intents]
        for number in range(1, len(steps) + 1) if steps else [0]:
            looks = not steps or steps[number - 1] is Verb.LOOK
            calls = (Point.BEFORE_SEND,) if looks else (Point.BEFORE_SEND, Point.AFTER_COMMIT)
            points += [(point, number) for point in calls if steps]
            points += [(point, number) for point in (Point.BEFORE_RESULT, Point.AFTER_RESULT)]
        for point, step in points:
            short = point is (Point.AFTER_COMMIT if steps else Point.AFTER_INTENT)
            marks = () if short else pytest.mark.long
            yield pytest.param(task, backend, point, step, marks=marks, id=f"{task}, {backend}: {point} of {step}")


@pytest.mark.parametrize(("task", "backend", "point", "step"), list(kills()))
def test_the_next_sweeper_does_it_once(
    harness: Harness, task: SweeperTask, backend: Backend, point: Point, step: int
) -> None:
    harness.client.flushall()
    card = harness.new_card(backend)
    target = Target(harness.storage.url, backend, card)

    def kill(process_id: int) -> bool:
        if point is not Point.AFTER_COMMIT:
            os.kill(process_id, signal.SIGKILL)
            return False
        harness.sandboxes[backend].interceptor.arm(reads=False, after=lambda: os.kill(process_id, signal.SIGKILL))
        return True

    assert harness.run(Sweeping(target, task.operation, point, step, task=task), kill) is None
    summary = harness.run(Sweeping(target, task.operation, task=task, again=True))
    assert isinstance(summary, Summary)
    assert (summary.unresolved, summary.parked, summary.busy, summary.taking) == (False, False, False, 0)
    assert harness.money(backend, card, summary) == TASKS[task, backend][1]
    assert (summary.settlements, summary.cancellations) == LISTS[task]
    assert summary.steps[-1] == TASKS[task, backend][0]
