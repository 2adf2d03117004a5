"""The index finds transactions: what is due, what is parked, by order or request, and page by page."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import redis
from redis.client import Pipeline

from app.ledger import keys, names
from app.ledger.connection import Connection
from app.ledger.transaction import Record

# Read at a time from a bucket when everything is walked through.
ROWS = 500


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """A transaction's id and date (milliseconds of the store's clock)."""

    date: int
    id: str


class Index:
    """What can be found in the store. Every method raises StoreUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def due(self, limit: int) -> Iterator[str]:
        """Yield the ids of transactions somebody must look at now, at most `limit` from each bucket."""
        now = self._connection.now_milliseconds()
        for found in self._ask_all(lambda pipeline, key: pipeline.zrangebyscore(key, "-inf", now, 0, limit), "due"):
            yield from found

    def due_within(self, duration: timedelta) -> list[str]:
        """Return the ids of transactions somebody must look at before `duration` is over."""
        until = self._connection.now_milliseconds() + int(duration.total_seconds() * 1000)
        found = self._ask_all(lambda pipeline, key: pipeline.zrangebyscore(key, "-inf", until), "due")
        return [transaction_id for rows in found for transaction_id in rows]

    def overdue(self) -> timedelta:
        """Return how long the transaction that waits longest has been due; zero when none is."""
        now = self._connection.now_milliseconds()
        rows = self._ask_all(lambda pipeline, key: pipeline.zrange(key, 0, 0, withscores=True), "due")
        oldest = min((score for row in rows for _, score in row), default=now)
        return timedelta(milliseconds=max(0, now - oldest))

    def parked(self) -> list[str]:
        """Return the ids of transactions that wait for a person."""
        found = self._ask_all(lambda pipeline, key: pipeline.smembers(key), "parked")
        return sorted(transaction_id for rows in found for transaction_id in rows)

    def of_request(self, request_id: str) -> list[str]:
        """Return the ids of transactions that this request opened."""
        return self._named(keys.index_prefix("request", request_id))

    def of_order(self, order_id: str) -> list[str]:
        """Return the ids of transactions of this order."""
        return self._named(keys.index_prefix("order", order_id))

    def of_card(self, provider_id: str, card_id: str) -> list[str]:
        """Return the ids of a card's authorised transactions, oldest first."""
        key = keys.of_card(provider_id, card_id, "of")
        return cast("list[str]", self._connection.call(lambda client: client.zrange(key, 0, -1)))

    def newest(self, limit: int, after: Row | None = None) -> list[Row]:
        """Return a page of transactions, newest first; the page after the one that ended with `after`."""
        highest = "+inf" if after is None else str(after.date)
        # Each bucket gives its share first; one whose share ends within the page is asked for more.
        wanted = dict.fromkeys(range(names.BUCKETS), 2 * limit // names.BUCKETS + 8)
        found: dict[int, list[Row]] = {}
        asked = list(wanted)
        while asked:
            found |= self._highest(highest, {bucket: wanted[bucket] for bucket in asked})
            every = (row for rows in found.values() for row in rows if after is None or row < after)
            page = heapq.nlargest(limit, every)
            last = page[-1] if len(page) == limit else None
            asked = [
                bucket
                for bucket, rows in found.items()
                if len(rows) == wanted[bucket] and (last is None or rows[-1] > last)
            ]
            for bucket in asked:
                wanted[bucket] *= 4
        return page

    def _highest(self, highest: str, wanted: dict[int, int]) -> dict[int, list[Row]]:
        """Return, of each bucket, as many of its newest rows as are wanted."""

        def fill(pipeline: Pipeline) -> None:
            for bucket, count in wanted.items():
                key = keys.in_bucket(bucket, "all")
                pipeline.zrevrangebyscore(key, highest, "-inf", 0, count, withscores=True)

        answers = zip(wanted, self._connection.pipeline(fill), strict=True)
        return {bucket: [Row(int(score), name) for name, score in rows] for bucket, rows in answers}

    def count(self) -> int:
        """Return how many transactions there are."""
        return sum(self._ask_all(lambda pipeline, key: pipeline.zcard(key), "all"))

    def every(self, since: datetime | None = None) -> Iterator[list[str]]:
        """Yield the ids of all transactions since a date, bucket by bucket, in lists of bounded length."""
        lowest = 0 if since is None else int(since.timestamp() * 1000)
        for bucket in range(names.BUCKETS):
            key = keys.in_bucket(bucket, "all")
            start = 0
            while rows := self._rows(key, lowest, start):
                yield rows
                start += len(rows)

    def postpone(self, record: Record, delay: timedelta) -> None:
        """Look at a transaction again later; for what cannot be worked on now."""
        key = keys.for_scripts(record.address)[2]
        at = self._connection.now_milliseconds() + int(delay.total_seconds() * 1000)
        self._connection.call(lambda client: client.zadd(key, {record.id: at}, gt=True))

    def _rows(self, key: str, lowest: int, start: int) -> list[str]:
        def command(client: redis.Redis) -> object:
            return client.zrangebyscore(key, lowest, "+inf", start, ROWS)

        return cast("list[str]", self._connection.call(command))

    def _named(self, prefix: str) -> list[str]:
        def ask(pipeline: Pipeline, key: str) -> None:
            pipeline.zrangebylex(key, f"[{prefix}", f"[{prefix}\xff")

        return [row.rpartition(":")[2] for found in self._ask_all(ask, "index") for row in found]

    def _ask_all(self, ask: Callable[[Pipeline, str], object], name: str) -> list[Any]:
        """Return what every bucket's key called `name` answers, in one round trip."""

        def fill(pipeline: Pipeline) -> None:
            for bucket in range(names.BUCKETS):
                ask(pipeline, keys.in_bucket(bucket, name))

        return self._connection.pipeline(fill)
