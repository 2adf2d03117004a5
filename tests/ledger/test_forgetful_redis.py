"""A Redis that may have forgotten a settlement gives nothing back by itself that a card has paid."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import redis
from redis.client import Pipeline

from app.ledger.caller import Caller
from app.ledger.errors import LedgerUnavailable
from app.ledger.names import BUCKETS
from app.ledger.service import ChangeRequest
from app.ledger.storage import keys
from app.ledger.storage.connection import Connection, Server
from app.ledger.storage.history import SOON, History
from app.ledger.transaction import Transaction
from mappers.base import Holds, OutcomeUnknown
from mappers.deadline import CLOCK, Deadline
from tests.ledger.faults import lost_after
from tests.ledger.moved_clock import MovedClock
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_topologies import DURABLE, Servers, command, free_port, replicate, servers

__all__ = ["servers"]  # a fixture, which pytest finds here

MINUTE = 60_000
NOBODY = "0" * 40


@dataclass
class SomeRedis:
    """What a Redis says of itself, and its clock in milliseconds."""

    connection: Connection
    now: int = 1_800_000_000_000
    server: Server = field(default_factory=lambda: Server("first", NOBODY, 0))

    def starts(self, after: int, *, earlier: str = NOBODY) -> None:
        """Go on as another server, which was started `after` so many milliseconds."""
        self.now += after
        self.server = Server(f"started at {self.now}", earlier, 0)


@pytest.fixture
def some_redis(system: System, monkeypatch: pytest.MonkeyPatch) -> SomeRedis:
    some = SomeRedis(system.connection)
    monkeypatch.setattr(system.connection, "now_milliseconds", lambda: some.now)
    monkeypatch.setattr(system.connection, "servers", lambda: [some.server])
    return some


def test_a_redis_that_goes_on_is_trusted(some_redis: SomeRedis) -> None:
    history = History(some_redis.connection)
    for _ in range(3):
        assert history.look() == []
        some_redis.now += 60 * MINUTE


def test_a_redis_that_is_started_again_soon_is_trusted(some_redis: SomeRedis) -> None:
    History(some_redis.connection).look()
    some_redis.starts(int(SOON.total_seconds() * 1000))
    assert History(some_redis.connection).look() == []


def test_a_redis_that_has_what_this_process_wrote_last_is_trusted(some_redis: SomeRedis) -> None:
    history = History(some_redis.connection)
    history.look()
    some_redis.starts(60 * MINUTE)
    assert history.look() == []


def test_a_redis_that_was_stopped_after_the_service_is_trusted(some_redis: SomeRedis) -> None:
    history = History(some_redis.connection)
    history.look()
    history.stop()
    some_redis.starts(60 * MINUTE)
    assert History(some_redis.connection).look() == []


def test_a_redis_that_is_started_from_older_data_is_doubted(some_redis: SomeRedis) -> None:
    History(some_redis.connection).look()
    seen_at = some_redis.now
    some_redis.starts(60 * MINUTE)
    (doubt,) = History(some_redis.connection).look()
    assert (doubt.since, doubt.noticed_at) == (seen_at, some_redis.now)
    assert "older" in doubt.reason


@pytest.mark.parametrize("call", ["_newest", "_add"])
def test_a_doubt_that_cannot_be_written_down_is_found_again(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuses(*_: object) -> None:
        raise LedgerUnavailable("connection reset")

    history = History(some_redis.connection)
    history.look()
    history._watched = Deadline.after(0)  # it stood still
    some_redis.starts(60 * MINUTE)
    with monkeypatch.context() as patched:
        patched.setattr(history, call, refuses)
        with pytest.raises(LedgerUnavailable):
            history.look()
    assert len(history.look()) == 1


@pytest.mark.parametrize("looked_since", [True, False])
def test_a_clock_that_was_ahead_hides_no_older_data(some_redis: SomeRedis, looked_since: bool) -> None:
    History(some_redis.connection).look()
    some_redis.now += 5 * 24 * 60 * MINUTE
    ahead = History(some_redis.connection)
    ahead.look()
    some_redis.now -= 5 * 24 * 60 * MINUTE
    if looked_since:
        assert History(some_redis.connection).look() == ahead.look() == []
    some_redis.starts(60 * MINUTE)
    (doubt,) = History(some_redis.connection).look()
    assert "older than what was written last" in doubt.reason


def test_a_replica_that_took_over_is_doubted(some_redis: SomeRedis) -> None:
    history = History(some_redis.connection)
    history.look()
    some_redis.starts(1000, earlier="first")
    (doubt,) = history.look()
    assert "replica" in doubt.reason


def test_a_redis_with_an_older_state_than_was_seen_is_doubted(some_redis: SomeRedis) -> None:
    history, client = History(some_redis.connection), some_redis.connection._client
    history.look()
    before = str(client.hget("gb:history", "seen_at"))
    some_redis.now += 5000
    history.look()
    client.hset("gb:history", "seen_at", before)
    (doubt,) = history.look()
    assert "older state" in doubt.reason


def test_a_redis_that_has_lost_every_look_is_doubted(some_redis: SomeRedis) -> None:
    """It was started from data of before anybody looked."""
    history = History(some_redis.connection)
    history.look()
    some_redis.connection._client.delete("gb:history")
    (doubt,) = history.look()
    assert "older state" in doubt.reason


def test_a_redis_that_goes_back_while_it_is_looked_at_is_doubted(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is written after it went back would hide that it did."""
    history, client = History(some_redis.connection), some_redis.connection._client
    history.look()
    before = str(client.hget("gb:history", "seen_at"))
    some_redis.now += 5000
    history.look()
    eval_script = client.eval

    def goes_back(*arguments: Any) -> Any:
        client.hset("gb:history", "seen_at", before)
        return eval_script(*arguments)

    some_redis.now += 5000
    monkeypatch.setattr(client, "eval", goes_back)
    assert history.look() == []
    monkeypatch.setattr(client, "eval", eval_script)
    assert len(history.look()) == 1


def test_a_redis_that_this_process_did_not_watch_is_doubted(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been written to after this process looked last, by the others, and have lost that."""
    history = History(some_redis.connection)
    history.look()
    some_redis.starts(60 * MINUTE)
    later = time.clock_gettime(CLOCK) + 2 * SOON.total_seconds()
    monkeypatch.setattr("mappers.deadline.time.clock_gettime", lambda _clock: later)
    (doubt,) = history.look()
    assert "older than what was written last" in doubt.reason


def test_processes_that_look_at_the_same_time_do_not_doubt_each_other(some_redis: SomeRedis) -> None:
    first, second = History(some_redis.connection), History(some_redis.connection)
    first.look()
    some_redis.now -= 1  # who asked for the time before may write it after
    assert second.look() == first.look() == []


def test_a_process_that_stood_still_while_it_looked_makes_no_other_doubt(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, other = History(some_redis.connection), History(some_redis.connection)
    stalled.look()
    servers = some_redis.connection.servers

    def much_later() -> list[Server]:
        monkeypatch.setattr(some_redis.connection, "servers", servers)
        some_redis.now += 120 * MINUTE
        assert other.look() == []
        return [some_redis.server]

    monkeypatch.setattr(some_redis.connection, "servers", much_later)
    assert stalled.look() == other.look() == []


def test_a_server_that_takes_over_while_a_process_looks_is_doubted(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written then makes its older data seem to be of a moment ago."""
    connection = some_redis.connection
    History(connection).look()
    some_redis.now += MINUTE // 2
    call, sockets = connection.call, connection.sockets_opened
    calls = count(1)

    def taken_over_before_it_writes(command: Callable[[redis.Redis], object]) -> object:
        if next(calls) == 2:
            some_redis.starts(MINUTE // 2 + 1)
            monkeypatch.setattr(Connection, "sockets_opened", sockets + 1)
        return call(command)

    monkeypatch.setattr(connection, "call", taken_over_before_it_writes)
    (doubt,) = History(connection).look()
    assert "older" in doubt.reason


@pytest.mark.parametrize(("minutes", "threads"), [(0, False), (120, True)])
def test_who_stood_still_while_the_clock_was_set_back_doubts_nothing(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch, minutes: int, *, threads: bool
) -> None:
    """Where it stood still until what it wrote is no moment ahead any more, another thread has looked meanwhile."""
    stalled = History(some_redis.connection)
    other = stalled if threads else History(some_redis.connection)
    some_redis.now += 60 * MINUTE
    stalled.look()
    servers = some_redis.connection.servers

    def set_right_meanwhile() -> list[Server]:
        monkeypatch.setattr(some_redis.connection, "servers", servers)
        some_redis.now -= 60 * MINUTE
        assert other.look() == []
        some_redis.now += minutes * MINUTE
        return [some_redis.server]

    monkeypatch.setattr(some_redis.connection, "servers", set_right_meanwhile)
    assert stalled.look() == other.look() == []


def test_who_has_not_looked_since_the_clock_was_set_back_doubts_nothing(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it wrote by a clock that was ahead seems to be lost until the clock has come so far."""
    idle, other = History(some_redis.connection), History(some_redis.connection)
    some_redis.now += 60 * MINUTE
    idle.look()
    some_redis.now -= 60 * MINUTE
    assert other.look() == []
    later = time.clock_gettime(CLOCK) + 58 * 60
    monkeypatch.setattr("mappers.deadline.time.clock_gettime", lambda _clock: later)
    some_redis.now += 58 * MINUTE
    assert other.look() == idle.look() == []
    some_redis.now += MINUTE
    assert idle.look() == []


def test_threads_that_look_when_the_clock_was_set_back_do_not_doubt_each_other(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(some_redis.connection)
    some_redis.now += 60 * MINUTE
    history.look()
    some_redis.now -= 60 * MINUTE
    script = some_redis.connection.call

    def another_is_first(command: Callable[[Any], Any], *names: str) -> Any:
        monkeypatch.setattr(some_redis.connection, "call", script)
        read = script(command, *names)
        assert history.look() == []
        some_redis.now += 5
        return read

    monkeypatch.setattr(some_redis.connection, "call", another_is_first)
    assert history.look() == history.look() == []


def test_threads_that_look_at_the_same_time_do_not_doubt_each_other(system: System) -> None:
    history = History(system.connection)
    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(history.look) for _ in range(200)]
    assert [look.result() for look in looks] == [[]] * 200


def test_whoever_gives_money_back_need_not_look_again_at_once(some_redis: SomeRedis) -> None:
    some_redis.connection.call(lambda client: client.ping())  # it is connected before it looks
    history = History(some_redis.connection)
    history.look()
    some_redis.starts(1000, earlier="first")
    assert history.recent() == []


def test_who_had_to_connect_anew_looks_again(some_redis: SomeRedis) -> None:
    history = History(some_redis.connection)
    history.look()
    some_redis.starts(1000, earlier="first")
    some_redis.connection._client.connection_pool.disconnect()
    some_redis.connection.call(lambda client: client.ping())
    assert len(history.recent()) == 1


def test_a_look_is_recent_for_seconds_only(some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ledger.storage.history.RECENT_SECONDS", 0)
    history = History(some_redis.connection)
    history.look()
    some_redis.starts(1000, earlier="first")
    assert len(history.recent()) == 1


def test_whoever_opens_an_order_need_not_look_again_on_the_same_connection(
    some_redis: SomeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call costs no more, however long ago the last one was: the scripts tell of what others have noticed."""
    monkeypatch.setattr("app.ledger.storage.history.RECENT_SECONDS", 0)
    some_redis.connection.call(lambda client: client.ping())  # it is connected before it looks
    history = History(some_redis.connection)
    history.look()
    some_redis.starts(1000, earlier="first")
    assert history.recent(of_this_server=True) == []
    some_redis.connection._client.connection_pool.disconnect()
    some_redis.connection.call(lambda client: client.ping())
    assert len(history.recent(of_this_server=True)) == 1


def test_a_doubt_lasts_until_somebody_ends_it(some_redis: SomeRedis) -> None:
    history = History(some_redis.connection)
    history.look()
    some_redis.starts(1000, earlier="first")
    doubts = history.look()
    assert history.look() == history.doubts() == doubts
    history.trust(doubts)
    assert history.look() == []


@pytest.mark.parametrize("earlier", ["first", NOBODY])
def test_what_is_found_while_it_is_connected_anew_is_doubted_once(some_redis: SomeRedis, earlier: str) -> None:
    History(some_redis.connection).look()
    some_redis.starts(60 * MINUTE, earlier=earlier)
    some_redis.connection._client.connection_pool.disconnect()
    assert len(History(some_redis.connection).look()) == 1


def test_an_older_state_that_is_found_while_it_is_connected_anew_is_doubted_once(some_redis: SomeRedis) -> None:
    history = History(some_redis.connection)
    history.look()
    some_redis.connection._client.delete("gb:history")
    some_redis.connection._client.connection_pool.disconnect()
    assert len(history.look()) == 1


def test_a_doubt_that_comes_while_others_are_ended_has_cards_read_before_they_pay(some_redis: SomeRedis) -> None:
    noticing, person = History(some_redis.connection), History(some_redis.connection)
    noticing.look()
    earlier = person.doubt("a backup was restored")
    noticing.look()
    in_each_bucket = noticing._in_each_bucket
    with pytest.MonkeyPatch.context() as patched:

        def ended_meanwhile(command: Callable[[Pipeline, str], object]) -> None:
            in_each_bucket(command)
            patched.undo()
            person.trust([earlier])

        some_redis.starts(1000, earlier="first")
        patched.setattr(noticing, "_in_each_bucket", ended_meanwhile)
        assert len(noticing.look()) == 1
    assert cards_are_read(some_redis)


def test_a_doubt_that_an_older_version_wrote_has_cards_read_before_they_pay(some_redis: SomeRedis) -> None:
    History(some_redis.connection).doubt("a backup was restored")
    for bucket in range(BUCKETS):
        some_redis.connection._client.delete(keys.in_bucket(bucket, "complete"))
    assert not cards_are_read(some_redis)
    History(some_redis.connection).look()
    assert cards_are_read(some_redis)


def cards_are_read(some_redis: SomeRedis) -> bool:
    """Tell whether the card of a payment is read first, whatever its bucket."""
    client = some_redis.connection._client
    return all(client.sismember(keys.in_bucket(bucket, "complete"), keys.DOUBTED) for bucket in range(BUCKETS))


# What is left to a person while there is a doubt.


def upfront(system: System) -> str:
    return system.authorize("60.00")


def captured(system: System) -> str:
    transaction = system.authorize("60.00")
    system.settle(transaction, "20.00")
    return transaction


@pytest.mark.parametrize(
    ("holds", "opened"),
    [(Holds.UPFRONT, upfront), (Holds.NATIVE, captured)],
    ids=["taken upfront", "captured in part"],
)
def test_what_the_card_has_paid_is_not_given_back_in_doubt(
    make_system: MakeSystem, holds: Holds, opened: Callable[[System], str]
) -> None:
    system = make_system(holds)
    transaction = opened(system)
    rest = system.record(transaction).rest
    doubt = system.parts.history.doubt("a backup was restored")
    before = system.backend.spendable
    assert system.sweep() == {"in doubt": 1}
    assert (system.record(transaction).rest, system.backend.spendable) == (rest, before)
    system.parts.history.trust([doubt])
    assert sum(system.sweep().values()) == 1
    assert system.record(transaction).rest == 0


def test_what_the_card_has_paid_is_not_given_back_in_doubt_though_the_clock_was_ahead(
    make_system: MakeSystem, empty_redis_url: str
) -> None:
    connection = MovedClock(empty_redis_url)
    system = make_system(Holds.UPFRONT, connection=connection)
    connection.ahead = timedelta(days=31)
    transaction = upfront(system)
    connection.ahead = timedelta()
    system.parts.history.doubt("a backup was restored")
    assert system.sweep() == {"in doubt": 1}
    assert system.record(transaction).rest == 6_000


def test_what_was_only_held_is_given_back_in_doubt(system: System) -> None:
    system.authorize("60.00")
    system.parts.history.doubt("a backup was restored")
    assert system.sweep() == {"expired": 1}


def test_what_vtex_may_have_the_id_of_is_not_abandoned_in_doubt(system: System) -> None:
    system.mapper.faults = [lost_after]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.authorize("60.00")
    transaction = system.only_record().id
    system.lose_lease(transaction)
    assert system.sweep() == {"resolved": 1}
    system.parts.history.doubt("a backup was restored")
    assert system.sweep() == {"in doubt": 1}
    assert system.record(transaction).rest == 6_000


def test_what_is_opened_later_is_not_in_doubt(make_system: MakeSystem) -> None:
    system = make_system(Holds.UPFRONT)
    system.parts.history.doubt("a backup was restored")
    upfront(system)
    assert system.sweep() == {"expired": 1}


def test_a_person_gives_it_back_in_doubt(make_system: MakeSystem) -> None:
    system = make_system(Holds.UPFRONT)
    transaction = upfront(system)
    system.parts.history.doubt("a backup was restored")
    change = ChangeRequest(CARD, transaction, 6_000, "by-hand", caller=Caller.person("ana"))
    system.ledger.cancel(system.provider, change, system.deadline())
    assert system.backend.spendable == 10_000


def test_a_settlement_that_a_failover_lost_is_not_given_back(servers: Servers, make_system: MakeSystem) -> None:
    primary = servers.start(*DURABLE)
    replica = servers.start(*DURABLE, "--replicaof", "127.0.0.1", str(primary))
    replicate(primary, replica)
    before = make_system(
        Holds.UPFRONT, connection=Connection.to(f"redis://127.0.0.1:{primary}", timeout_seconds=2, connections=4)
    )
    transaction = before.authorize("60.00")
    before.sweeper.sweep_once()
    replicate(primary, replica)
    command(replica, "REPLICAOF", "127.0.0.1", free_port())
    before.settle(transaction, "60.00")
    servers.kill(primary)
    command(replica, "REPLICAOF", "NO", "ONE")

    after = make_system(
        Holds.UPFRONT, connection=Connection.to(f"redis://127.0.0.1:{replica}", timeout_seconds=2, connections=4)
    ).serving(before)
    assert after.record(transaction).captured == 0
    assert after.sweep() == {"in doubt": 1}
    assert after.backend.spendable == 4_000


def test_a_settlement_that_a_failover_lost_during_a_pass_is_not_given_back(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due waits for its turn, after the pass has looked for doubts."""
    system = make_system(Holds.UPFRONT)
    transaction = system.authorize("60.00")
    system.parts.history.look()
    system.make_due()
    before, load = system.stored(), system.storage.load

    def another_takes_over(transaction_id: str) -> Transaction | None:
        monkeypatch.setattr(system.storage, "load", load)
        system.settle(transaction, "60.00")
        system.fall_back(before)
        system.connection._client.connection_pool.disconnect()
        replica = Server("replica", system.connection.servers()[0].replid, 0)
        monkeypatch.setattr(system.connection, "servers", lambda: [replica])
        return load(transaction_id)

    monkeypatch.setattr(system.storage, "load", another_takes_over)
    assert system.sweeper.sweep_once().counts == {"in doubt": 1}
    assert system.backend.spendable == 4_000


def test_what_others_did_on_the_card_keeps_nothing_from_being_given_back_in_doubt(system: System) -> None:
    """Their entries have no key of this ledger, nor has that of a hold which the backend let run out."""
    transaction = system.authorize("60.00")
    system.settle(transaction, "60.00")
    system.backend.let_run_out(f"{transaction}-1")
    system.backend.entries.append(replace(system.backend.entries[-1], origin=None))
    system.parts.history.doubt("a backup was restored")
    system.cancel(transaction, "60.00")
    assert system.backend.spendable == 10_000
