"""A ledger with as many transactions as are wanted: one that the service made, written again under other names."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from flask import Flask

from app.ledger import names
from app.ledger.milliseconds import milliseconds
from app.ledger.storage.identity import Identity
from app.ledger.storage.intents import LedgerTimes
from app.ledger.storage.storage import Storage
from app.ledger.transaction import Transaction
from app.parts import Parts
from app.server.embedded import EmbeddedRedis
from bench.counts import Calls
from bench.quick import service

PROVIDER = "native"

# While one waits for Redis, another one works.
WRITERS = 4

# Of an order a second, the newest is of now.
BETWEEN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Filled:
    """The service in this process, its Redis, and two transactions to be written again: settled, and open."""

    app: Flask
    parts: Parts
    client: redis.Redis
    settled: Transaction
    opened: Transaction
    folder: Path
    redis_url: str

    def fill(
        self, pattern: Transaction, numbers: Iterable[int], card: Callable[[int], str], storage: Storage | None = None
    ) -> None:
        """Write a transaction again for each number, with the whole record and all that leads to it."""
        into = storage or self.parts.storage

        def write(number: int) -> None:
            into.restore(_renamed(pattern, card(number), number), in_totals=True)

        with ThreadPoolExecutor(WRITERS) as writers:
            for _ in writers.map(write, numbers, chunksize=1):
                pass

    @property
    def storage_that_forgets(self) -> Storage:
        """What writes transactions that have been over for longer than the retention."""
        return Storage(self.parts.connection, LedgerTimes(retention=timedelta()))

    @property
    def used_bytes(self) -> int:
        """What Redis keeps, without what its clients need."""
        told: dict[str, Any] = self.client.info("memory")
        return int(told["used_memory"] - told["mem_clients_normal"] - told["mem_aof_buffer"])


@contextmanager
def filled() -> Iterator[Filled]:
    """Yield the service on a Redis of its own that waits for no disk: what is counted here is its own time."""
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedRedis(Path(name) / "data") as storage,
        service(storage.url, Path(name)) as app,
        redis.Redis.from_url(storage.url) as client,
    ):
        client.config_set("appendfsync", "no")
        parts: Parts = app.extensions["giftbridge"]
        Identity(parts.connection).ensure()  # commands work on no ledger that is nobody's
        calls = Calls(app, PROVIDER)
        calls.search(0)
        calls.authorize(0)
        opened = parts.storage.load(calls.transaction(0))
        calls.settle(0)
        settled = parts.storage.load(calls.transaction(0))
        if opened is None or settled is None:
            raise AssertionError("the ledger has lost a transaction")
        yield Filled(app, parts, client, settled, opened, Path(name), storage.url)


def _renamed(pattern: Transaction, card_id: str, number: int) -> Transaction:
    request_id = f"{number:032X}"
    name = names.transaction_id(pattern.provider_id, card_id, pattern.operation, request_id)
    first, *more = pattern.acts
    acts = [replace(first, oid=name, request_id=request_id)]
    acts += [replace(act, oid=names.act_id(name, act.kind, request_id), request_id=request_id) for act in more]
    return replace(
        pattern,
        id=name,
        card_id=card_id,
        request_id=request_id,
        date=pattern.date - (number % 1_000_000) * milliseconds(BETWEEN),
        acts=tuple(acts),
        memo=replace(pattern.memo, order_id=f"v{number:08}org-01"),
    )
