"""Finds transactions: those that are due or parked, by order or request, and page by page."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any, cast

import redis
from redis.client import Pipeline

from app.ledger import names
from app.ledger.errors import OtherFormat
from app.ledger.milliseconds import milliseconds
from app.ledger.storage import keys
from app.ledger.storage.connection import Connection
from app.ledger.storage.records import Fields, fields_of
from app.ledger.storage.stored import read_stored
from app.ledger.transaction import Address
from providers.provider import Backend

# How the rows of an index begin that tell of a refused settlement or cancellation.
REFUSED = "refused:"

# Read at a time from a bucket when everything is walked through.
ROWS = 500

# Read at first from each bucket where only the soonest is wanted.
FIRST_ROWS = 20

# Read at a time from a bucket of what is due, and from all of them: of a provider that is down very much may wait, and
# a pass must not use up the processor to find it again.
DUE_PAGE = 100
DUE_AT_A_TIME = 10_000

# Read at a time from a bucket of what is over, to be packed or forgotten: both go on with the next pass.
OVER_PAGE = 10


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """A transaction's id and date (milliseconds of Redis's clock)."""

    date: int
    id: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A transaction that is not over: its provider, and the backend that it was opened at."""

    id: str
    provider_id: str
    backend: Backend


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A transaction somebody must look at since a date; first those with an unresolved act, then the oldest."""

    resolved: bool
    date: int
    id: str
    provider_id: str


class Index:
    """What can be found in Redis. Every method raises LedgerUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def due(self, now: int, start: int = 0) -> tuple[list[Due], int]:
        """Return what somebody must look at by `now`, from the one of this rank in each queue on, and where to go on.

        That is 0 once everything was returned; only where very much is due it is not.
        """
        queues = [keys.in_bucket(bucket, name) for name in ("due", "over") for bucket in range(names.BUCKETS)]
        found: list[Due] = []
        while queues and len(found) < DUE_AT_A_TIME:

            def fill(pipeline: Pipeline, start: int = start, queues: Sequence[str] = queues) -> None:
                for queue in queues:
                    pipeline.zrangebyscore(queue, "-inf", now, start, DUE_PAGE, withscores=True)

            pages = self._connection.pipeline(fill)
            found += self._details([Row(int(score), name) for page in pages for name, score in page])
            queues = [queue for queue, page in zip(queues, pages, strict=True) if len(page) == DUE_PAGE]
            start += DUE_PAGE
        return found, start if queues else 0

    def over(
        self, now: int, retention: timedelta, pack_after: timedelta, start: int = 0
    ) -> tuple[list[str], list[Due]]:
        """Return what has been over for so long that it is to be packed, and what was packed and is to be forgotten.

        Of each bucket the first few: of what is to be packed, from the one of this rank on.
        """
        last = now + milliseconds(retention - pack_after)

        def fill(pipeline: Pipeline) -> None:
            for bucket in range(names.BUCKETS):
                pipeline.zrangebyscore(keys.in_bucket(bucket, "over"), f"({now}", last, start, OVER_PAGE)
                pipeline.lrange(keys.in_bucket(bucket, "packed"), 0, OVER_PAGE - 1)

        answers = self._connection.pipeline(fill)
        to_pack = [transaction_id for rows in answers[::2] for transaction_id in rows]
        read = (keys.read_packed_row(bucket, row) for bucket, rows in enumerate(answers[1::2]) for row in rows)
        ends = (Row(since + milliseconds(retention), transaction_id) for since, transaction_id in read)
        return to_pack, list(self._details(heapq.nsmallest(DUE_PAGE, (row for row in ends if row.date <= now))))

    def due_within(self, duration: timedelta) -> list[str]:
        """Return the ids of transactions somebody must look at before `duration` is over."""
        until = self._connection.now_milliseconds() + milliseconds(duration)
        found = self._ask_all(lambda pipeline, key: pipeline.zrangebyscore(key, "-inf", until), "due")
        return [transaction_id for rows in found for transaction_id in rows]

    def unresolved_within(self, duration: timedelta, look_at: int | None = None) -> tuple[list[str], bool]:
        """Return those of `due_within` of which an act is unresolved, and whether these are all.

        `look_at`: of so many at most, those that are due soonest.
        """
        if look_at is None:
            ids = self.due_within(duration)
        else:
            until = self._connection.now_milliseconds() + milliseconds(duration)
            ids = [row.id for row in islice(self._due_in_order(Row(0, ""), until), look_at + 1)]
        rows = self._fields(ids[:look_at], "provider", "unresolved")
        found = [transaction_id for transaction_id, _, unresolved in rows if unresolved]
        return found, look_at is None or len(ids) <= look_at

    def holds_ending(self, after: Row, until: int) -> Iterator[tuple[Row, timedelta | None]]:
        """Yield what somebody must look at by `until`, soonest first, that comes after the row `after`; and of each for
        how long it was authorized, where it is a hold that ends then. A row's date is that moment."""
        rows = self._due_in_order(after, until)
        while some := list(islice(rows, ROWS)):
            found = self._fields([row.id for row in some], "provider", "expires_at", "authorization_ttl")
            ends = {name: (int(end or 0), int(ttl or 0)) for name, _, end, ttl in found}
            for row in some:
                end, ttl = ends.get(row.id, (0, 0))
                yield row, timedelta(milliseconds=ttl) if end == row.date else None

    def _due_in_order(self, after: Row, until: int) -> Iterator[Row]:
        """Yield what somebody must look at by `until`, soonest first, after the row `after`; read as it is wanted."""

        def ask(pipeline: Pipeline, key: str) -> object:
            return pipeline.zrangebyscore(key, after.date, until, 0, FIRST_ROWS, withscores=True)

        pages = enumerate(self._ask_all(ask, "due"))
        return heapq.merge(*(self._due_in(bucket, page, after, until) for bucket, page in pages))

    def _due_in(self, bucket: int, page: Sequence[tuple[str, float]], last: Row, until: int) -> Iterator[Row]:
        """Yield a bucket's rows of `page` and what follows it, without those up to `last`."""
        key, size = keys.in_bucket(bucket, "due"), FIRST_ROWS
        while True:
            rows = [row for row in (Row(int(score), name) for name, score in page) if row > last]
            yield from rows
            if len(page) < size:
                return
            # More than a page may be due in one millisecond.
            last, size = rows[-1] if rows else last, ROWS if rows else 4 * size
            page = self._page(key, last.date, until, size)

    def _page(self, key: str, lowest: int, highest: int, size: int) -> list[tuple[str, float]]:
        answer = self._connection.call(
            lambda client: client.zrangebyscore(key, lowest, highest, 0, size, withscores=True)
        )
        return cast("list[tuple[str, float]]", answer)

    def due_after(self, moment: int) -> Iterator[list[str]]:
        """Yield the ids of what nobody must look at before a moment, in pages."""
        for bucket in range(names.BUCKETS):
            rows = self._later(keys.in_bucket(bucket, "due"), moment)
            yield from (rows[at : at + ROWS] for at in range(0, len(rows), ROWS))

    def _later(self, key: str, moment: int) -> list[str]:
        return cast("list[str]", self._connection.call(lambda client: client.zrangebyscore(key, moment, "+inf")))

    def dated(self, transaction_ids: Iterable[str]) -> list[Row]:
        """Return transactions with their dates, oldest first, in one round trip; without those that are forgotten."""
        of_bucket: dict[int, list[str]] = defaultdict(list)
        for name in transaction_ids:
            if (bucket := names.bucket_of_transaction(name)) is not None:
                of_bucket[bucket].append(name)

        def fill(pipeline: Pipeline) -> None:
            for bucket, found in of_bucket.items():
                members: list[Any] = [*found, *map(keys.short, found)]
                pipeline.zmscore(keys.in_bucket(bucket, "all"), members)

        answers = self._connection.pipeline(fill) if of_bucket else []
        found = zip(of_bucket.values(), answers, strict=True)
        dates = ((name, date) for rows, scores in found for name, date in zip(2 * rows, scores, strict=True))
        return sorted(Row(int(date), name) for name, date in dates if date is not None)

    def open(self) -> Iterator[Opened]:
        """Yield every transaction that is not over, bucket by bucket, in bounded memory."""
        for bucket in range(names.BUCKETS):
            key = keys.in_bucket(bucket, "due")
            cursor = None
            while cursor != 0:
                cursor, rows = self._scan(key, cursor or 0)
                found = self._fields([str(name) for name, _ in rows], "provider", "backend")
                yield from (
                    Opened(name, provider, Backend.parse(backend)) for name, provider, backend in found if backend
                )

    def _scan(self, key: str, cursor: int) -> tuple[int, list[tuple[str, float]]]:
        answer = self._connection.call(lambda client: client.zscan(key, cursor, count=ROWS))
        return cast("tuple[int, list[tuple[str, float]]]", answer)

    def overdue(self) -> timedelta:
        """Return how long the transaction that waits longest has been due; zero when none is."""
        now = self._connection.now_milliseconds()
        rows = self._ask_all(lambda pipeline, key: pipeline.zrange(key, 0, 0, withscores=True), "due")
        oldest = min((score for row in rows for _, score in row), default=now)
        return timedelta(milliseconds=max(0, now - oldest))

    def beginning(self, beginning: str) -> list[str]:
        """Return the ids that begin so, after at least `gb-` and the two digits of a bucket: that bucket is read."""
        bucket, found, cursor = int(beginning[3:5], 16), [], None
        while cursor != 0:
            cursor, rows = self._scan(keys.in_bucket(bucket, "all"), cursor or 0)
            found += [name for row, _ in rows if (name := keys.in_full(bucket, row)).startswith(beginning)]
        return found

    def waiting(self) -> int:
        """Return how many transactions wait for a person, those that are parked and those that were refused something.

        They are counted where they lie, in one round trip.
        """

        def fill(pipeline: Pipeline) -> None:
            for bucket in range(names.BUCKETS):
                pipeline.scard(keys.in_bucket(bucket, "parked"))
                pipeline.zlexcount(keys.in_bucket(bucket, "index"), f"[{REFUSED}", f"[{REFUSED}\xff")

        return sum(self._connection.pipeline(fill))

    def parked(self) -> list[str]:
        """Return the ids of transactions that wait for a person."""
        found = self._ask_all(lambda pipeline, key: pipeline.smembers(key), "parked")
        return sorted(transaction_id for rows in found for transaction_id in rows)

    def refused(self) -> list[str]:
        """Return the ids of transactions of which a settlement or cancellation was refused and is missing."""
        return sorted(self._rows([REFUSED]))

    def of_request(self, request_id: str) -> list[str]:
        """Return the ids of transactions that this request opened."""
        return self._named("request", [request_id])

    def of_orders(self, order_ids: Iterable[str]) -> list[str]:
        """Return the ids of transactions of these orders."""
        return self._named("order", list(order_ids))

    def of_card(self, provider_id: str, card_id: str) -> list[str]:
        """Return the ids of a card's authorized transactions, oldest first."""
        key = keys.of_card(provider_id, card_id)
        rows = cast("list[str]", self._connection.call(lambda client: client.zrange(key, 0, -1)))
        return _ids(names.bucket_of_card(card_id), rows)

    def newest_of_card(self, provider_id: str, card_id: str, limit: int, after: Row | None = None) -> list[Row]:
        """Return a page of a card's authorized transactions, as `newest` does of all."""
        key, highest = keys.of_card(provider_id, card_id), "+inf" if after is None else after.date
        bucket, count = names.bucket_of_card(card_id), limit + FIRST_ROWS
        while True:

            def command(client: redis.Redis, count: int = count) -> object:
                return client.zrevrangebyscore(key, highest, "-inf", 0, count, withscores=True)

            found = cast("list[tuple[str, float]]", self._connection.call(command))
            every = (Row(int(score), keys.in_full(bucket, name)) for name, score in found)
            rows = sorted((row for row in every if after is None or row < after), reverse=True)
            if len(found) < count:
                return rows[:limit]
            # Of the last millisecond there may be more, and Redis has them in an order of its own.
            sure = [row for row in rows if row.date > int(found[-1][1])]
            if len(sure) >= limit:
                return sure[:limit]
            count *= 4

    def open_of_card(self, provider_id: str, card_id: str) -> list[str]:
        """Return the ids of those of a card's authorized transactions that are not over, newest first."""
        of_card, due = keys.of_card(provider_id, card_id), keys.in_bucket(names.bucket_of_card(card_id), "due")
        weights = {of_card: 1, due: 0}  # by the date of the transaction, not by when it is due
        found = self._connection.call(lambda client: client.zinter(weights))
        return cast("list[str]", found)[::-1]

    def count_of_card(self, provider_id: str, card_id: str) -> int:
        """Return how many authorized transactions a card has."""
        return int(self._connection.call(lambda client: client.zcard(keys.of_card(provider_id, card_id))))

    def list_is_complete(self, provider_id: str, card_id: str) -> bool:
        """Tell whether nothing of a card's list is missing: Redis may have lost older ones."""
        marks, mark = keys.completeness(provider_id, card_id)
        return bool(self._connection.call(lambda client: client.sismember(marks, mark)))

    def list_of_card(self, provider_id: str, card_id: str) -> tuple[list[str], bool]:
        """Return what `of_card` does, and whether nothing is missing: Redis may have lost older ones."""
        of_card, marks, mark = keys.of_card(provider_id, card_id), *keys.completeness(provider_id, card_id)

        def fill(pipeline: Pipeline) -> None:
            pipeline.zrange(of_card, 0, -1)
            pipeline.sismember(marks, mark)

        rows, complete = self._connection.pipeline(fill)
        return _ids(names.bucket_of_card(card_id), rows), bool(complete)

    def cards_with_transactions(
        self, provider_id: str, card_ids: Sequence[str], since: datetime | None = None
    ) -> set[str]:
        """Return those of the cards that have authorized transactions opened since a date, in one round trip."""
        lowest = milliseconds(since) if since else 0

        def fill(pipeline: Pipeline) -> None:
            for card_id in card_ids:
                pipeline.zcount(keys.of_card(provider_id, card_id), lowest, "+inf")

        counts = self._connection.pipeline(fill) if card_ids else []
        return {card_id for card_id, count in zip(card_ids, counts, strict=True) if count}

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
                if len(rows) == wanted[bucket] and (last is None or rows[-1].date >= last.date)
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
        return {bucket: [Row(int(score), keys.in_full(bucket, row)) for row, score in rows] for bucket, rows in answers}

    def count(self, since: datetime | None = None) -> int:
        """Return how many transactions there are, or were opened since a date."""
        lowest = milliseconds(since) if since else 0
        return sum(self._ask_all(lambda pipeline, key: pipeline.zcount(key, lowest, "+inf"), "all"))

    def every(self, since: datetime | None = None) -> Iterator[list[Address]]:
        """Yield where all transactions opened since a date lie, bucket by bucket, in lists of bounded length.

        Each is yielded once, whatever else is opened or forgotten meanwhile.
        """
        for bucket in range(names.BUCKETS):
            yield from self._pages(bucket, milliseconds(since) if since else 0)

    def every_bucket(self) -> Iterator[Iterator[list[str]]]:
        """Yield the ids of all transactions of each bucket, in lists of bounded length."""
        for bucket in range(names.BUCKETS):
            yield self._ids(bucket, 0)

    def every_of_card(self, card_id: str) -> Iterator[list[str]]:
        """Yield the ids of all transactions of a card, whatever their provider and state, in lists of bounded length.

        Reads a whole bucket: for what people ask, not for shoppers.
        """
        for page in self._pages(names.bucket_of_card(card_id), 0):
            yield [address.id for address in page if address.card_id == card_id]

    def known(self, transaction_ids: Iterable[str]) -> set[str]:
        """Return those of the ids that Redis has a transaction of, in one round trip."""
        asked = [(name, key) for name in transaction_ids if (key := keys.of_transaction(name))]

        def fill(pipeline: Pipeline) -> None:
            for _, key in asked:
                pipeline.exists(key)

        answers = self._connection.pipeline(fill) if asked else []
        return {name for (name, _), there in zip(asked, answers, strict=True) if there}

    def postpone(self, transaction_id: str, delay: timedelta) -> None:
        """Look at a transaction that is due again later; for what cannot be worked on now."""
        bucket = names.bucket_of_transaction(transaction_id)
        assert bucket is not None  # noqa: S101 - the due queue holds nothing else
        key = keys.in_bucket(bucket, "due")
        at = self._connection.now_milliseconds() + milliseconds(delay)
        self._connection.call(lambda client: client.zadd(key, {transaction_id: at}, gt=True))

    def _after(self, bucket: int, last: tuple[int, bytes]) -> list[tuple[int, bytes]]:
        """Return a bucket's next rows after `last`, in Redis's own order, by date and then by their bytes.

        Counting from the front would skip some when others are deleted.
        """
        key = keys.in_bucket(bucket, "all")
        count = ROWS

        def command(client: redis.Redis) -> object:
            return client.zrangebyscore(key, last[0], "+inf", 0, count, withscores=True)

        while True:
            found = cast("list[tuple[str, float]]", self._connection.call(command))
            rows = [row for row in ((int(score), keys.in_bytes(name)) for name, score in found) if row > last]
            if rows or len(found) < count:
                return rows
            count *= 4  # so many were opened in one millisecond

    def _details(self, rows: Sequence[Row]) -> Iterator[Due]:
        """Yield what is to be known of due transactions, without those that were forgotten meanwhile."""
        dates = {row.id: row.date for row in rows}
        for name, provider, unresolved in self._fields([row.id for row in rows], "provider", "unresolved"):
            yield Due(not unresolved, dates[name], name, provider)

    def _pages(self, bucket: int, since: int) -> Iterator[list[Address]]:
        """Yield where a bucket's transactions lie, without those that were forgotten meanwhile."""
        for ids in self._ids(bucket, since):
            found = self._fields(ids, "provider", "card")
            yield [Address(provider, card, name) for name, provider, card in found]

    def _ids(self, bucket: int, since: int) -> Iterator[list[str]]:
        """Yield the ids of a bucket's transactions, oldest first."""
        last = (since, b"")
        while rows := self._after(bucket, last):
            yield [keys.in_full(bucket, row.decode(errors="surrogateescape")) for _, row in rows]
            last = rows[-1]

    def _fields(self, transaction_ids: Sequence[str], *wanted: str) -> Iterator[tuple[str, ...]]:
        """Yield fields of each transaction as text, without those that were forgotten meanwhile.

        One that cannot be read has empty ones: it must not hide the others.
        """
        found = [(name, key) for name in transaction_ids if (key := keys.of_transaction(name))]
        rows = read_stored(self._connection, [key for _, key in found])
        for (name, _), stored in zip(found, rows, strict=True):
            if stored:
                fields: Fields = {}
                with suppress(OtherFormat):
                    fields = fields_of(name, stored)
                yield name, *(str(fields.get(field, "")) for field in wanted)

    def _named(self, kind: str, values: Sequence[str]) -> list[str]:
        """Return the ids of the transactions that have one of these names, packed or not."""
        places = [keys.name_of_packed(kind, value) for value in values]

        def fill(pipeline: Pipeline) -> None:
            for bucket in range(names.BUCKETS):
                for key, field in places:
                    pipeline.hget(keys.in_bucket(bucket, key), field)

        # In this order: what is packed meanwhile is found by one of the two.
        rows = self._rows([keys.index_prefix(kind, value) for value in values])
        answers = self._connection.pipeline(fill) if places else []
        buckets = (bucket for bucket in range(names.BUCKETS) for _ in places)
        packed = [keys.ids_of_packed(bucket, ids) for bucket, ids in zip(buckets, answers, strict=True)]
        return list(dict.fromkeys([*rows, *chain.from_iterable(packed)]))

    def _rows(self, prefixes: Sequence[str]) -> list[str]:
        """Return the ids in the rows of the index that begin so."""

        def ask(pipeline: Pipeline, key: str) -> None:
            for prefix in prefixes:
                pipeline.zrangebylex(key, f"[{prefix}", f"[{prefix}\xff")

        return [row.rpartition(":")[2] for found in self._ask_all(ask, "index") for row in found]

    def _ask_all(self, ask: Callable[[Pipeline, str], object], name: str) -> list[Any]:
        """Return what every bucket's key called `name` answers, in one round trip."""

        def fill(pipeline: Pipeline) -> None:
            for bucket in range(names.BUCKETS):
                ask(pipeline, keys.in_bucket(bucket, name))

        return self._connection.pipeline(fill)


def _ids(bucket: int, rows: Sequence[str]) -> list[str]:
    return [keys.in_full(bucket, row) for row in rows]
