"""Redis's clock is set ahead, and back: no lease ends early, and nothing waits for a day that only that clock knew."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.ledger import names
from app.ledger.errors import Unresolved
from app.ledger.milliseconds import moment
from app.ledger.storage import keys
from app.ledger.storage.answers import LeaseAnswer
from app.ledger.storage.pace import DOUBTED, SET_BACK, UNEVEN, Pace
from app.ledger.sweeper import CALLER
from mappers.base import Holds, OutcomeUnknown, Receipt, Step
from mappers.deadline import Deadline, steady_seconds
from tests.ledger.driver import change_within, left_for_a_person, runs
from tests.ledger.faults import Killed, dies, error_before, lost_before
from tests.ledger.moved_clock import MovedClock
from tests.ledger.system import MakeSystem, System
from tests.stored import rewrite

LEASE = timedelta(seconds=30)
DAYS = timedelta(days=31)


@pytest.fixture
def connection(empty_redis_url: str) -> MovedClock:
    return MovedClock(empty_redis_url)


@pytest.fixture
def system(make_system: MakeSystem, connection: MovedClock) -> System:
    return make_system(connection=connection)


def interrupted(system: System) -> str:
    """Return a transaction whose settlement somebody may be sending at this moment."""
    transaction = system.authorize("40.00")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(transaction, "10.00")
    return transaction


@pytest.mark.parametrize("jump", [timedelta(minutes=1), DAYS], ids=str)
def test_a_lease_does_not_end_when_the_clock_is_set_ahead(
    system: System, connection: MovedClock, jump: timedelta
) -> None:
    transaction = interrupted(system)
    connection.ahead = jump
    for _ in range(2):
        result = system.storage.take_lease(system.record(transaction), CALLER, one_step_at_a_time=False)
        assert result.answer is LeaseAnswer.HELD


def test_a_process_that_was_idle_knows_that_the_clock_was_set_ahead(
    make_system: MakeSystem, system: System, connection: MovedClock
) -> None:
    idle = make_system(connection=connection).serving(system)
    idle.parts.clock.look()
    transaction = interrupted(system)
    connection.ahead = DAYS
    result = idle.storage.take_lease(system.record(transaction), CALLER, one_step_at_a_time=False)
    assert result.answer is LeaseAnswer.HELD


def test_a_lease_ends_a_lease_after_the_clock_was_set_ahead(
    system: System, connection: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = interrupted(system)
    connection.ahead = DAYS
    with pytest.raises(Unresolved):
        change_within(system, 0.1, transaction, "10.00", "settle", "settle-1")
    later = steady_seconds() + LEASE.total_seconds()
    monkeypatch.setattr("mappers.deadline.time.clock_gettime", lambda _clock: later)
    result = system.storage.take_lease(system.record(transaction), CALLER, one_step_at_a_time=False)
    assert result.answer is LeaseAnswer.LEASED


def test_what_is_on_its_way_has_not_arrived_when_the_clock_is_set_ahead(
    make_system: MakeSystem, connection: MovedClock
) -> None:
    system = make_system(connection=connection, repeatable=False)
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        change_within(system, 0.05, transaction, "10.00", "settle", "settle-1")
    system.backend.calls.clear()
    connection.ahead = DAYS
    with pytest.raises(OutcomeUnknown):
        change_within(system, 0.05, transaction, "10.00", "settle", "settle-1")
    assert runs(system) == []


def test_a_lease_that_was_taken_while_the_clock_was_ahead_ends(system: System, connection: MovedClock) -> None:
    connection.ahead = DAYS
    transaction = interrupted(system)
    connection.ahead = timedelta()
    result = system.storage.take_lease(system.record(transaction), CALLER, one_step_at_a_time=False)
    assert result.answer is LeaseAnswer.HELD
    now = connection.now_milliseconds()
    left = result.transaction.lease_until - now
    assert 0 < left <= LEASE.total_seconds() * 1000
    assert result.transaction.in_flight_until == result.transaction.lease_until
    (due,) = system.index.due(result.transaction.lease_until)[0]
    assert due.id == transaction


def test_the_sweeper_comes_when_it_is_due_and_not_when_the_clock_said_that_was_ahead(
    system: System, connection: MovedClock
) -> None:
    before = system.authorize("1.00", "order-0")
    system.sweeper.sweep_once()
    connection.ahead = timedelta(days=401)
    transaction = interrupted(system)
    kept = system.authorize("40.00", "order-3")
    untouched = system.record(before)
    assert set(system.sweeper.sweep_once().counts) == {"kept, since the clock is in doubt"}
    connection.ahead = timedelta()
    assert system.sweeper.sweep_once().counts == {}
    now = connection.now_milliseconds()
    assert system.record(transaction).lease_until <= now + LEASE.total_seconds() * 1000
    month = timedelta(days=30).total_seconds() * 1000
    assert now < system.record(kept).expires_at <= now + month
    assert system.record(before) == untouched
    due = {one.id for one in system.index.due(int(now + month))[0]}
    assert due == {before, transaction, kept}


def failed_while_ahead(system: System, connection: MovedClock, ahead: timedelta) -> str:
    """Return an authorized transaction, with a settlement that failed while the clock was ahead."""
    transaction = system.authorize("40.00")
    system.mapper.faults = [error_before] * 20
    connection.ahead = ahead
    with pytest.raises(OutcomeUnknown):
        change_within(system, 0.05, transaction, "10.00", "settle", "settle-1")
    connection.ahead = timedelta()
    system.mapper.faults = []
    return transaction


def test_what_was_refused_while_the_clock_was_ahead_is_tried_again(system: System, connection: MovedClock) -> None:
    transaction = failed_while_ahead(system, connection, DAYS)
    assert system.settle(transaction, "10.00")


@pytest.mark.parametrize("jump", [timedelta(hours=12), DAYS], ids=str)
def test_the_sweeper_tries_again_soon_what_was_to_wait_while_the_clock_was_ahead(
    system: System, connection: MovedClock, jump: timedelta
) -> None:
    failed_while_ahead(system, connection, jump)
    passes = [system.sweeper.sweep_once().counts for _ in range(2)]
    assert passes[0] + passes[1] == {"resolved": 1}


def test_what_began_while_the_clock_was_ahead_is_finished_where_redis_has_forgotten_nothing(
    make_system: MakeSystem, connection: MovedClock
) -> None:
    system = make_system(connection=connection, repeatable=False)
    connection.ahead = DAYS
    transaction = interrupted(system)
    connection.ahead = timedelta()
    system.lose_lease(transaction)
    assert system.sweep() == {"resolved": 1}
    assert system.record(transaction).captured == 1_000


def test_what_was_taken_while_the_clock_was_ahead_is_soon_not_missing_any_more(
    make_system: MakeSystem, connection: MovedClock
) -> None:
    system = make_system(Holds.LEDGER, connection=connection)
    system.mapper.read_lag_seconds = 2.0  # type: ignore[misc]
    connection.ahead = DAYS
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    assert system.standing.lagging == 4_000
    connection.ahead = timedelta()
    assert system.standing.lagging == 0
    assert system.authorize("60.00", "order-2")


def test_what_was_given_while_the_clock_was_ahead_is_soon_not_missing_any_more(
    system: System, connection: MovedClock
) -> None:
    system.mapper.read_lag_seconds = 2.0  # type: ignore[misc]
    connection.ahead = DAYS
    transaction = system.authorize("40.00", operation="Credit")
    for ahead, is_missing in ((DAYS, True), (timedelta(), False)):
        connection.ahead = ahead
        result = system.storage.take_lease(system.record(transaction), CALLER, one_step_at_a_time=False)
        assert (result.standing.unseen_for > 0) is is_missing


def test_what_was_parked_while_the_clock_was_ahead_is_asked_about_again(
    make_system: MakeSystem, connection: MovedClock
) -> None:
    system = make_system(connection=connection)
    connection.ahead = DAYS
    transaction = left_for_a_person(system)
    connection.ahead = timedelta()
    with pytest.raises(Unresolved):
        system.settle(transaction, "1.00", "another")
    (due,) = system.index.due(connection.now_milliseconds())[0]
    assert due.id == transaction


def test_what_has_no_time_or_is_gone_is_given_none_after_the_clock_was_ahead(system: System) -> None:
    transaction = system.authorize("40.00")
    never = 253_402_300_799_000
    rewrite(system.connection._client, transaction, expires_at=never)
    record = system.record(transaction)
    system.storage.rearm(record, timedelta(days=30))
    assert system.record(transaction).expires_at == never
    system.connection._client.flushall()
    system.storage.rearm(record, timedelta(days=30))
    assert system.stored() == {}


def test_what_was_just_taken_may_not_show_yet_though_the_clock_is_set_ahead(
    make_system: MakeSystem, connection: MovedClock
) -> None:
    system = make_system(Holds.LEDGER, connection=connection)
    system.mapper.read_lag_seconds = 20.0  # type: ignore[misc]
    transaction = system.authorize("40.00")
    system.settle(transaction, "40.00")
    connection.ahead = DAYS
    assert system.standing.lagging == 4_000


def seen(system: System) -> list[datetime | None]:
    """Return since when the mapper looks for what it is asked about, in order."""
    ask = system.mapper.ask
    found: list[datetime | None] = []

    def noted(step: Step, deadline: Deadline) -> Receipt | None:
        found.append(step.since)
        return ask(step, deadline)

    system.mapper.ask = noted  # type: ignore[method-assign]
    return found


def test_a_lost_answer_is_looked_for_from_no_day_that_only_a_wrong_clock_knew(
    system: System, connection: MovedClock
) -> None:
    since = seen(system)
    connection.ahead = DAYS
    system.mapper.faults = [lost_before]
    system.authorize("40.00", "order-1")
    connection.ahead = timedelta()
    transaction = system.authorize("1.00", "order-2")
    connection.ahead = DAYS
    system.mapper.faults = [lost_before]
    system.settle(transaction, "1.00")
    assert len(since) == 2
    assert since[1] is None


def test_a_lost_answer_is_looked_for_from_when_the_order_began(system: System) -> None:
    transaction = system.authorize("40.00")
    since = seen(system)
    system.mapper.faults = [lost_before]
    system.settle(transaction, "1.00")
    assert since == [moment(system.record(transaction).date)]


def test_an_order_from_the_day_that_only_a_wrong_clock_knew_is_looked_for_everywhere(
    system: System, connection: MovedClock
) -> None:
    connection.ahead = DAYS
    transaction = system.authorize("40.00", "order-1")
    connection.ahead = timedelta()
    since = seen(system)
    system.mapper.faults = [lost_before]
    system.settle(transaction, "1.00")
    assert since == [None]


class Clocks:
    """Redis's clock and one that is never set, in seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.redis, self.steady = 1_800_000_000.0, 1000.0
        monkeypatch.setattr("mappers.deadline.time.clock_gettime", lambda _clock: self.steady)
        self.pace = Pace(LEASE)
        self.answer()

    def answer(self, seconds: float = 0.0) -> None:
        """Let Redis tell its time; the answer is on its way for so long."""
        asked_at = self.steady
        self.steady += seconds
        self.pace.saw(int(self.redis * 1000), asked_at)
        self.redis += seconds

    def go_on(self, seconds: float, redis: float = 0.0) -> None:
        """Let time pass; Redis's clock is set ahead meanwhile."""
        self.steady += seconds
        self.redis += seconds + redis

    @property
    def believes(self) -> bool:
        latest = self.pace.latest()
        return latest is None or self.redis * 1000 <= latest


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


BEYOND = UNEVEN.total_seconds() + 1


def test_a_clock_that_is_a_little_fast_is_believed(clocks: Clocks) -> None:
    for _ in range(100):
        clocks.go_on(60, redis=1)
        assert clocks.believes
        clocks.answer()
    assert not clocks.pace.is_doubted


def test_a_clock_that_was_set_ahead_is_believed_a_lease_later(clocks: Clocks) -> None:
    clocks.go_on(5, redis=BEYOND)
    assert not clocks.believes
    clocks.answer()
    clocks.go_on(LEASE.total_seconds() - 1)
    assert not clocks.believes
    clocks.answer()
    clocks.go_on(1)
    assert clocks.believes
    clocks.answer()
    clocks.go_on(5, redis=BEYOND)
    assert not clocks.believes


def test_a_clock_that_is_set_back_is_believed_at_once(clocks: Clocks) -> None:
    clocks.go_on(5, redis=BEYOND)
    clocks.answer()
    clocks.go_on(5, redis=-BEYOND)
    clocks.answer()
    clocks.go_on(LEASE.total_seconds(), redis=BEYOND)
    assert not clocks.believes


def test_an_answer_that_came_late_hides_no_clock_that_is_set_ahead(clocks: Clocks) -> None:
    clocks.go_on(1)
    clocks.redis += 60  # the process stood still before it asked, and Redis's clock went on
    asked_at = clocks.steady
    clocks.steady += 60
    clocks.pace.saw(int(clocks.redis * 1000), asked_at)
    clocks.go_on(1, redis=BEYOND)
    assert not clocks.believes


def test_it_shows_when_a_clock_was_set_back(clocks: Clocks) -> None:
    clocks.go_on(5, redis=-SET_BACK.total_seconds() + 1)
    clocks.answer()
    assert not clocks.pace.was_set_back
    clocks.go_on(5, redis=-SET_BACK.total_seconds() - 1)
    clocks.answer()
    assert clocks.pace.was_set_back


def test_an_answer_that_was_late_is_no_clock_that_was_set_back(clocks: Clocks) -> None:
    clocks.answer(SET_BACK.total_seconds() * 2)
    clocks.answer()
    assert not clocks.pace.was_set_back


def test_a_clock_that_was_set_ahead_is_doubted_for_a_day_or_until_it_is_set_back(clocks: Clocks) -> None:
    clocks.go_on(5, redis=SET_BACK.total_seconds() + 5)
    clocks.answer()
    assert clocks.pace.is_doubted
    clocks.go_on(DOUBTED.total_seconds() - 1)
    assert clocks.pace.is_doubted
    clocks.go_on(1)
    assert not clocks.pace.is_doubted
    clocks.answer()
    clocks.go_on(5, redis=2 * SET_BACK.total_seconds())
    clocks.answer()
    clocks.go_on(5, redis=-2 * SET_BACK.total_seconds())
    clocks.answer()
    assert not clocks.pace.is_doubted


def waits_until(system: System, transaction: str) -> timedelta:
    """How long the sweeper waits until it looks at a transaction."""
    queue = keys.in_bucket(names.bucket_of_transaction(transaction) or 0, "due")
    due = system.connection._client.zscore(queue, transaction)
    assert due is not None
    return timedelta(milliseconds=due - system.connection.now_milliseconds())


MONTH = timedelta(days=30)


def test_a_process_that_begins_when_the_clock_is_right_again_lets_nothing_wait_for_a_day_that_never_was(
    make_system: MakeSystem, connection: MovedClock
) -> None:
    connection.ahead = timedelta(days=401)
    before = make_system(connection=connection)
    transaction = before.authorize("40.00")
    before.sweeper.sweep_once()
    connection.ahead = timedelta()
    system = make_system(connection=connection).serving(before)
    for _ in range(3):
        system.sweeper.sweep_once()
    assert timedelta() < waits_until(system, transaction) <= MONTH


def test_an_old_backup_whose_dates_are_ahead_lets_nothing_wait_for_them(system: System, connection: MovedClock) -> None:
    known = system.authorize("10.00", "order-1")
    connection.ahead = timedelta(days=401)
    opened = system.authorize("40.00", "order-2")
    system.mapper.faults = [dies]
    with pytest.raises(Killed):
        system.settle(known, "10.00")
    client = connection._client
    backup = {key: client.dump(key) for key in client.scan_iter()}
    connection.ahead = timedelta()
    for _ in range(3):
        system.sweeper.sweep_once()
    client.flushall()
    for key, value in backup.items():
        client.restore(key, 0, value or b"")
    for _ in range(2):
        system.sweeper.sweep_once()
    assert timedelta() < waits_until(system, opened) <= MONTH
    assert waits_until(system, known) <= LEASE + UNEVEN


def passes_that_see_to_dates(system: System, monkeypatch: pytest.MonkeyPatch, passes: int = 4) -> int:
    seen_to: list[object] = []
    with monkeypatch.context() as counted:
        counted.setattr(system.sweeper, "_rearm", seen_to.append)
        for _ in range(passes):
            system.sweeper.sweep_once()
    return len(seen_to)


def test_what_is_dated_ahead_is_seen_to_and_not_again(
    system: System, connection: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ahead in (timedelta(), DAYS):
        connection.ahead = ahead
        system.sweeper.sweep_once()
    connection.ahead = timedelta()
    assert passes_that_see_to_dates(system, monkeypatch) > 0
    assert passes_that_see_to_dates(system, monkeypatch) == 0
    system.parts.history.doubt("a backup was restored")
    assert passes_that_see_to_dates(system, monkeypatch) == 1


def test_a_clock_that_is_behind_for_a_while_ends_nothing(system: System, connection: MovedClock) -> None:
    transaction = system.authorize("40.00")
    untouched = system.record(transaction)
    system.sweeper.sweep_once()
    connection.ahead = timedelta(days=-365)
    for _ in range(2):
        system.sweeper.sweep_once()
    connection.ahead = timedelta()
    assert system.sweeper.sweep_once().counts == {}
    assert system.record(transaction) == untouched


def test_what_was_interrupted_is_finished_while_the_clock_is_in_doubt(system: System, connection: MovedClock) -> None:
    system.sweeper.sweep_once()
    transaction = interrupted(system)
    connection.ahead = timedelta(days=-365)
    system.sweeper.sweep_once()
    assert waits_until(system, transaction) <= LEASE + UNEVEN


def test_dates_are_seen_to_once_while_the_clock_is_in_doubt_and_again_when_it_is_right(
    system: System, connection: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.sweeper.sweep_once()
    connection.ahead = timedelta(days=-365)
    assert passes_that_see_to_dates(system, monkeypatch) == 1
    connection.ahead = timedelta()
    assert passes_that_see_to_dates(system, monkeypatch) > 0
