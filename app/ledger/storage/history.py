"""Notices when Redis may have forgotten changes: after a failover, or where it was started from older data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import NamedTuple, cast

import structlog
from redis.client import Pipeline

from app.ledger import names
from app.ledger.milliseconds import milliseconds
from app.ledger.storage import keys
from app.ledger.storage.connection import Connection, Server
from app.ledger.storage.pace import SET_BACK
from app.ledger.transaction import ActRecord, Transaction
from mappers.base import Holds, Verb
from mappers.deadline import Deadline, steady_seconds

log = structlog.get_logger()

HISTORY = "gb:history"

# Other processes look, too: the moment that is written never goes back, unless the clock was ahead. Nothing is written
# where Redis has an older moment than was read just now: it went back meanwhile, and the next look must see that.
# Each time that the clock turns out to have been ahead is counted: `DatedAhead`.
_SEEN = """
local written = tonumber(redis.call('HGET', KEYS[1], 'seen_at') or '0')
if written < tonumber(ARGV[3]) then return 0 end
local now = tonumber(ARGV[2])
local ahead = ARGV[4] == '1' and written == tonumber(ARGV[3])
local seen_at = ahead and now or math.max(now, written)
redis.call('HSET', KEYS[1], 'replids', ARGV[1], 'seen_at', string.format('%d', seen_at), 'stopped', '')
if ahead then redis.call('HINCRBY', KEYS[1], 'ahead', 1) end
return 1
"""
DOUBTS = "gb:doubts"

# So long a look tells whoever gives money back what is doubted, unless a socket was opened meanwhile.
RECENT_SECONDS = 10

# A Redis that is started again this soon after it was last seen has its newest data: a backup is older.
SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A moment at which Redis may have forgotten what it was told after `since`. Milliseconds of Redis's clock.

    `noticed_at` is ahead where the ledger has a transaction that was dated so, by a clock that was set ahead.
    """

    since: int
    noticed_at: int
    reason: str

    def concerns(self, record: Transaction) -> bool:
        """Tell whether a transaction may have been settled, or acknowledged, without this Redis knowing it any more.

        Only where money would move wrongly: what a card has paid already, and what VTEX may have the id of.
        """
        return record.date < self.noticed_at and (_has_paid(record) or not record.acknowledged)

    def may_have_forgotten(self, act: ActRecord) -> bool:
        """Tell whether an act that is open may have been done, and even given back, without this Redis knowing it."""
        return act.unresolved and act.date < self.noticed_at


class _Moment(NamedTuple):
    """A time of Redis's clock in milliseconds, and of one that is never set when it was asked for."""

    at: int
    steady_seconds: float

    def carried_on(self, steady_seconds: float) -> int:
        """Return what Redis's clock must show at a moment of the other one, unless it was set meanwhile."""
        return self.at + int((steady_seconds - self.steady_seconds) * 1000) if self.at else 0


@dataclass(frozen=True, slots=True)
class DatedAhead:
    """Why the ledger may have something that waits for a day which only a clock knew that was ahead.

    `times`: how often the clock was, so far. `doubts`: what Redis went back to may be of such a time.
    """

    times: int
    doubts: frozenset[Doubt]


class History:
    """Which servers have held the ledger, and when it was last seen: `look` before anything is undone by itself.

    The replication id of a server changes when it is started and when a replica takes over; redis.io, INFO replication.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # What this process wrote last: a Redis that has an older moment has lost the newer one.
        self._seen = _Moment(0, 0.0)
        self._found: tuple[list[Doubt], int, Deadline] | None = None  # by a look: see `recent`
        self._ahead = DatedAhead(0, frozenset())  # by the last look
        self._seen_to = DatedAhead(0, frozenset())
        self._watched = Deadline.after(0)  # until when the next look must come, for nothing to be missed
        self._marked = False  # whether each bucket says that there is a doubt

    def look(self) -> list[Doubt]:
        """Note that the ledger was seen now, and return what is doubted, oldest first. Raises LedgerUnavailable."""
        sockets, recent = self._connection.sockets_opened, Deadline.after(RECENT_SECONDS)
        before_reading = self._seen  # it was written before
        watched, self._watched = not self._watched.passed(), Deadline.after(SOON.total_seconds())
        asked_at = steady_seconds()
        now, servers = self._connection.now_milliseconds(), self._connection.servers()
        written = self._connection.call(lambda client: client.hgetall(HISTORY))
        before = cast("dict[str, str]", written)
        read = before.get("seen_at", "0")
        if _is_ahead(int(read), now) or int(read) < before_reading.at:
            # This process may have stood still since it asked, and the clock may have been set back meanwhile.
            asked_at = steady_seconds()
            now = self._connection.now_milliseconds()
        last = min(before_reading, self._seen)  # another thread may have found meanwhile that it was ahead
        seen_here = 0 if _is_ahead(last.carried_on(asked_at), now) else last.at
        self._judge(before, servers, now, seen_here, watched=watched)
        replids = json.dumps([server.replid for server in servers])
        arguments = replids, str(now), read, "1" if _is_ahead(int(read), now) else ""
        if self._connection.call(lambda client: client.eval(_SEEN, 1, HISTORY, *arguments)):
            was_ahead = self._seen == before_reading and _is_ahead(before_reading.carried_on(asked_at), now)
            seen = _Moment(now, asked_at)
            self._seen = seen if was_ahead else max(self._seen, seen)
        if self._connection.sockets_opened != sockets:
            # Another server may have taken over since, and have what was written just now.
            servers, now = self._connection.servers(), self._connection.now_milliseconds()
            since = {**before, "replids": replids} if before else before
            self._judge(since, servers, now, 0, watched=watched and not self._watched.passed())
        doubts = self.doubts()
        if doubts and not self._marked:  # whoever wrote them down may have died, or be of an older version
            self._in_each_bucket(lambda pipeline, complete: pipeline.sadd(complete, keys.DOUBTED))
        self._marked = bool(doubts)
        self._seen_to = replace(self._seen_to, times=int(before.get("seen_to", 0)))
        self._ahead = DatedAhead(int(before.get("ahead", 0)), frozenset(doubts))
        self._found = doubts, sockets, recent
        return doubts

    def dated_ahead(self) -> DatedAhead | None:
        """Return why something may be dated ahead, by the last look; None where nothing is, or all was seen to."""
        ahead, seen_to = self._ahead, self._seen_to
        return ahead if ahead.times != seen_to.times or ahead.doubts - seen_to.doubts else None

    def is_seen_to(self, ahead: DatedAhead) -> None:
        """Note that what was dated ahead is not any more. Raises LedgerUnavailable."""
        self._connection.call(lambda client: client.hset(HISTORY, "seen_to", str(ahead.times)))
        self._seen_to = ahead

    def recent(self, *, of_this_server: bool = False) -> list[Doubt]:
        """Return what was doubted seconds ago, where no other server can be behind the connection since; else look.

        A server that is started again, or another one that takes over, has to be connected to anew. A doubt that a
        person has, or another process, may be known here some seconds later. `of_this_server`: perhaps never, since
        whoever asks so has been told of it by a script. Raises LedgerUnavailable.
        """
        found = self._found  # another thread may take it away
        if found is not None:
            doubts, sockets, recent = found
            if sockets == self._connection.sockets_opened and (of_this_server or not recent.passed()):
                return doubts
        return self.look()

    def stop(self) -> None:
        """Note that the service stops now: a Redis that is started later from this data has all of it."""
        if self._seen.at:
            self._connection.call(lambda client: client.hset(HISTORY, "stopped", "1"))

    def doubts(self) -> list[Doubt]:
        """Return what is doubted, oldest first. Raises LedgerUnavailable."""
        rows = cast("Iterable[str]", self._connection.call(lambda client: client.lrange(DOUBTS, 0, -1)))
        return [Doubt(**json.loads(row)) for row in rows]

    def doubt(self, reason: str) -> Doubt:
        """Doubt everything until now, by a person's word: a backup was restored. Raises LedgerUnavailable."""
        now = self._connection.now_milliseconds()
        doubt = Doubt(0, self._newest(now), reason)
        self._add(doubt)
        return doubt

    def seen_at(self) -> int:
        """Return when a service worked on this ledger last; 0: none has. Raises LedgerUnavailable."""
        found = self._connection.call(lambda client: client.hget(HISTORY, "seen_at"))
        return int(found or 0)

    def servers_before(self) -> dict[str, str]:
        """Return what was noted of the servers that held the ledger, as it is stored. Raises LedgerUnavailable."""
        return cast("dict[str, str]", self._connection.call(lambda client: client.hgetall(HISTORY)))

    def restored(self, taken_at: int, read_until: int) -> Doubt:
        """Doubt what was written after a backup, which was taken at a moment and read until another.

        The servers from now on are known: they are no reason for another doubt. Raises LedgerUnavailable.
        """
        noticed_at = self._newest(max(self._connection.now_milliseconds(), read_until)) + 1
        doubt = Doubt(taken_at, noticed_at, "a backup was restored")
        self._add(doubt)
        self.moved()
        return doubt

    def moved(self) -> None:
        """Note that this Redis has all that the ledger had where it was stopped. Raises LedgerUnavailable."""
        replids = json.dumps([server.replid for server in self._connection.servers()])
        seen = ["replids", replids, "seen_at", str(self._connection.now_milliseconds()), "stopped", "1"]
        self._connection.call(lambda client: client.hset(HISTORY, items=seen))

    def trust(self, doubts: Iterable[Doubt]) -> None:
        """End these doubts, by a person's word. Raises LedgerUnavailable."""
        rows = [json.dumps(asdict(doubt)) for doubt in doubts]
        self._found = None

        def remove(pipeline: Pipeline) -> None:
            for row in rows:
                pipeline.lrem(DOUBTS, 0, row)

        self._connection.pipeline(remove)
        self._in_each_bucket(lambda pipeline, complete: pipeline.srem(complete, keys.DOUBTED))
        if self.doubts():  # one that came meanwhile
            self._in_each_bucket(lambda pipeline, complete: pipeline.sadd(complete, keys.DOUBTED))

    def _newest(self, now: int) -> int:
        """Return the newest date that a transaction has, and no less than `now`: Redis's clock may have been ahead."""

        def newest_of_each(pipeline: Pipeline) -> None:
            for bucket in range(names.BUCKETS):
                pipeline.zrange(keys.in_bucket(bucket, "all"), 0, 0, desc=True, withscores=True)

        found = cast("list[list[tuple[str, float]]]", self._connection.pipeline(newest_of_each))
        return max([now, *(int(date) + 1 for rows in found for _, date in rows)])

    def _add(self, doubt: Doubt) -> None:
        def no_list_is_complete(pipeline: Pipeline, complete: str) -> None:
            pipeline.delete(complete)
            pipeline.sadd(complete, keys.DOUBTED)

        self._in_each_bucket(no_list_is_complete)
        self._connection.call(lambda client: client.rpush(DOUBTS, json.dumps(asdict(doubt))))
        self._found = None
        self._marked = False  # who ended other doubts meanwhile may not have seen this one

    def _in_each_bucket(self, command: Callable[[Pipeline, str], object]) -> None:
        def fill(pipeline: Pipeline) -> None:
            for bucket in range(names.BUCKETS):
                command(pipeline, keys.in_bucket(bucket, "complete"))

        self._connection.pipeline(fill)

    def _judge(
        self, before: dict[str, str], servers: Sequence[Server], now: int, seen_here: int, *, watched: bool
    ) -> None:
        """Write a doubt down where something may be missing of what was written before."""
        if reason := self._doubted(before, servers, now, seen_here, watched=watched):
            self._watched = Deadline.after(0)  # where it cannot be written down now, the next look finds it again
            doubt = Doubt(int(before.get("seen_at", 0)), self._newest(now), reason)
            log.error("Redis may have forgotten changes", since=doubt.since, reason=reason)
            self._add(doubt)

    @staticmethod
    def _doubted(
        before: dict[str, str], servers: Iterable[Server], now: int, seen_here: int, *, watched: bool
    ) -> str | None:
        """Return why something may be missing of what was written before; None where nothing is.

        `watched`: since it looked last, this process has tried often enough for a Redis that has what it wrote to be
        the one that ended.
        """
        seen_at, known = int(before.get("seen_at", 0)), set(json.loads(before.get("replids", "[]")))
        if seen_at < seen_here:
            return "it has an older state than this service has seen"
        if not before:
            return None  # nothing has looked at this ledger yet
        for server in servers:
            if server.replid in known:
                continue
            if server.earlier_replid in known:
                return "a replica took over, which may not have had the last changes"
            started_at = now - server.uptime_milliseconds
            last_word = (watched and seen_at == seen_here) or before["stopped"]
            # A moment that is ahead tells nothing of when it was seen.
            if not last_word and (started_at - seen_at > milliseconds(SOON) or _is_ahead(seen_at, now)):
                return "it was started from data that may be older than what was written last"
        return None


def _is_ahead(moment: int, now: int) -> bool:
    """Tell whether it was written while Redis's clock was ahead."""
    return moment > now + milliseconds(SET_BACK)


def _has_paid(record: Transaction) -> bool:
    """Tell whether the card has paid for it at the backend, settled or not."""
    steps = (step for act in record.acts[record.opened_by :] for step in act.steps if step.receipt is not None)
    return record.holds is not Holds.LEDGER and any(step.verb in (Verb.CAPTURE, Verb.DEBIT) for step in steps)
