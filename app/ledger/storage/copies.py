"""Copies a ledger while it is served: every key as it is read, and again what has changed since.

Redis tells the connection that reads which keys change (CLIENT TRACKING, in broadcasting mode). What changed after it
was read is read again, until nothing of its bucket changes meanwhile. So the copy of a bucket has all that belongs
together (transactions, their histories, how cards stand, rows of the index) as of one moment, and Redis is never kept
for longer than it takes to read a few keys. Nothing here knows what a key means: a copy is right in any format.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Self, TypeVar

from redis.client import Pipeline
from redis.exceptions import AskError, MovedError, TryAgainError

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from app.ledger.storage.identity import CLOSED, LEDGER

T = TypeVar("T")

EVERYTHING = "gb:"

# What belongs to one Redis and one moment: who leads there, and why no service may work there.
LEFT_OUT = ("gb:lead:", CLOSED)

# Keys that are looked for, read, or written at a time. Redis serves others between two of these.
KEYS_AT_A_TIME = 100

# Items of a long list or set that are written at a time.
ITEMS_AT_A_TIME = 1000

# A bucket that has changed each time it was read, this often, changes faster than it can be copied.
ROUNDS = 1000

_TAG = re.compile(r"\{([^}]+)\}")

_READ = """
local found = {}
for number, key in ipairs(KEYS) do
  local kind, content = redis.call('TYPE', key).ok, {}
  if kind == 'hash' then content = redis.call('HGETALL', key)
  elseif kind == 'zset' then content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then content = redis.call('SMEMBERS', key)
  elseif kind == 'list' then content = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'string' then content = {redis.call('GET', key)}
  end
  found[number] = {kind, redis.call('PEXPIRETIME', key), content}
end
return found
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and all that it held when it was read.

    `kind` is Redis's word for its type; `none`: the key is gone. `expires_at` is the moment when it ends by itself, -1
    where it does not. `content` is what HGETALL, ZRANGE with scores, SMEMBERS, LRANGE or GET answered.
    """

    key: str
    kind: str
    expires_at: int
    content: tuple[str, ...]

    def same_as(self, other: Entry) -> bool:
        """Tell whether both hold the same, in whatever order Redis told it."""
        return (self.key, self.kind, self.expires_at, self._sorted()) == (
            other.key,
            other.kind,
            other.expires_at,
            other._sorted(),
        )

    def _sorted(self) -> Sequence[object]:
        match self.kind:
            case "hash":
                return sorted(_pairs(self.content))
            case "set":
                return sorted(self.content)
            case _:
                return self.content


class Copies:
    """Reads and writes whole ledgers. Methods raise LedgerUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read = connection.script(_READ)

    def entries(self) -> Iterator[Entry]:
        """Yield every key of the ledger. One that is yielded again has changed: its last entry counts."""
        for reader in _readers(self._connection):
            with reader:
                yield from reader.entries()

    def read(self, keys: Sequence[str]) -> list[Entry]:
        """Return what these keys hold now."""
        return [entry for group in _by_tag(keys).values() for entry in _entries(group, self._read(group, ""))]

    def is_empty(self) -> bool:
        """Tell whether no ledger is here, not even a part of one."""
        return next(self._keys(), None) is None

    def clear(self) -> None:
        """Remove the whole ledger; its id first, so that no part of one passes for a ledger."""
        self._connection.call(lambda client: client.delete(LEDGER))
        while keys := list(islice(self._keys(), ITEMS_AT_A_TIME)):
            self._connection.pipeline(partial(_remove, keys))

    def write(self, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
        """Write entries in their order, yielding those that were written together; the ledger's id is left out."""
        now = self._connection.now_milliseconds()
        for some in _batches((entry for entry in entries if entry.key != LEDGER), KEYS_AT_A_TIME):
            self._connection.pipeline(partial(_write_all, some, now))
            yield some

    def _keys(self) -> Iterator[str]:
        for reader in _readers(self._connection):
            with reader:
                for keys in reader.pages():
                    yield from keys


class _Reader:
    """Reads all keys of one server, through a connection of its own that is told of every change."""

    def __init__(self, connection: Connection, pool: Any) -> None:
        self._connection = connection
        self._pool = pool
        self._server: Any = None
        self._script = ""
        self._changed: defaultdict[str, set[str]] = defaultdict(set)  # by their tags
        self._emptied = False

    def __enter__(self) -> Self:
        self._server = self._connection.call(lambda _: self._pool.get_connection())
        return self

    def __exit__(self, *_: object) -> None:
        self._server.disconnect()  # whoever has it next is told of no change
        self._pool.release(self._server)

    def entries(self) -> Iterator[Entry]:
        self._be_told_of_changes()
        for keys in self.pages():
            yield from self._read(list(_by_tag(keys).values()))
            self._hear()
        for tag in list(self._changed):
            yield from self._catch_up(tag)

    def _catch_up(self, tag: str) -> Iterator[Entry]:
        """Read what has changed under a tag, until nothing of it changes while it is read."""
        for _ in range(ROUNDS):
            if not (changed := sorted(self._changed.pop(tag, ()))):
                return
            for some in _batches(changed, KEYS_AT_A_TIME):
                yield from self._read([some])
            self._hear()
        raise LedgerUnavailable("it changes faster than it can be copied: try again when less is paid")

    def pages(self) -> Iterator[list[str]]:
        """Yield the keys of the ledger, some of them twice."""
        cursor = 0
        while True:
            cursor, found = self._ask("SCAN", cursor, "MATCH", f"{EVERYTHING}*", "COUNT", KEYS_AT_A_TIME)
            yield [key for key in found if not key.startswith(LEFT_OUT)]
            if not int(cursor):
                return

    def _be_told_of_changes(self) -> None:
        self._server._parser.set_invalidation_push_handler(self._note_changes)
        self._ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", EVERYTHING)
        self._script = self._ask("SCRIPT", "LOAD", _READ)

    def _read(self, groups: Sequence[Sequence[str]]) -> Iterator[Entry]:
        """Yield what keys hold, each group as of one moment."""
        answers = self._ask_all([("EVALSHA", self._script, len(keys), *keys) for keys in groups])
        for keys, answer in zip(groups, answers, strict=True):
            yield from _entries(keys, answer)

    def _hear(self) -> None:
        """Note all that changed until now: Redis tells of a change before it answers what was asked later."""
        self._ask("PING")
        if self._emptied:
            raise LedgerUnavailable("somebody has emptied this Redis meanwhile")

    def _ask(self, *words: Any) -> Any:
        [answer] = self._ask_all([words])
        return answer

    def _ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        def ask(_: object) -> list[Any]:
            self._server.send_packed_command(self._server.pack_commands(commands))
            return [self._answer() for _ in commands]

        try:
            return self._connection.call(ask)
        except LedgerUnavailable as error:
            if isinstance(error.__cause__, AskError | MovedError | TryAgainError):
                raise LedgerUnavailable("the cluster moves a slot: try again when it has") from error
            raise

    def _answer(self) -> Any:
        # What Redis tells by itself comes in between.
        while (answer := self._server.read_response(push_request=True)) is _TOLD:
            pass
        return answer

    def _note_changes(self, told: Sequence[Any]) -> object:
        if told[0] in ("invalidate", b"invalidate"):
            self._emptied = self._emptied or told[1] is None
            for key in told[1] or ():
                if not key.startswith(LEFT_OUT):
                    self._changed[_tag(key)].add(key)
        return _TOLD


_TOLD = object()


def _readers(connection: Connection) -> list[_Reader]:
    return [_Reader(connection, pool) for pool in connection.pools()]


def _entries(keys: Sequence[str], answers: Sequence[Any]) -> list[Entry]:
    return [
        Entry(key, str(kind), int(expires_at), tuple(content))
        for key, (kind, expires_at, content) in zip(keys, answers, strict=True)
    ]


def _remove(keys: Iterable[str], pipeline: Pipeline) -> None:
    for key in keys:
        pipeline.unlink(key)


def _write_all(entries: Iterable[Entry], now: int, pipeline: Pipeline) -> None:
    for entry in entries:
        _write(entry, now, pipeline)


def _write(entry: Entry, now: int, pipeline: Pipeline) -> None:
    pipeline.delete(entry.key)
    if entry.kind == "none" or 0 <= entry.expires_at <= now:
        return
    content = (text.encode(errors="surrogateescape") for text in entry.content)
    for some in _batches(content, ITEMS_AT_A_TIME):
        match entry.kind:
            case "hash":
                pipeline.hset(entry.key, items=some)
            case "zset":
                pipeline.zadd(entry.key, dict(_pairs(some)))
            case "set":
                pipeline.sadd(entry.key, *some)
            case "list":
                pipeline.rpush(entry.key, *some)
            case "string":
                pipeline.set(entry.key, some[0])
    if entry.expires_at > 0:
        pipeline.pexpireat(entry.key, entry.expires_at)


def _by_tag(keys: Iterable[str]) -> dict[str, list[str]]:
    """Return keys by what tells their slot of a cluster: one script may read only keys of one slot."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key in dict.fromkeys(keys):
        groups[_tag(key)].append(key)
    return groups


def _tag(key: str) -> str:
    found = _TAG.search(key)
    return found[1] if found else key


def _pairs(content: Sequence[T]) -> list[tuple[T, T]]:
    return list(zip(content[::2], content[1::2], strict=True))


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
