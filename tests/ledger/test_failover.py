"""Redis's primary is killed while shoppers pay: what VTEX was told stays true, and nothing moves twice."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from app.ledger.errors import LedgerUnavailable, Unresolved
from app.ledger.storage import keys
from app.ledger.storage.connection import Connection
from app.ledger.transaction import State
from mappers.base import BackendUnavailable, Holds, OutcomeUnknown
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_topologies import (
    DURABLE,
    Servers,
    command,
    eventually,
    free_port,
    named_by,
    replicate,
    servers,
    watch,
)

__all__ = ["servers"]  # a fixture, which pytest finds here

T = TypeVar("T")

SHOPPERS = 4
BALANCE = 100_000_000

# What VTEX answers with a repeat of its own.
TRY_AGAIN = (LedgerUnavailable, Unresolved, BackendUnavailable, OutcomeUnknown)
PATIENCE_SECONDS = 20


@dataclass
class Workload:
    """Shoppers who pay order after order, and what VTEX was told of them: ids of transactions."""

    system: System
    authorized: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def shop(self, shopper: int) -> None:
        """Pay until it is over. Every other shopper gives an order up at its first failure, and repeats no call."""
        insist = shopper % 2 == 0
        for number in itertools.count():
            if self.over.is_set():
                return
            name = f"order-{shopper}-{number}"
            try:
                self.pay(name, self.repeat if insist else lambda call: call())
            except TRY_AGAIN:
                assert not insist, f"{name} was repeated for {PATIENCE_SECONDS} s"
                self.given_up.append(name)
                self.over.wait(0.1)

    def pay(self, name: str, send: Callable[[Callable[[], str]], str]) -> None:
        transaction = send(lambda: self.system.authorize("0.10", name))
        self.authorized.append(transaction)
        send(lambda: self.system.settle(transaction, "0.06", f"{name}-s"))
        self.settled.append(transaction)
        send(lambda: self.system.cancel(transaction, "0.04", f"{name}-c"))
        self.canceled.append(transaction)

    @staticmethod
    def repeat(call: Callable[[], T]) -> T:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call()
            except TRY_AGAIN:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    def go_on(self) -> None:
        """Wait until some more orders were paid from beginning to end."""
        enough = len(self.canceled) + 5 * SHOPPERS
        eventually(lambda: len(self.canceled) >= enough, PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("holds", "behind"),
    [
        (Holds.LEDGER, True),
        pytest.param(Holds.LEDGER, False, marks=pytest.mark.long),
        pytest.param(Holds.NATIVE, True, marks=pytest.mark.long),
    ],
)
def test_a_primary_that_is_killed_takes_nothing_with_it(
    servers: Servers, make_system: MakeSystem, tmp_path: Path, holds: Holds, behind: bool
) -> None:
    """`behind`: its replica has lost it a while before, so that what the primary still wrote is lost with it."""
    primary, spare = servers.start(*DURABLE), servers.start(*DURABLE)
    replica = servers.start(*DURABLE, "--replicaof", "127.0.0.1", str(primary))
    replicate(primary, replica)
    sentinel = watch(servers, tmp_path, primary, replica, "down-after-milliseconds giftbridge 500")
    address = f"redis+sentinel://127.0.0.1:{sentinel}/giftbridge"
    connection = Connection.to(address, timeout_seconds=2, connections=8, replicas=1)
    system = make_system(holds, connection=connection, lease=timedelta(seconds=2))
    system.backend.balances[CARD] = BALANCE
    workload = Workload(system)
    with ThreadPoolExecutor(SHOPPERS) as pool:
        try:
            shoppers = [pool.submit(workload.shop, number) for number in range(SHOPPERS)]
            workload.go_on()
            if behind:
                command(replica, "REPLICAOF", "127.0.0.1", free_port())
                eventually(lambda: workload.given_up)
            servers.kill(primary)
            eventually(lambda: str(replica) in named_by(sentinel))
            command(spare, "REPLICAOF", "127.0.0.1", replica)
            workload.go_on()
        finally:
            workload.over.set()
        for shopper in shoppers:
            shopper.result()
    assert workload.given_up, "no request noticed that the primary was killed"

    # Some come back for what they had given up; the rest is for the sweeper.
    for name in workload.given_up[::2]:
        workload.pay(name, workload.repeat)
    eventually(lambda: nothing_is_open(system))
    assert what_was_told_is_true(workload)
    assert max(system.backend.effects.values()) == 1
    assert money_adds_up(system)


def nothing_is_open(system: System) -> bool:
    """Let the sweeper look at what is unresolved, as it would in a while, and at nothing else."""
    left = [record for record in map(system.record, system.everything()) if record.unresolved is not None]
    for record in left:
        system.connection._client.zadd(keys.for_scripts(record.address, record.backend.account)[2], {record.id: 0})
    system.sweeper.sweep_once()
    return not left


def what_was_told_is_true(workload: Workload) -> bool:
    system = workload.system
    for transaction in workload.authorized:
        assert system.record(transaction).state in (State.AUTHORIZED, State.CLOSED)
    for transaction in workload.settled:
        assert system.settlements(transaction) == [Decimal("0.06")]
    for transaction in workload.canceled:
        assert system.cancellations(transaction) == [Decimal("0.04")]
    return True


def money_adds_up(system: System) -> bool:
    records = [system.record(transaction) for transaction in system.everything()]
    held = sum(record.rest for record in records if record.state is State.AUTHORIZED)
    assert system.standing.reserved + system.backend.held == held
    taken = sum(record.captured - record.refunded for record in records)
    return system.backend.spendable + system.backend.held == BALANCE - taken
