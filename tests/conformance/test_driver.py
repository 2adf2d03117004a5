"""The suite drives a mapper as the ledger does: what a plan may know is the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from app.ledger.transaction import ActRecord, ActState, Reason, done_steps, planned
from mappers.base import ActKind, Holds, Query, Verb
from mappers.conformance.attempts import run, soon
from mappers.conformance.driver import Driver
from mappers.memory.mapper import Memory, MemoryOptions
from mappers.money import Currency


def test_a_done_step_is_told_as_the_ledger_tells_it() -> None:
    mapper = Memory("acme", Currency.of("BRL"), Holds.NATIVE, MemoryOptions())
    [card] = mapper.find(Query(code="MEMORY-ACTIVE-100"), soon())
    driver = Driver(mapper, card.id, 4000, partial(run, mapper))
    driver.open()
    driver.capture(1000)
    hold, capture = driver.transaction.done
    assert (capture.verb, capture.reference) == (Verb.CAPTURE, hold.receipt.reference)
    oid = capture.key.rpartition("-")[0]
    [step] = planned(driver.steps[1:])
    done = (replace(step, receipt=capture.receipt),)
    assert done_steps(ActRecord(1, ActKind.CAPTURE, oid, 1000, ActState.DONE, "r", Reason.REQUEST, 0, steps=done)) == [
        capture
    ]
