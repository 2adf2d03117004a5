"""A ledger moves to another Redis, all of it; whatever goes wrong, services start on one of both at most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from app.admin.backups.file import BackupRefused
from app.admin.backups.move import Moved, move
from app.ledger.storage.connection import Connection
from app.ledger.storage.copies import Copies, Entry
from app.ledger.storage.identity import ClosedLedger, Identity
from app.ledger.sweeper import LEAD
from mappers.base import Holds
from tests.ledger.system import MakeSystem, System
from tests.stored import rewrite

ELSEWHERE = "redis://redis.example.com:6379/0"


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    """A ledger whose service was stopped in order."""
    system = make_system(Holds.LEDGER)
    Identity(system.connection).ensure()
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00")
    system.parts.history.look()
    system.parts.history.stop()
    return system


@pytest.fixture
def elsewhere(another_redis_url: str) -> Iterator[Connection]:
    with closing(Connection.to(another_redis_url, timeout_seconds=5, connections=80)) as connection:
        yield connection


def go(system: System, new: Connection, replace: str | None = None) -> Moved:
    return move(system.connection, new, ELSEWHERE, replace=replace, allow_unsafe=False, watch_seconds=0)


def open_places(*connections: Connection) -> int:
    """Return in how many places a service would work on a ledger that is there."""
    identities = [Identity(connection) for connection in connections]
    return sum(identity.read() is not None and identity.closed() is None for identity in identities)


def test_all_of_it_moves_and_goes_on_without_a_doubt(
    system: System, elsewhere: Connection, make_system: MakeSystem
) -> None:
    [transaction] = system.everything()
    before, ledger_id = system.record(transaction), Identity(system.connection).read()
    standing = system.standing
    moved = go(system, elsewhere)
    goes_on = make_system(Holds.LEDGER, connection=elsewhere).serving(system)
    assert moved.ledger == Identity(elsewhere).ensure() == ledger_id
    assert (goes_on.record(transaction), goes_on.standing) == (before, standing)
    assert goes_on.parts.history.look() == []
    goes_on.settle(transaction, "30.00", "settle-2")
    assert goes_on.backend.spendable == 6_000


def test_no_service_starts_on_the_old_one_and_it_says_where_the_ledger_is(
    system: System, elsewhere: Connection
) -> None:
    go(system, elsewhere)
    with pytest.raises(ClosedLedger, match=f"moved to {ELSEWHERE}: set GIFTBRIDGE_REDIS_URL"):
        Identity(system.connection).ensure()
    with pytest.raises(BackupRefused, match="has moved to"):
        go(system, elsewhere)
    assert open_places(system.connection, elsewhere) == 1


def test_it_can_move_back_over_the_old_one(system: System, elsewhere: Connection) -> None:
    ledger_id = go(system, elsewhere).ledger
    with pytest.raises(BackupRefused, match="the same ledger"):
        move(elsewhere, system.connection, "here", replace=None, allow_unsafe=False, watch_seconds=0)
    move(elsewhere, system.connection, "here", replace=ledger_id, allow_unsafe=False, watch_seconds=0)
    assert Identity(system.connection).ensure() == ledger_id
    assert open_places(system.connection, elsewhere) == 1


def test_what_the_old_one_may_have_forgotten_is_still_doubted(
    system: System, elsewhere: Connection, make_system: MakeSystem
) -> None:
    client = system.connection._client
    client.hset("gb:history", mapping={"replids": "[]", "seen_at": "1", "stopped": ""})  # it was started from old data
    go(system, elsewhere)
    assert len(make_system(connection=elsewhere).parts.history.doubts()) == 1


def test_it_stays_while_a_service_works_on_it(system: System, elsewhere: Connection) -> None:
    assert system.parts.fleet.lead(LEAD, "a service", timedelta(minutes=1))
    with pytest.raises(BackupRefused, match="a service works on the ledger"):
        go(system, elsewhere)
    assert Identity(system.connection).closed() is None


def test_it_stays_where_a_service_takes_the_lead_of_one_that_has_just_stopped(
    system: System, elsewhere: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_the_lead(_: float) -> None:
        assert Identity(system.connection).closed()  # no other one may start meanwhile
        assert system.parts.fleet.lead(LEAD, "a service", timedelta(minutes=1))

    monkeypatch.setattr("app.admin.backups.destination.time.sleep", take_the_lead)
    before = system.stored()
    with pytest.raises(BackupRefused, match="a service works on the ledger"):
        move(system.connection, elsewhere, ELSEWHERE, replace=None, allow_unsafe=False, watch_seconds=60)
    assert open_places(system.connection) == 1
    assert before.items() <= system.stored().items()
    assert Identity(elsewhere).read() is None


def test_it_does_not_move_onto_itself(system: System, empty_redis_url: str) -> None:
    same = Connection.to(empty_redis_url, timeout_seconds=5, connections=4)
    with closing(same), pytest.raises(BackupRefused, match="one Redis"):
        go(system, same, Identity(same).read())
    assert len(system.everything()) == 1
    assert open_places(system.connection) == 1


def test_it_does_not_move_to_where_it_is_another_time(
    system: System, elsewhere: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = elsewhere.now_milliseconds()
    monkeypatch.setattr(elsewhere, "now_milliseconds", lambda: now + 60_000)
    with pytest.raises(BackupRefused, match=r"clocks of both are (59|60) s apart"):
        go(system, elsewhere)


def test_what_was_never_a_ledger_does_not_move(make_system: MakeSystem, elsewhere: Connection) -> None:
    with pytest.raises(BackupRefused, match="no ledger to move"):
        go(make_system(), elsewhere)


@pytest.mark.parametrize("changed", ["at the old one", "at the new one", "lost on the way"])
def test_where_both_are_not_the_same_in_the_end_it_stays_where_it_was(
    system: System, elsewhere: Connection, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    write = Copies.write
    [transaction] = system.everything()

    def disturbed(copies: Copies, entries: Iterator[Entry]) -> Iterator[list[Entry]]:
        kept = (one for one in entries if changed != "lost on the way" or not one.key.endswith(f":ev:{transaction}"))
        yield from write(copies, kept)
        for connection, where in ((system.connection, "at the old one"), (elsewhere, "at the new one")):
            if changed == where:
                rewrite(connection._client, transaction, captured=4000)

    monkeypatch.setattr(Copies, "write", disturbed)
    with pytest.raises(BackupRefused, match="Nothing was moved"):
        go(system, elsewhere)
    monkeypatch.undo()
    assert open_places(system.connection, elsewhere) == 1
    assert Identity(system.connection).closed() is None
    go(system, elsewhere)
    assert open_places(system.connection, elsewhere) == 1


@pytest.mark.parametrize("step", ["closing the new one", "copying", "comparing", "opening the new one", "the last one"])
def test_wherever_it_is_interrupted_services_start_on_one_of_both_at_most_and_it_can_be_repeated(
    system: System, elsewhere: Connection, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: object) -> object:
        raise KeyboardInterrupt

    close = Identity.close

    def killed_at_the_end(identity: Identity, why: str) -> None:
        killed() if "has moved" in why else close(identity, why)

    place, name, instead = {
        "closing the new one": (Copies, "clear", killed),
        "copying": (Copies, "write", killed),
        "comparing": (Copies, "read", killed),
        "opening the new one": (Identity, "become", killed),
        "the last one": (Identity, "close", killed_at_the_end),
    }[step]
    monkeypatch.setattr(place, name, instead)
    monkeypatch.setattr(Identity, "open", killed)  # nor does it put back what it has closed
    with pytest.raises(KeyboardInterrupt):
        go(system, elsewhere)
    monkeypatch.undo()
    assert open_places(system.connection, elsewhere) <= 1
    go(system, elsewhere, Identity(elsewhere).read())
    assert open_places(system.connection, elsewhere) == 1
    assert Copies(elsewhere).read([f"gb:*:tx:{one}" for one in system.everything()])
