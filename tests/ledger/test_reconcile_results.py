"""What a reconciliation found is kept; a scheduled one runs once in the fleet, at its pace, and again after a crash."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.admin import attention
from app.admin.attention import Kind
from app.admin.reconciliation import asked, results, schedule
from app.admin.reconciliation.asked import State
from app.admin.reconciliation.pace import Pace
from app.admin.reconciliation.reconcile import FAILURES_IN_A_ROW, Reconciliation
from app.admin.reconciliation.results import LISTED, RUNS, Result, Trigger
from app.parts import Parts
from app.server.background import Background
from mappers.base import BackendUnavailable, StatementLine
from tests.ledger.reconciliation_driver import found_by, meanwhile, pay, pay_with, reconciliation
from tests.ledger.system import System

EVERY = timedelta(hours=24)


@pytest.fixture
def parts(system: System) -> Parts:
    """Of a service that compares once a day."""
    return scheduled(system.parts)


def scheduled(parts: Parts) -> Parts:
    # The clock of a test cannot wait for a slow pace.
    return replace(parts, settings=replace(parts.settings, reconcile_every=EVERY, reconcile_calls_per_second=1000))


def compared(system: System, *, since: datetime | None = None) -> Result:
    """Compare by hand what happened a while ago; return what is kept of it."""
    run = reconciliation(system, since=since)
    list(results.recorded(system.parts, run, found_by(run), Trigger.HAND))
    (result,) = results.last(system.parts.documents)
    return result


def kept(parts: Parts) -> dict[str, int]:
    found = parts.documents.read(schedule.COLLECTION, schedule.SCHEDULE)
    assert found is not None
    return found


def earlier(parts: Parts, duration: timedelta) -> None:
    """Let the last scheduled run have begun so much earlier."""
    shift = int(duration / timedelta(milliseconds=1))
    moved = {name: moment - shift if moment else 0 for name, moment in kept(parts).items()}
    parts.documents.write(schedule.COLLECTION, schedule.SCHEDULE, moved)


def die(parts: Parts) -> None:
    """Let a scheduled run end half way, as a process does that is killed."""

    def killed(*_: object, **__: object) -> Iterator[StatementLine]:
        raise KeyboardInterrupt

    (provider,) = parts.registry.all()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(provider.mapper, "statement", killed)
        with pytest.raises(KeyboardInterrupt):
            schedule.run(parts)


# Results.


def test_the_result_says_what_was_compared_and_found(system: System) -> None:
    pay(system, "order-1")
    pay(system, "order-2")
    found = compared(system)
    assert (found.provider, found.trigger, found.transactions, found.cards) == (system.provider.id, Trigger.HAND, 2, 1)
    assert (found.differences, found.listed, found.not_compared, found.error) == ({}, (), (), None)
    assert found.duration_milliseconds == (found.finished - found.began) / timedelta(milliseconds=1)


def test_differences_are_counted_by_kind_and_listed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = pay(system)
    monkeypatch.setattr(system.mapper, "statement", lambda *_, **__: iter(()))
    result = compared(system)
    assert result.differences == {"missing": 4}
    assert {(one.transaction, one.kind) for one in result.listed} == {(transaction, "missing")}


def test_they_wait_for_a_person_until_they_are_not_found_any_more(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = pay(system)
    with monkeypatch.context() as broken:
        broken.setattr(system.mapper, "statement", lambda *_, **__: iter(()))
        compared(system)
    items = attention.page(system.parts, 10).items
    assert [(item.kind, item.transaction) for item in items] == [(Kind.DIFFERENCE, transaction)] * 4
    assert len({item.key for item in items}) == 4
    assert "may be back on the card" in items[0].money
    compared(system)
    assert attention.page(system.parts, 10).items == ()


def test_a_long_list_is_counted_in_full(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.admin.reconciliation.results.LISTED", 2)
    pay(system)
    monkeypatch.setattr(system.mapper, "statement", lambda *_, **__: iter(()))
    result = compared(system)
    assert (len(result.listed), result.differences) == (2, {"missing": 4})
    assert LISTED == 100


def test_a_backend_that_does_not_answer_is_told_until_it_was_compared(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(system)

    def down(*_: object, **__: object) -> Iterator[StatementLine]:
        raise BackendUnavailable("the backend does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(system.mapper, "statement", down)
        result = compared(system)
    assert (result.error, result.cards, result.transactions) == ("the backend does not answer", 0, 0)
    (item,) = attention.page(system.parts, 10).items
    assert (item.kind, item.provider) == (Kind.NOT_RECONCILED, system.provider.id)
    assert compared(system).error is None
    assert attention.page(system.parts, 10).items == ()


def test_a_part_is_no_result_of_the_whole(system: System) -> None:
    pay(system)
    whole = compared(system)
    assert compared(system, since=datetime(2100, 1, 1, tzinfo=UTC)) == whole
    newest, before = results.history(system.parts.documents)
    assert [one.transactions for one in (*newest, *before)] == [0, 1]


def test_the_result_of_a_provider_that_is_gone_is_forgotten(system: System) -> None:
    pay(system)
    compared(system)
    system.parts.documents.write(results.COLLECTION, "gone", {})
    compared(system)
    assert [*system.parts.documents.read_all(results.COLLECTION)] == [system.provider.id]


def test_the_history_has_the_last_runs_without_their_lists(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.admin.reconciliation.results.RUNS", 3)
    pay(system)
    monkeypatch.setattr(system.mapper, "statement", lambda *_, **__: iter(()))
    for _ in range(4):
        compared(system)
    runs = results.history(system.parts.documents)
    assert [(run[0].differences, run[0].listed) for run in runs] == [({"missing": 4}, ())] * 3
    assert RUNS == 50


# The schedule.


def test_without_the_setting_nothing_is_scheduled(system: System) -> None:
    assert not schedule.is_due(system.parts)


def test_it_is_due_at_once_and_then_after_so_long(parts: Parts) -> None:
    assert schedule.is_due(parts)
    assert schedule.run(parts)
    assert not schedule.is_due(parts)
    earlier(parts, EVERY - timedelta(minutes=1))
    assert not schedule.is_due(parts)
    earlier(parts, timedelta(minutes=1))
    assert schedule.is_due(parts)


def test_it_leaves_a_result(system: System, parts: Parts) -> None:
    pay(system)
    schedule.run(parts)
    (result,) = results.last(parts.documents)
    assert (result.provider, result.trigger, result.transactions) == (system.provider.id, Trigger.SCHEDULE, 1)


def test_one_that_died_is_begun_anew_after_a_pause(system: System, parts: Parts) -> None:
    pay(system)
    die(parts)
    assert not schedule.is_due(parts)
    earlier(parts, schedule.PAUSE)
    assert schedule.is_due(parts)
    assert schedule.run(parts)
    assert kept(parts)["finished"]


def test_one_that_dies_again_and_again_is_told(system: System, parts: Parts) -> None:
    pay(system)
    die(parts)
    assert attention.page(parts, 10).items == ()
    earlier(parts, EVERY)
    die(parts)
    (item,) = attention.page(parts, 10).items
    assert (item.kind, item.provider) == (Kind.NOT_RECONCILED, None)
    schedule.run(parts)
    assert attention.page(parts, 10).items == ()


def test_while_one_runs_no_other_begins_however_long_it_takes(system: System, parts: Parts) -> None:
    pay(system)
    others: list[bool] = []

    def another() -> None:
        earlier(parts, schedule.PAUSE)
        others.extend((schedule.is_due(parts), schedule.run(parts)))

    meanwhile(system, another)
    assert schedule.run(parts)
    assert others == [False, False]


class Child(subprocess.Popen[bytes]):
    """A process that compares, or is over."""

    def __init__(self) -> None:
        self.over = False
        self.returncode = None

    def poll(self) -> int | None:
        return 0 if self.over else None

    def __del__(self) -> None:
        """There is no process."""


def test_of_two_services_one_begins_it_once(parts: Parts) -> None:
    children: list[Child] = []

    def spawn() -> Child:
        children.append(Child())
        return children[-1]

    services = [Background(parts, spawn), Background(parts, spawn)]
    for _ in range(3):
        for service in services:
            service.look_once()
    assert len(children) == 1
    children[0].over = True
    schedule.run(parts)
    for service in services:
        service.look_once()
    assert len(children) == 1
    earlier(parts, EVERY)
    for service in services:
        service.look_once()
    assert len(children) == 2


# What somebody asks for.


def test_what_somebody_asks_for_is_compared_once_without_a_schedule_too(system: System) -> None:
    pay(system)
    assert asked.ask(system.parts, "ana")
    assert not asked.ask(system.parts, "rui")
    assert schedule.is_due(system.parts)
    assert schedule.run(system.parts)
    (result,) = results.last(system.parts.documents)
    assert result.trigger is Trigger.HAND
    assert not schedule.is_due(system.parts)
    assert asked.standing(system.parts) is None


def test_a_comparison_by_hand_does_not_take_the_place_of_the_scheduled_one(parts: Parts) -> None:
    asked.ask(parts, "ana")
    schedule.run(parts)
    assert schedule.is_due(parts)
    schedule.run(parts)
    assert not schedule.is_due(parts)
    assert [run[0].trigger for run in results.history(parts.documents)] == [Trigger.SCHEDULE, Trigger.HAND]


@pytest.mark.parametrize("repair", [False, True])
def test_only_who_asks_for_a_repair_gets_one(system: System, parts: Parts, *, repair: bool) -> None:
    wanted: list[bool] = []

    class Noted(Reconciliation):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            wanted.append(options["repair"])
            super().__init__(*arguments, **options)

    asked.ask(parts, "ana", repair=repair)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(schedule, "Reconciliation", Noted)
        schedule.run(parts)
        schedule.run(parts)
    assert wanted == [repair, False]


def test_everybody_sees_how_far_it_is(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    pay(system, "order-1")
    monkeypatch.setattr(asked, "WRITTEN_SECONDS", 0)
    seen: list[asked.Standing | None] = []
    told, mapper = system.mapper.statement, system.mapper

    def statement(*arguments: Any, **options: Any) -> Iterator[StatementLine]:
        seen.append(asked.standing(system.parts))
        yield from told(*arguments, **options)

    asked.ask(system.parts, "ana", repair=True)
    assert asked.standing(system.parts) == asked.Standing(State.WAITING, "ana", repair=True)
    monkeypatch.setattr(mapper, "statement", statement)
    schedule.run(system.parts)
    assert seen[0] == asked.Standing(State.RUNNING, "ana", repair=True, total=1)
    assert seen[-1] == asked.Standing(State.RUNNING, "ana", repair=True, seen=1, total=1)


def test_one_that_died_is_told_until_the_next_ends(parts: Parts) -> None:
    asked.ask(parts, "ana")
    die(parts)
    found = asked.standing(parts)
    assert found is not None
    assert (found.state, found.who) == (State.ENDED, "ana")
    asked.ask(parts, "rui")
    schedule.run(parts)
    assert asked.standing(parts) is None


# The pace.


class Clock:
    """A clock that only moves while somebody sleeps."""

    seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def now(self) -> float:
        return self.seconds


def test_a_pace_lets_through_so_many_a_second() -> None:
    clock = Clock()
    pace = Pace(5, clock.sleep, clock.now)
    for _ in range(51):
        pace.wait()
    assert clock.seconds == pytest.approx(10)


def test_time_that_nobody_used_is_not_made_up_for() -> None:
    clock = Clock()
    pace = Pace(5, clock.sleep, clock.now)
    clock.sleep(60)
    for _ in range(11):
        pace.wait()
    assert clock.seconds == pytest.approx(62)


def test_without_a_pace_nobody_waits() -> None:
    clock = Clock()
    pace = Pace(None, clock.sleep, clock.now)
    for _ in range(10):
        pace.wait()
    assert clock.seconds == 0


def test_each_question_to_a_backend_keeps_to_the_pace(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        pay_with(system, f"another-{number}", f"order-{number}")
    clock, asked = Clock(), 0
    statement = system.mapper.statement

    def counted(page_seconds: float, card_id: str | None = None, since: datetime | None = None) -> object:
        nonlocal asked
        asked += 1
        return statement(page_seconds, card_id, since)

    monkeypatch.setattr(system.mapper, "statement", counted)
    found_by(Reconciliation(system.parts, pace=Pace(5, clock.sleep, clock.now)))
    assert asked == 21
    assert clock.seconds == pytest.approx((asked - 1) / 5)


def test_a_backend_that_is_down_is_asked_three_times(
    system: System, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        pay_with(system, f"another-{number}", f"order-{number}")
    asked = []

    def down(*_: object, **__: object) -> Iterator[StatementLine]:
        asked.append(1)
        raise BackendUnavailable("the backend does not answer")

    monkeypatch.setattr(system.mapper, "statement", down)
    schedule.run(parts)
    assert len(asked) == FAILURES_IN_A_ROW
