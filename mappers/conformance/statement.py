"""What a backend that keeps a statement tells there of what a mapper did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardNotFound,
    DoneStep,
    Holds,
    InsufficientFunds,
    Mapper,
    Origin,
    Receipt,
    StatementLine,
    Step,
    Unsupported,
    Verb,
)
from mappers.conformance.applicability import keeps_a_statement, lists_cards, may_add_value, needs
from mappers.conformance.attempts import SLACK_SECONDS, pay, run
from mappers.conformance.driver import Driver
from mappers.conformance.failures import READ_SECONDS, UNREADABLE, in_time, spoil_reads
from mappers.conformance.fixtures import SCENARIOS, Fixtures, MakeMapper
from mappers.deadline import Deadline

if TYPE_CHECKING:
    from mappers.sandbox import Sandbox

# ruff: noqa: S101 - these are tests

PAGE_SECONDS = 15

# What a statement may tell without a key.
WITHOUT_KEY = (Verb.CAPTURE, Verb.VOID, Verb.REFUND)

# Dates may be cut to the second, and a backend's clock may differ a little.
CLOCK_SECONDS = 5


def entries_of(mapper: Mapper, card_id: str | None, since: datetime | None = None) -> list[StatementLine]:
    return list(mapper.statement(PAGE_SECONDS, card_id, since))


class Recorder:
    """Runs steps as parts of acts, and keeps what was sent."""

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self.sent: dict[str, Step] = {}

    def __call__(self, step: Step) -> Receipt:
        self.sent[step.key] = replace(step, origin=_origin(step))
        return run(self._mapper, self.sent[step.key])


class StatementTests(Fixtures):
    """The ledger and its backend can be compared step by step, and a lost ledger be written again."""

    @needs(keeps_a_statement)
    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_a_statement_tells_every_step_once(
        self, scenario: str, holds: Holds, make_mapper: MakeMapper, card_id: str, card_code: str, full: int
    ) -> None:
        mapper, unit = make_mapper(holds), full // 10 - 1
        recorder, started = Recorder(mapper), datetime.now(UTC)
        driver = Driver(mapper, card_id, 4 * unit, recorder)
        driver.open()
        for part in map(int, SCENARIOS[scenario].split()):
            driver.settle_or_cancel(part * unit)
        entries = self._told(mapper, card_id, driver.transaction.done)
        clock = timedelta(seconds=CLOCK_SECONDS)
        assert all(started - clock <= entry.date <= datetime.now(UTC) + clock for entry in entries), (
            "an entry has another date than that of its step"
        )
        steps = [recorder.sent[entry.key or ""] for entry in entries]
        assert all(entry.origin in (None, step.origin) for entry, step in zip(entries, steps, strict=True)), (
            "an entry tells another origin than its step had"
        )
        made = [entry.receipt.reference for entry in entries]
        assert all(step.reference not in made[place:] for place, step in enumerate(steps)), "what is acted on is first"
        assert card_code not in repr(entries), "the statement shows the code"

    @needs(keeps_a_statement, may_add_value)
    def test_a_statement_tells_what_was_added_and_taken_back(self, mapper: Mapper, card_id: str, full: int) -> None:
        driver = Driver(mapper, card_id, full // 5, Recorder(mapper), credit=True)
        try:
            driver.open()
        except Unsupported:
            return  # it says so before anything moves, as it must
        driver.reverse(full // 10)
        self._told(mapper, card_id, driver.transaction.done)

    @needs(keeps_a_statement)
    def test_a_statement_tells_what_happened_twice_under_two_keys(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        drivers = [Driver(mapper, card_id, full // 4, Recorder(mapper)) for _ in range(2)]
        for driver in drivers:
            pay(driver)
        self._told(mapper, card_id, [step for driver in drivers for step in driver.transaction.done])

    @needs(keeps_a_statement)
    def test_what_was_refused_is_in_no_statement(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        driver = Driver(mapper, card_id, full + 1, Recorder(mapper))
        with pytest.raises(InsufficientFunds):
            pay(driver)
        assert entries_of(mapper, card_id) == [], "the statement tells of what was refused"

    @needs(keeps_a_statement)
    def test_a_statement_may_begin_later(self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int) -> None:
        mapper, started = make_mapper(holds), datetime.now(UTC)
        driver = Driver(mapper, card_id, full // 4, Recorder(mapper))
        pay(driver)
        self._told(mapper, card_id, driver.transaction.done, started - timedelta(seconds=CLOCK_SECONDS))

    @needs(keeps_a_statement)
    def test_an_unknown_card_has_no_statement(self, mapper: Mapper) -> None:
        with pytest.raises(CardNotFound):
            entries_of(mapper, "no-such-card")

    @needs(keeps_a_statement)
    def test_the_statement_of_all_cards_tells_those_of_each(
        self, holds: Holds, make_mapper: MakeMapper, card_id: str, full: int
    ) -> None:
        mapper = make_mapper(holds)
        driver = Driver(mapper, card_id, full // 4, Recorder(mapper))
        pay(driver)
        try:
            entries_of(mapper, None)
        except Unsupported:
            return  # it lists card by card, and says so
        of_card = self._told(mapper, card_id, driver.transaction.done)
        assert [entry for entry in entries_of(mapper, None) if entry.card_id == card_id] == of_card, (
            "the statements of one card and of all differ"
        )

    @needs(lists_cards)
    def test_the_list_of_cards_has_each_that_can_pay(self, mapper: Mapper, card_id: str, card_code: str) -> None:
        listed: list[str] = []
        with suppress(Unsupported):  # says at the end that they may not be all
            listed += mapper.cards(PAGE_SECONDS)
        assert card_id in listed, "cards() leaves a card out"
        assert card_code not in listed, "cards() must list ids, and lists a code"

    @needs(lists_cards)
    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_a_list_of_cards_that_cannot_be_read_is_unavailable_and_in_time(
        self, kind: Any, mapper: Mapper, sandbox: Sandbox
    ) -> None:
        spoil_reads(sandbox, kind)
        with in_time(READ_SECONDS), pytest.raises(BackendUnavailable):
            list(mapper.cards(READ_SECONDS))

    @needs(keeps_a_statement)
    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_a_statement_that_cannot_be_read_is_unavailable_and_in_time(
        self, kind: Any, mapper: Mapper, card_id: str, full: int, sandbox: Sandbox
    ) -> None:
        pay(Driver(mapper, card_id, full // 4, Recorder(mapper)))
        entries_of(mapper, card_id)
        spoil_reads(sandbox, kind)
        with in_time(READ_SECONDS), pytest.raises(BackendUnavailable):
            list(mapper.statement(READ_SECONDS, card_id))

    @staticmethod
    def _told(
        mapper: Mapper, card_id: str, done: Sequence[DoneStep], since: datetime | None = None
    ) -> list[StatementLine]:
        """Return the card's statement, once it tells the steps done: exactly those that it must, oldest first."""
        expected = {step.key: (step.verb, step.amount, step.receipt) for step in mapper.on_record(done)}
        deadline = Deadline.after(mapper.read_lag_seconds + SLACK_SECONDS)
        entries = _named(entries_of(mapper, card_id, since), done)
        while {entry.key for entry in entries} != set(expected) and not deadline.passed():
            time.sleep(0.05)
            entries = _named(entries_of(mapper, card_id, since), done)
        told = {entry.key: (entry.verb, entry.amount, entry.receipt) for entry in entries}
        assert told == expected, "the statement does not tell just the steps that were done"
        assert len(entries) == len(expected), "the statement tells a step twice"
        assert {entry.card_id for entry in entries} <= {card_id}, "the statement tells of another card"
        assert [entry.date for entry in entries] == sorted(entry.date for entry in entries), (
            "the statement must be oldest first"
        )
        return entries


def _named(entries: Sequence[StatementLine], done: Sequence[DoneStep]) -> list[StatementLine]:
    """Return the entries, those without a key as the steps that they are: by verb and reference, as in the ledger.

    What takes money of a card, or adds to it, must be known by its key: only what settles or ends it need not.
    """
    keys = {(step.verb, step.receipt.reference): step.key for step in done if step.verb in WITHOUT_KEY}
    return [replace(entry, key=entry.key or keys.get((entry.verb, entry.receipt.reference))) for entry in entries]


def _origin(step: Step) -> Origin:
    """Return the notes of an act that a step may be part of, with a request id as awkward as VTEX's may be."""
    oid = step.key.rpartition("-")[0]
    request_id = '5EDB-01 ação "1/2" \U0001f381'
    if step.verb in (Verb.VOID, Verb.REFUND):
        return Origin(oid, request_id, ActKind.REVERSAL, oid, step.amount, step.amount - 1, 1, "cancel-1")
    kind = ActKind.CAPTURE if step.verb is Verb.CAPTURE else ActKind.DEBIT
    return Origin(oid, request_id, kind, oid, step.amount)
