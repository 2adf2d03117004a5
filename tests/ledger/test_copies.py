"""A ledger is copied while it changes: of what belongs together, the copy has one moment."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest
import redis

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage import copies
from app.ledger.storage.connection import Connection
from app.ledger.storage.copies import Copies, Entry

BUCKETS = ("b001", "b002", "b003")

# Five keys of one bucket, changed together.
KINDS = ("text", "hash", "set", "sorted", "list")

_CHANGE = """
local bucket, number = ARGV[1], ARGV[2]
redis.call('SET', bucket .. 'text', number)
redis.call('HSET', bucket .. 'hash', 'number', number, 'other', 'stays')
redis.call('DEL', bucket .. 'set')
redis.call('SADD', bucket .. 'set', number)
redis.call('ZADD', bucket .. 'sorted', number, 'number')
redis.call('RPUSH', bucket .. 'list', number)
"""


@pytest.fixture
def connection(empty_redis_url: str) -> Iterator[Connection]:
    with closing(Connection.to(empty_redis_url, timeout_seconds=5, connections=4)) as connection:
        yield connection


@pytest.fixture
def client(empty_redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(empty_redis_url, decode_responses=True) as client:
        yield client


def change(client: redis.Redis, bucket: str, number: int) -> None:
    client.eval(_CHANGE, 0, f"gb:{{{bucket}}}:", str(number))


def changing(client: redis.Redis, entries: Iterable[Entry]) -> Iterator[Entry]:
    for count, entry in enumerate(entries, 1):
        change(client, "b001", count)
        yield entry


def numbers(copy: dict[str, Entry], bucket: str) -> list[str]:
    """Return the number that each of the five keys was given last, by the copy."""
    return [copy[f"gb:{{{bucket}}}:{kind}"].content[-1 if kind != "hash" else 1] for kind in KINDS]


def latest(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.key: entry for entry in entries}


@pytest.mark.parametrize("seed", range(10))
def test_keys_that_change_together_are_copied_as_of_one_moment(
    client: redis.Redis, connection: Connection, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(copies, "KEYS_AT_A_TIME", chance.choice([1, 2, 3, 100]))  # how much is read at one moment
    for bucket in BUCKETS:
        change(client, bucket, 0)
    copy = {}
    for count, entry in enumerate(Copies(connection).entries(), 1):
        copy[entry.key] = entry
        if count < 50:  # what changes without end is never copied
            change(client, chance.choice(BUCKETS), count)
    for bucket in BUCKETS:
        assert len({float(number) for number in numbers(copy, bucket)}) == 1, numbers(copy, bucket)


def test_what_was_written_before_is_in_the_copy(client: redis.Redis, connection: Connection) -> None:
    for number in range(500):
        change(client, f"b{number % 128:03d}", number)
    assert len(latest(Copies(connection).entries())) == 128 * len(KINDS)


def test_what_goes_meanwhile_is_not_in_the_copy(client: redis.Redis, connection: Connection) -> None:
    change(client, "b001", 1)
    entries = Copies(connection).entries()
    first = next(entries)
    client.delete(first.key)
    assert latest(entries)[first.key].kind == "none"


def test_what_comes_meanwhile_and_belongs_to_it_is_in_the_copy(client: redis.Redis, connection: Connection) -> None:
    change(client, "b001", 1)
    entries = Copies(connection).entries()
    next(entries)
    client.set("gb:{b001}:new", "1")
    assert latest(entries)["gb:{b001}:new"].content == ("1",)


def test_what_changes_faster_than_it_is_read_is_not_copied(client: redis.Redis, connection: Connection) -> None:
    change(client, "b001", 0)
    with pytest.raises(LedgerUnavailable, match="faster than it can be copied"):
        latest(changing(client, Copies(connection).entries()))


def test_a_redis_that_is_emptied_meanwhile_is_not_copied(client: redis.Redis, connection: Connection) -> None:
    change(client, "b001", 1)
    entries = Copies(connection).entries()
    next(entries)
    client.flushall()
    with pytest.raises(LedgerUnavailable, match="emptied"):
        list(entries)


def test_who_leads_is_no_part_of_a_ledger(client: redis.Redis, connection: Connection) -> None:
    client.set("gb:lead:sweeper", "somebody")
    assert Copies(connection).is_empty()
    assert not list(Copies(connection).entries())


def test_a_copy_holds_what_was_copied(client: redis.Redis, another_redis_url: str, connection: Connection) -> None:
    change(client, "b001", 7)
    client.rpush("gb:{b001}:long", *(str(number) for number in range(2 * copies.ITEMS_AT_A_TIME + 1)))
    client.hset("gb:{b002}:long", mapping={str(number): "x" for number in range(2 * copies.ITEMS_AT_A_TIME + 1)})
    client.set("gb:{b003}:no text", b"\xff\x00 \xc3\x28")
    client.set("gb:{b003}:ends", "1", px=3_600_000)
    client.set("gb:{b003}:ended", "1", pxat=1)
    client.zadd("gb:{b003}:times", {"never": 253402300799000, "half": 0.1})
    with closing(Connection.to(another_redis_url, timeout_seconds=5, connections=4)) as elsewhere:
        for _ in Copies(elsewhere).write(Copies(connection).entries()):
            pass
        copied = latest(Copies(elsewhere).entries())
    original = latest(Copies(connection).entries())
    assert copied.keys() == original.keys()
    assert all(copied[key].same_as(entry) for key, entry in original.items())


def test_removing_a_ledger_leaves_what_is_not_its_own(client: redis.Redis, connection: Connection) -> None:
    for bucket in BUCKETS:
        change(client, bucket, 1)
    client.set("other", "1")
    Copies(connection).clear()
    assert client.keys("*") == ["other"]
