"""A picture of everything that Redis and the backend hold: to go back to, and to tell whether it was seen before."""

from __future__ import annotations

import io
import json
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from app.ledger.storage import keys
from app.ledger.storage.packing import is_packed, unpack
from tests.simulation.backend_model import BackendModel
from tests.simulation.transport import Environment

# A transaction's history, but for a packed one's, and the totals of a day move no money, and are left out.
_DUMP = """
local dump = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, value = redis.call('TYPE', key).ok, nil
  if string.find(key, ':totals:', 1, true) then value = nil
  elseif kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'list' and string.match(key, ':packed$') then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'string' then value = {redis.call('GET', key)} end
  if value then dump[#dump + 1] = {key, kind, value} end
end
return dump
"""
_LOAD = """
redis.call('FLUSHDB')
local at = 1
while at <= #ARGV do
  local key, kind, last = ARGV[at], ARGV[at + 1], at + 2 + tonumber(ARGV[at + 2])
  local value = {unpack(ARGV, at + 3, last)}
  at = last + 1
  if kind == 'hash' then redis.call('HSET', key, unpack(value))
  elseif kind == 'set' then redis.call('SADD', key, unpack(value))
  elseif kind == 'list' then redis.call('RPUSH', key, unpack(value))
  elseif kind == 'string' then redis.call('SET', key, value[1])
  else
    for at = 1, #value, 2 do redis.call('ZADD', key, value[at + 1], value[at]) end
  end
end
"""


@dataclass(frozen=True, slots=True)
class Form:
    """Some value as text without its moments, and the moments: milliseconds of the virtual clock."""

    text: str
    moments: tuple[int, ...]


# Moments as the scripts, the models and their JSON write them.
_MOMENT = re.compile(r"\b(1[67]\d{11})(?:\.0)?\b|\b(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|\+00:00)")


def form(value: object) -> Form:
    text = repr(value)
    assert " at 0x" not in text, f"{text}: it has no text of its own"
    moments: list[int] = []

    def moment(match: re.Match[str]) -> str:
        if match[1]:
            moments.append(int(match[1]))
        else:
            moments.append(round(datetime.fromisoformat(match[2]).replace(tzinfo=UTC).timestamp() * 1000))
        return "@"

    return Form(_MOMENT.sub(moment, text), tuple(moments))


_DAY, _HALF_HOUR, _MINUTES = 86_400_000, 1_800_000, 300_000


def distance(moment: int, now: int) -> int | str:
    """Return how far off a moment is. What is over is over; what is far off is not told apart by seconds."""
    left = moment - now
    if left <= 0:
        return "over"
    if left > 2 * _DAY:
        return "days"
    if left > _HALF_HOUR:
        return "an hour"
    return "minutes" if left > _MINUTES else left


@dataclass(frozen=True, slots=True)
class RedisPicture:
    """What Redis holds."""

    rows: tuple[tuple[str, str, list[str]], ...]  # key, type, value
    form: Form

    def arguments(self) -> list[bytes]:
        """Return the rows one after another, each with the number of its values: some are no text."""
        flat = (part for key, kind, value in self.rows for part in (key, kind, str(len(value)), *value))
        return [part.encode(errors="surrogateescape") for part in flat]

    def hashes(self, part: str) -> dict[str, dict[str, str]]:
        """Return the hashes whose keys hold `part`, by what follows it."""
        return {
            key.rpartition(part)[2]: dict(zip(value[::2], value[1::2], strict=True))
            for key, kind, value in self.rows
            if kind == "hash" and part in key
        }

    def texts(self, part: str) -> dict[str, str]:
        """Return the texts whose keys hold `part`, by what follows it."""
        return {key.rpartition(part)[2]: value[0] for key, kind, value in self.rows if kind == "string" and part in key}

    def packed(self) -> dict[str, int]:
        """Return since when each packed transaction is over."""
        lists = [value for _, kind, value in self.rows if kind == "list"]
        read = [keys.read_packed_row(0, row) for rows in lists for row in rows]  # the explorer has one bucket
        return {transaction_id: since for since, transaction_id in read}

    def queue(self, *names: str) -> dict[str, int]:
        """Return when each transaction in queues of these names must be looked at."""
        queues = (value for key, _, value in self.rows if key.rpartition(":")[2] in names)
        return {
            name: int(float(score)) for value in queues for name, score in zip(value[::2], value[1::2], strict=True)
        }


@dataclass(frozen=True, slots=True)
class BackendPicture:
    """What the backend holds, pickled."""

    backend: bytes
    form: Form


class Camera:
    """Takes pictures, and makes Redis and the backend what a picture shows."""

    def __init__(self, client: redis.Redis, environment: Environment) -> None:
        self._client: Any = client
        self._environment = environment
        self._dump, self._load = (self._client.script_load(text) for text in (_DUMP, _LOAD))

    def of_redis(self) -> RedisPicture:
        return _redis_picture(self._client.evalsha(self._dump, 0))

    def around(self, shown: RedisPicture | None) -> Around:
        """Return a client whose one call finds in Redis what is `shown` (None: what is there), with a picture after."""
        first = None if shown is None else (self._load, 0, *shown.arguments())
        return Around(self._client, first, (self._dump, 0))

    def of_backend(self, backend: BackendModel) -> BackendPicture:
        buffer = io.BytesIO()
        _Pickler(buffer).dump(backend)
        fields = {name: value for name, value in vars(backend).items() if name != "environment"}
        return BackendPicture(buffer.getvalue(), form(fields))

    def show_redis(self, picture: RedisPicture) -> None:
        self._client.evalsha(self._load, 0, *picture.arguments())

    def backend(self, picture: BackendPicture) -> BackendModel:
        unpickler = _Unpickler(io.BytesIO(picture.backend))
        unpickler.environment = self._environment
        backend: BackendModel = unpickler.load()
        return backend


class Around:
    """A client for one call: loading, the call and the picture after it are one round trip."""

    picture: RedisPicture

    def __init__(self, client: Any, first: tuple[Any, ...] | None, last: tuple[Any, ...]) -> None:
        self._client = client
        self._first = first
        self._last = last

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with self.pipeline() as pipeline:
                getattr(pipeline, name)(*arguments, **options)
                return pipeline.execute()[0]

        return call

    @contextmanager
    def pipeline(self, *, transaction: bool = False) -> Iterator[Any]:
        with self._client.pipeline(transaction=transaction) as pipeline:
            if self._first is not None:
                pipeline.evalsha(*self._first)
            execute = pipeline.execute

            def execute_all(**options: Any) -> list[Any]:
                pipeline.evalsha(*self._last)
                answers: list[Any] = execute(**options)
                dump = answers.pop()
                self.picture = _redis_picture(dump)
                return answers if self._first is None else answers[1:]

            pipeline.execute = execute_all
            yield pipeline


def _redis_picture(dump: Sequence[tuple[str, str, list[str]]]) -> RedisPicture:
    rows = tuple(sorted((key, kind, _ordered(kind, value)) for key, kind, value in dump))
    return RedisPicture(rows, form([(key, kind, _in_clear(key, kind, value)) for key, kind, value in rows]))


def _in_clear(key: str, kind: str, value: list[str]) -> list[str]:
    """Return a value whose moments can be seen."""
    if kind == "string" and is_packed(value[0]):
        unpacked = unpack(key.rpartition(":")[2], value[0])
        return [unpacked.text, *unpacked.events]
    if kind == "list":
        rows = (keys.read_packed_row(0, row) for row in value)
        return [f"{transaction_id} {since}" for since, transaction_id in rows]
    return value


def _ordered(kind: str, value: Sequence[str]) -> list[str]:
    if kind == "hash":
        return [part for pair in sorted(zip(value[::2], value[1::2], strict=True)) for part in pair]
    if kind == "string":
        return [_in_order(text) for text in value]
    return sorted(value) if kind == "set" else list(value)


def _in_order(text: str) -> str:
    """Return a transaction's text with its fields in one order: Lua has none."""
    head, line, memo = text.partition("\n")
    if is_packed(text):
        return text
    return json.dumps(json.loads(head), sort_keys=True) + line + memo if line else text


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> str | None:
        return "environment" if isinstance(obj, Environment) else None


class _Unpickler(pickle.Unpickler):
    environment: Environment

    def persistent_load(self, pid: Any) -> Environment:
        return self.environment
