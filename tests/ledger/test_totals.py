"""The totals of each day are the sums of what was done on it, whatever happened and however it was found out."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.admin import totals
from app.admin.totals import DayTotals
from app.ledger import names
from app.ledger.errors import LedgerError
from app.ledger.milliseconds import moment
from app.ledger.storage.totals import Totals
from app.ledger.transaction import Operation
from mappers.base import ActKind, CardUnusable, Holds, MapperError, Receipt, Step
from tests.ledger.faults import Run, lost_after, lost_before, refuses
from tests.ledger.moved_clock import MovedClock
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_reconcile_forgotten import forgotten
from tests.money import major

MOVES, DAYS = 60, 4

# Of one day, by the names that a report has; "held" is by how much more is held after it.
Sums = Counter[str]


@pytest.fixture
def clock(redis_url: str) -> MovedClock:
    clock = MovedClock(redis_url)
    clock.stand_still()
    return clock


def report(system: System, days: int = DAYS + 1) -> list[DayTotals]:
    today = system.parts.totals.today()
    return totals.of(system.parts, today - timedelta(days=days), today)


def sums_by_day(system: System) -> dict[date, Sums]:
    """Add up what the histories of all transactions say was done."""
    sums: dict[date, Sums] = defaultdict(Counter)
    for transaction in system.everything():
        for event in system.storage.events(transaction):
            if event["what"] in ("done", "late"):
                for what, amount in _moved(system, transaction, event["act"]):
                    sums[moment(event["at"]).date()][what] += amount
    return sums


def _moved(system: System, transaction: str, oid: str) -> Iterator[tuple[str, int]]:
    record = system.record(transaction)
    (act,) = (one for one in record.acts if one.oid == oid)
    if record.operation is Operation.CREDIT:
        yield ("credited", act.amount) if act.opens else ("taken_back", act.voided + act.refunded)
        return
    if act.opens:
        yield from (("authorized", act.amount), ("held", act.amount))
    elif act.kind is ActKind.CAPTURE:
        yield from (("settled", act.amount), ("held", -act.amount))
    else:
        yield from (("voided", act.voided), ("refunded", act.refunded), ("held", -act.voided))


def play(system: System, clock: MovedClock, seed: int) -> None:
    """Let VTEX ask for anything on some days, while answers are lost and the sweeper comes by."""
    chance = random.Random(seed)
    opened: list[str] = []
    for move in range(MOVES):
        if chance.random() < DAYS / MOVES:
            clock.go_on(timedelta(days=1))
        if chance.random() < 0.3:
            system.mapper.faults = [chance.choice([lost_before, lost_after, refuses])]
        value, name = str(chance.randrange(1, 9)), f"request-{chance.randrange(move + 1)}"
        with suppress(LedgerError, MapperError):
            match chance.randrange(5):
                case 0:
                    opened.append(system.authorize(value, name))
                case 1:
                    opened.append(system.authorize(value, name, "Credit"))
                case 2 if opened:
                    system.settle(chance.choice(opened), value, name)
                case 3 if opened:
                    system.cancel(chance.choice(opened), value, name)
                case _:
                    system.sweeper.sweep_once()


@pytest.mark.parametrize("holds", Holds)
@pytest.mark.parametrize("seed", range(3))
def test_the_totals_of_each_day_are_the_sums_of_what_was_done_on_it(
    holds: Holds, seed: int, make_system: MakeSystem, clock: MovedClock
) -> None:
    system = make_system(holds, connection=clock)
    play(system, clock, seed)
    sums, held = sums_by_day(system), 0
    assert sums
    for row in report(system):
        expected = sums.pop(row.day, Counter())
        held += expected.pop("held", 0)
        assert {name: getattr(row, name) for name in totals.NAMES} == {
            name: major(expected[name]) for name in totals.NAMES
        }
        assert row.held == major(held)
    assert not sums


def test_what_is_held_is_told_of_each_day_until_it_is_not_held(make_system: MakeSystem, clock: MovedClock) -> None:
    system = make_system(connection=clock)
    transaction = system.authorize("40.00")
    clock.go_on(timedelta(days=2))
    system.settle(transaction, "15.00")
    clock.go_on(timedelta(days=1))
    system.cancel(transaction, "25.00")
    clock.go_on(timedelta(days=1))
    assert [str(row.held) for row in report(system)] == ["40.00", "40.00", "25.00", "0.00"]
    assert [str(row.settled) for row in report(system)] == ["0.00", "0.00", "15.00", "0.00"]
    assert [str(row.held) for row in report(system, days=3)] == ["40.00", "25.00", "0.00"]


def test_a_settlement_that_succeeds_after_it_was_refused_counts(system: System) -> None:
    transaction = system.authorize("40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.settle(transaction, "40.00")
        system.backend.frozen = False
        return run()

    system.mapper.faults = [overtaken]
    system.settle(transaction, "40.00")
    assert [(str(row.settled), str(row.held)) for row in report(system)] == [("40.00", "0.00")]


def test_the_totals_of_a_day_end_400_days_later_and_those_of_all_time_never(system: System) -> None:
    system.authorize("40.00")
    client = system.connection._client
    ends = {str(key).rpartition("totals")[2]: client.ttl(key) for key in client.scan_iter("gb:*:totals*")}
    today = (system.parts.totals.today() - date(1970, 1, 1)).days
    assert ends[""] == -1
    assert 400 <= ends[f":{today}"] / 86_400 <= 401


@pytest.mark.parametrize("first", [date.min, date(203, 1, 1)])
def test_days_that_are_not_kept_are_not_read(system: System, monkeypatch: pytest.MonkeyPatch, first: date) -> None:
    """A year that lacks a digit would be millions of keys of each bucket."""
    monkeypatch.setattr(names, "BUCKETS", 1)
    today = system.parts.totals.today()
    _, of_days = system.parts.totals.since(first)
    assert (min(of_days), len(of_days)) == (today - timedelta(days=400), 402)  # with tomorrow, should midnight pass


def test_a_bucket_that_is_written_to_while_it_is_read_is_read_again(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what was held in the evening would lack what is done at this moment."""
    transaction = system.authorize("40.00")
    read, readings = Totals._read, []

    def meanwhile(self: Totals, buckets: Sequence[int], days: Sequence[date]) -> list[list[dict[str, str]]]:
        rows = list(read(self, buckets, days))
        readings.append(len(rows))
        if len(readings) == 1:
            system.settle(transaction, "15.00")
            for row, newer in zip(rows, read(self, buckets, days), strict=True):
                row[-1] = newer[-1]
        return rows

    monkeypatch.setattr(Totals, "_read", meanwhile)
    (row,) = report(system)
    assert (row.settled, row.held) == (Decimal("15.00"), Decimal("25.00"))
    assert readings == [names.BUCKETS, 1]


def test_a_lost_ledger_that_is_restored_has_its_totals_again(system: System) -> None:
    kept, over = system.authorize("40.00"), system.authorize("10.00", "order-2")
    system.settle(kept, "15.00")
    system.cancel(kept, "5.00")
    system.cancel(over, "10.00", "cancel-2")
    before = report(system)
    system.connection._client.flushall()
    system.cancellations(kept)
    assert report(system) == before


def test_what_was_forgotten_after_its_retention_counts_once(system: System) -> None:
    transaction = forgotten(system)
    before = report(system, days=500)
    assert system.settlements(transaction) == [Decimal("40.00")]  # it was asked for, and is back
    assert report(system, days=500) == before
    assert [row.settled for row in before] == [Decimal("40.00")]


def test_two_providers_and_two_currencies_have_lines_of_their_own(system: System) -> None:
    system.authorize("40.00")
    system.beside().authorize("30.00", "order-2")
    assert [row.held for row in report(system)] == [Decimal("40.00"), Decimal("30.00")]
    assert len(totals.of(system.parts, system.parts.totals.today(), system.parts.totals.today(), ["beside"])) == 1


def test_what_is_restored_as_refused_counts_as_nothing(system: System) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [refuses]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    record, client = system.record(transaction), system.connection._client
    client.flushall()
    system.storage.restore(record, in_totals=True)
    (totals,) = client.scan_iter("gb:*:totals")
    assert [str(field).rpartition("/")[2] for field in client.hkeys(totals)] == ["authorized"]


def test_what_did_not_move_is_no_line_of_the_totals(system: System) -> None:
    system.cancel(system.authorize("40.00"), "40.00")
    client = system.connection._client
    (totals,) = client.scan_iter("gb:*:totals")
    assert {str(field).rpartition("/")[2] for field in client.hkeys(totals)} == {"authorized", "voided"}
