"""A ledger with as many transactions as are wanted: one that the service made, written again under other names."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from flask import Flask

from app.ledger import names
from app.ledger.errors import LedgerUnavailable
from app.ledger.milliseconds import milliseconds
from app.ledger.storage.clients import connector
from app.ledger.storage.connection import Command, Connection
from app.ledger.storage.identity import Identity
from app.ledger.storage.intents import LedgerTimes
from app.ledger.storage.storage import Storage
from app.ledger.transaction import Transaction
from app.parts import Parts
from app.server.embedded import EmbeddedRedis
from bench.counts import Calls
from bench.quick import service

PROVIDER = "native"

# The script that writes a whole transaction, and what it answers.
WRITES, WRITTEN = "restore", "restored"

SENT_AT_A_TIME = 200
TIMEOUT_SECONDS = 60

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
        self,
        pattern: Transaction,
        numbers: Iterable[int],
        card: Callable[[int], str],
        *,
        forgotten_at_once: bool = False,
    ) -> None:
        """Write a transaction again for each number, with the whole record and all that leads to it.

        `forgotten_at_once`: each has been over for longer than the retention.
        """
        gathering = _Gathering(self.redis_url)
        times = LedgerTimes(retention=timedelta()) if forgotten_at_once else LedgerTimes()
        storage = Storage(gathering, times)
        for number in numbers:
            with suppress(LedgerUnavailable):  # it has no answer yet
                storage.restore(_renamed(pattern, card(number), number), in_totals=True)
            gathering.send_gathered(least=SENT_AT_A_TIME)
        gathering.send_gathered()
        gathering.close()

    @property
    def used_bytes(self) -> int:
        """What Redis keeps, without what its clients need."""
        told: dict[str, Any] = self.client.info("memory")
        return int(told["used_memory"] - told["mem_clients_normal"] - told["mem_aof_buffer"])


class _Gathering(Connection):
    """Gathers scripts that write, and sends many in one round trip."""

    def __init__(self, url: str) -> None:
        super().__init__(connector(url, timeout_seconds=TIMEOUT_SECONDS, connections=1))
        self._gathered: list[Command] = []

    def script(self, text: str, name: str = "script", *, replicated: bool = True) -> Callable[..., list[Any]]:
        digest = self.call(lambda client: client.script_load(text)) if name == WRITES else name

        def gather(keys: Sequence[str], *arguments: str) -> list[Any]:
            self._gathered.append(("EVALSHA", digest, len(keys), *keys, *arguments))
            return [WRITTEN, 0, "", "", (0,) * 6, ""]

        return gather

    def send_gathered(self, least: int = 1) -> None:
        if len(self._gathered) >= least:
            answers = self.send(self._gathered)
            if any(word != WRITTEN for word, *_ in answers):
                raise AssertionError("a transaction was there already")
            self._gathered.clear()


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
