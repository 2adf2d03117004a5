"""Redis as a cluster: its slots move, change their owner and go missing, and every order goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
import redis

from app.admin.backups.move import move
from app.ledger.errors import LedgerUnavailable, Unresolved
from app.ledger.names import bucket_of_card
from app.ledger.storage.connection import Connection
from app.ledger.storage.copies import Copies
from app.ledger.storage.identity import CLOSED, LEDGER, Identity
from app.ledger.storage.keys import in_bucket
from mappers.base import Holds, Receipt, Step
from tests.ledger.faults import Run
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_topologies import DURABLE, Servers, command, eventually, information, replicate, servers

__all__ = ["servers"]  # a fixture, which pytest finds here

# A node that is silent for this long is taken for dead, and the cluster for down: longer than a busy machine's pauses.
NODE_TIMEOUT_MILLISECONDS = "20000"

# Where a dead owner is to be noticed.
QUICK_NODE_TIMEOUT_MILLISECONDS = "2000"

SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))


@dataclass
class Cluster:
    """Three primaries, and who joined them later, by their ports."""

    servers: Servers
    ports: list[int]

    @property
    def address(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.ports[0]}"

    def connect(self, replicas: int = 0) -> Connection:
        return Connection.to(self.address, timeout_seconds=2, connections=8, replicas=replicas)

    def add_primary(self, first: int, last: int) -> None:
        command(self.add_node(), "CLUSTER", "ADDSLOTSRANGE", first, last)

    def add_node(self) -> int:
        """Start another node, known to all and without slots, and return its port."""
        options = (
            *DURABLE,
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            NODE_TIMEOUT_MILLISECONDS,
            "--cluster-port",
            "{bus}",
        )
        self.ports.append(port := self.servers.start(*options))
        with redis.Redis(port=port, decode_responses=True) as client:
            bus = client.config_get("cluster-port")["cluster-port"]
        command(self.ports[0], "CLUSTER", "MEET", "127.0.0.1", port, bus)
        self.agree(f"cluster_known_nodes:{len(self.ports)}")
        return port

    def add_replica(self, primary: int) -> int:
        port = self.add_node()
        command(port, "CLUSTER", "REPLICATE", self.id(primary))
        replicate(primary, port)
        return port

    def agree_on_owner(self, owner: int) -> None:
        """Wait until every node knows that `owner` has slots, and none takes the cluster for down."""
        for port in self.ports:
            eventually(partial(self._sees_slots_of, port, self.id(owner)))
        self.agree("cluster_state:ok")

    @staticmethod
    def _sees_slots_of(port: int, owner_id: str) -> bool:
        rows = [row.split() for row in command(port, "CLUSTER", "NODES").splitlines()]
        # After the eight fields of a node come its slots.
        return any(row[0] == owner_id and "master" in row[2] and len(row) > 8 for row in rows)

    def agree(self, word: str) -> None:
        for port in self.ports:
            eventually(partial(self._says, port, word))

    @staticmethod
    def _says(port: int, word: str) -> bool:
        return word in command(port, "CLUSTER", "INFO")

    def slot(self, key: str) -> int:
        return int(command(self.ports[0], "CLUSTER", "KEYSLOT", key))

    def owner(self, key: str) -> int:
        first_slots = [first for first, _ in SLOTS]
        return self.ports[max(number for number, first in enumerate(first_slots) if first <= self.slot(key))]

    @staticmethod
    def id(port: int) -> str:
        return command(port, "CLUSTER", "MYID")


@pytest.fixture
def cluster(servers: Servers) -> Cluster:
    cluster = Cluster(servers, [])
    for first, last in SLOTS:
        cluster.add_primary(first, last)
    cluster.agree("cluster_state:ok")
    return cluster


class Move:
    """A reshard, step by step: the slot of `key` goes from its owner to `target`."""

    def __init__(self, cluster: Cluster, key: str, target: int | None = None) -> None:
        self.cluster = cluster
        self.slot = cluster.slot(key)
        self.owner = cluster.owner(key)
        self.target = target or next(port for port in cluster.ports if port != self.owner)

    def begin(self) -> None:
        command(self.target, "CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.cluster.id(self.owner))
        command(self.owner, "CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.cluster.id(self.target))

    def left(self) -> list[str]:
        """Return the keys that did not move yet."""
        with redis.Redis(port=self.owner, decode_responses=True) as client:
            return sorted(client.execute_command("CLUSTER", "GETKEYSINSLOT", self.slot, 100))

    def take(self, keys: list[str]) -> None:
        command(self.owner, "MIGRATE", "127.0.0.1", self.target, "", 0, 5000, "KEYS", *keys)

    def end(self) -> None:
        if keys := self.left():
            self.take(keys)
        for port in (self.target, self.owner, *self.cluster.ports):
            if information(port, "replication")["role"] == "master":
                command(port, "CLUSTER", "SETSLOT", self.slot, "NODE", self.cluster.id(self.target))


def due_queue(system: System) -> str:
    """Return a key in the slot of the card that every test pays with."""
    return in_bucket(bucket_of_card(CARD), "due")


def pay(system: System, order: str) -> str:
    transaction = system.authorize("10.00", order)
    system.settle(transaction, "6.00", f"{order}-s")
    system.cancel(transaction, "4.00", f"{order}-c")
    return transaction


def test_orders_are_paid_on_a_cluster(cluster: Cluster, make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, connection=cluster.connect())
    transactions = [pay(system, f"order-{number}") for number in range(5)]
    assert [system.settlements(transaction) for transaction in transactions] == [[Decimal("6.00")]] * 5
    assert system.connection.complaints() == []
    assert system.sweep() == {"forgotten": 5}


def test_a_slot_that_moves_between_two_calls_is_followed(cluster: Cluster, make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, connection=cluster.connect())
    transaction = system.authorize("10.00")
    move = Move(cluster, due_queue(system))
    move.begin()
    move.end()
    system.settle(transaction, "10.00")
    assert system.settlements(transaction) == [Decimal("10.00")]
    assert system.backend.effects.total() == 1


@pytest.mark.parametrize("to_a_newcomer", [True, pytest.param(False, marks=pytest.mark.long)])
def test_while_a_slot_moves_its_cards_are_shown_and_no_money_moves(
    cluster: Cluster, make_system: MakeSystem, to_a_newcomer: bool
) -> None:
    """A node without slots so far is not among those the client heard of when it connected."""
    system = make_system(Holds.LEDGER, connection=cluster.connect())
    transaction = system.authorize("30.00")
    system.settle(transaction, "10.00", "before")
    move = Move(cluster, due_queue(system), cluster.add_node() if to_a_newcomer else None)
    cluster.agree("cluster_state:ok")
    move.begin()
    while keys := move.left():
        assert system.settlements(transaction) == [Decimal("10.00")]
        with pytest.raises(LedgerUnavailable):
            system.settle(transaction, "10.00", "during")
        move.take(keys[:2])
    move.end()
    assert system.backend.effects.total() == 1
    system.settle(transaction, "10.00", "during")
    assert system.settlements(transaction) == [Decimal("10.00")] * 2
    assert system.backend.effects.total() == 2


def test_a_request_repeated_after_a_move_finds_the_act_that_the_first_one_began(
    cluster: Cluster, make_system: MakeSystem
) -> None:
    system = make_system(Holds.LEDGER, connection=cluster.connect(), lease=timedelta(seconds=2))
    transaction = system.authorize("10.00")
    move = Move(cluster, due_queue(system))

    def move_meanwhile(step: Step, run: Run) -> Receipt:
        move.begin()
        move.take(move.left()[:2])
        return run()

    system.mapper.faults.append(move_meanwhile)
    with pytest.raises(LedgerUnavailable):
        system.settle(transaction, "10.00")
    assert system.backend.effects.total() == 1, "it happened, and could not be written down"
    with pytest.raises(LedgerUnavailable):
        system.settle(transaction, "10.00")
    move.end()
    eventually(lambda: settled(system, transaction))
    assert system.settlements(transaction) == [Decimal("10.00")]
    assert system.backend.effects.total() == 1


def settled(system: System, transaction: str) -> bool:
    """Repeat the request: the slot may still be moving, and the first attempt may still have its lease."""
    try:
        return bool(system.settle(transaction, "10.00"))
    except (LedgerUnavailable, Unresolved):
        return False


def test_a_change_counts_once_a_replica_of_its_slot_has_it(cluster: Cluster, make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, connection=cluster.connect(replicas=1))
    owner = cluster.owner(due_queue(system))
    replica = cluster.add_replica(owner)
    transaction = system.authorize("20.00")
    with redis.Redis(port=replica, decode_responses=True) as client:
        assert client.keys(f"*:tx:{transaction}")

    command(replica, "CLUSTER", "FAILOVER")
    eventually(lambda: information(owner, "replication")["role"] == "slave")
    replicate(replica, owner)
    cluster.agree_on_owner(replica)
    system.settle(transaction, "10.00", "at the new owner")
    assert system.settlements(transaction) == [Decimal("10.00")]

    cluster.servers.kill(owner)
    with pytest.raises(LedgerUnavailable, match="0 of 1 replicas"):
        system.settle(transaction, "10.00", "without a replica")
    assert system.backend.effects.total() == 1


def test_a_script_that_waits_for_replicas_follows_its_key(cluster: Cluster) -> None:
    move = Move(cluster, "{slot}:key")
    cluster.add_replica(move.owner)
    replica = cluster.add_replica(move.target)
    connection = cluster.connect(replicas=1)
    count: Callable[[list[str], str], object] = connection.script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert count(["{slot}:key"], "1") == 1
    move.begin()
    move.take(["{slot}:key"])
    assert count(["{slot}:key"], "1") == 2
    move.end()
    assert count(["{slot}:key"], "1") == 3
    with redis.Redis(port=replica) as client:
        assert client.keys("{slot}:key")
    connection.close()


@pytest.mark.long
def test_the_heir_of_an_owner_that_was_killed_is_found(cluster: Cluster, make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, connection=cluster.connect(replicas=1))
    owner = cluster.owner(due_queue(system))
    for _ in range(2):
        cluster.add_replica(owner)
    transaction = system.authorize("10.00")
    for port in cluster.ports:
        command(port, "CONFIG", "SET", "cluster-node-timeout", QUICK_NODE_TIMEOUT_MILLISECONDS)
    cluster.servers.kill(owner)
    eventually(lambda: settled(system, transaction))
    assert system.settlements(transaction) == [Decimal("10.00")]
    assert system.backend.effects.total() == 1


def test_a_slot_that_no_node_has_is_not_answered(cluster: Cluster, make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, connection=cluster.connect())
    connection = cluster.connect(replicas=1)
    count: Callable[[list[str], str], object] = connection.script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert system.connection.complaints() == connection.complaints() == []
    key, slot = due_queue(system), cluster.slot(due_queue(system))
    for port in cluster.ports:
        command(port, "CLUSTER", "DELSLOTS", slot)
    with pytest.raises(LedgerUnavailable):
        system.authorize("10.00")
    with pytest.raises(LedgerUnavailable):
        count([key], "1")
    with pytest.raises(LedgerUnavailable):
        system.ledger.transactions(system.provider, CARD, system.deadline())
    with pytest.raises(LedgerUnavailable):
        cluster.connect().complaints()
    assert system.backend.calls == []
    connection.close()

    command(cluster.owner(key), "CLUSTER", "ADDSLOTS", slot)
    cluster.agree("cluster_state:ok")
    assert system.authorize("10.00")


def test_a_cluster_that_is_down_stops_no_boot(servers: Servers) -> None:
    port = servers.start()
    servers.kill(port)
    connection = Connection.to(f"redis+cluster://127.0.0.1:{port}", timeout_seconds=1, connections=2)
    with pytest.raises(LedgerUnavailable):
        connection.complaints()
    connection.close()


def test_a_ledger_moves_from_a_cluster_to_a_server_and_back(
    cluster: Cluster, another_redis_url: str, make_system: MakeSystem
) -> None:
    system = make_system(Holds.LEDGER, connection=cluster.connect())
    Identity(system.connection).ensure()
    [transaction, *_] = [pay(system, f"order-{number}") for number in range(5)]
    with closing(Connection.to(another_redis_url, timeout_seconds=5, connections=4)) as server:
        there = move(system.connection, server, "a server", replace=None, allow_unsafe=False, watch_seconds=0)
        assert there.keys == len(system.stored()) - len([LEDGER, CLOSED])
        move(server, system.connection, "the cluster", replace=there.ledger, allow_unsafe=False, watch_seconds=0)
    assert system.settlements(transaction) == [Decimal("6.00")]
    pay(system, "order-5")


def test_while_a_slot_moves_nothing_is_copied(cluster: Cluster, make_system: MakeSystem) -> None:
    system = make_system(Holds.LEDGER, connection=cluster.connect())
    pay(system, "order-1")
    entries = Copies(system.connection).entries()
    read = [next(entries)]
    slot = Move(cluster, due_queue(system))
    slot.begin()
    slot.take(slot.left())
    with pytest.raises(LedgerUnavailable, match="moves a slot"):
        read.extend(entries)
