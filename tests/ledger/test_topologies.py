"""The store as people run it: one server with replicas, a primary that Sentinel names, a cluster that is resharded."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import redis

from app.ledger.clients import connect
from app.ledger.connection import Connection
from app.ledger.embedded import valkey_binary
from app.ledger.errors import StoreUnavailable
from app.ledger.names import bucket_of_card
from mappers.base import Holds
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD

Start = Callable[..., int]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a server with these options and returns its port."""
    processes = []

    def run(*options: str, mode: tuple[str, ...] = (), name: str = "") -> int:
        port = free_port()
        folder = tmp_path / f"{name}{port}"
        folder.mkdir()
        arguments = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *options]
        process = subprocess.Popen([str(valkey_binary()), *mode, *arguments], stdout=subprocess.DEVNULL)
        processes.append(process)
        eventually(lambda: ping(port))
        return port

    yield run
    for process in processes:
        process.kill()
        process.wait()


DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--repl-diskless-sync-delay", "0")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never came to be"
        time.sleep(0.02)


def ping(port: int) -> bool:
    try:
        with redis.Redis(port=port, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def command(port: int, *words: object) -> str:
    with redis.Redis(port=port, decode_responses=True, socket_timeout=5) as client:
        return str(client.execute_command(*words))


def pay(house: House, order: str) -> str:
    transaction = house.authorize("10.00", order)
    house.settle(transaction, "6.00", f"{order}-s")
    house.cancel(transaction, "4.00", f"{order}-c")
    return transaction


def replication(port: int) -> dict[str, object]:
    with redis.Redis(port=port, decode_responses=True, socket_timeout=5) as client:
        return dict(client.info("replication"))


def replicate(primary: int, replica: int) -> None:
    eventually(lambda: replication(replica).get("master_link_status") == "up")
    eventually(lambda: "state=online" in str(replication(primary).get("slave0")).replace("': '", "="))


def test_a_change_counts_once_a_replica_has_it(start: Start, make_house: MakeHouse) -> None:
    primary = start(*DURABLE)
    replica = start("--replicaof", "127.0.0.1", str(primary))
    replicate(primary, replica)
    address = f"redis://127.0.0.1:{primary}"
    connection = Connection.to(address, timeout_seconds=2, connections=8, replicas=1)
    house = make_house(Holds.LEDGER, connection=connection)
    transaction = house.authorize("10.00")
    with redis.Redis(port=replica, decode_responses=True) as client:
        assert client.exists(*client.keys(f"*:tx:{transaction}")) == 1


def test_without_its_replica_nothing_is_sent_to_the_backend(start: Start, make_house: MakeHouse) -> None:
    primary = start(*DURABLE)
    connection = Connection.to(f"redis://127.0.0.1:{primary}", timeout_seconds=1, connections=8, replicas=1)
    house = make_house(Holds.NATIVE, connection=connection)
    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        house.authorize("10.00")
    assert house.backend.calls == []


@pytest.mark.long
def test_after_a_failover_led_by_sentinel_every_order_goes_on(
    start: Start, make_house: MakeHouse, tmp_path: Path
) -> None:
    primary = start(*DURABLE)
    replica = start(*DURABLE, "--replicaof", "127.0.0.1", str(primary))
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(f"sentinel monitor giftbridge 127.0.0.1 {primary} 1\n")
    sentinel = start("--sentinel", mode=(str(configuration),), name="sentinel")
    replicate(primary, replica)
    eventually(lambda: str(replica) in command(sentinel, "SENTINEL", "REPLICAS", "giftbridge"))
    address = f"redis+sentinel://127.0.0.1:{sentinel}/giftbridge"
    connection = Connection.to(address, timeout_seconds=2, connections=8, replicas=1)
    house = make_house(Holds.LEDGER, connection=connection)
    transaction = house.authorize("10.00")

    eventually(lambda: failed_over(sentinel, replica))
    eventually(lambda: replication(primary)["role"] == "slave")
    replicate(replica, primary)

    house.settle(transaction, "10.00")
    assert house.settlements(transaction) == [Decimal("10.00")]
    assert house.backend.effects.total() == 1


def failed_over(sentinel: int, replica: int) -> bool:
    """Ask for the failover until it has happened: Sentinel refuses while it has not looked around yet."""
    if str(replica) in command(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "giftbridge"):
        return True
    try:
        command(sentinel, "SENTINEL", "FAILOVER", "giftbridge")
    except redis.ResponseError:
        return False
    return False


@pytest.fixture
def cluster(start: Start) -> list[int]:
    """Three primaries, ports in the order of their slots."""
    buses = [free_port() for _ in range(3)]
    options = (*DURABLE, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    ports = [start(*options, "--cluster-port", str(bus)) for bus in buses]
    for port, bus in zip(ports[1:], buses[1:], strict=True):
        command(ports[0], "CLUSTER", "MEET", "127.0.0.1", port, bus)
    for port, first, last in zip(ports, (0, 5461, 10923), (5460, 10922, 16383), strict=True):
        command(port, "CLUSTER", "ADDSLOTSRANGE", first, last)
    for port in ports:
        eventually(lambda port=port: "cluster_state:ok" in command(port, "CLUSTER", "INFO"))
        eventually(lambda port=port: "cluster_known_nodes:3" in command(port, "CLUSTER", "INFO"))
    return ports


def test_orders_are_paid_on_a_cluster(cluster: list[int], make_house: MakeHouse) -> None:
    address = f"redis+cluster://127.0.0.1:{cluster[0]}"
    house = make_house(Holds.LEDGER, connection=Connection.to(address, timeout_seconds=2, connections=8))
    transactions = [pay(house, f"order-{number}") for number in range(5)]
    assert [house.settlements(transaction) for transaction in transactions] == [[Decimal("6.00")]] * 5
    assert house.connection.complaints() == []
    assert house.sweep() == {"forgotten": 5}


def test_a_slot_that_moves_between_two_calls_is_followed(cluster: list[int], make_house: MakeHouse) -> None:
    address = f"redis+cluster://127.0.0.1:{cluster[0]}"
    house = make_house(Holds.LEDGER, connection=Connection.to(address, timeout_seconds=2, connections=8))
    transaction = house.authorize("10.00")
    move_slot(cluster, f"gb:{{b{bucket_of_card(house.provider.id, CARD):03d}}}:due")
    house.settle(transaction, "10.00")
    assert house.settlements(transaction) == [Decimal("10.00")]
    assert house.backend.effects.total() == 1


def move_slot(ports: list[int], key: str) -> None:
    """Move the slot of `key` to another node, as a reshard does."""
    slot = int(command(ports[0], "CLUSTER", "KEYSLOT", key))
    owner = next(port for port in ports if owns(port, slot))
    target = next(port for port in ports if port != owner)
    owner_id, target_id = (command(port, "CLUSTER", "MYID") for port in (owner, target))
    command(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", owner_id)
    command(owner, "CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    with redis.Redis(port=owner, decode_responses=True) as client:
        names = client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)
        client.execute_command("MIGRATE", "127.0.0.1", target, "", 0, 5000, "KEYS", *names)
    for port in (target, owner, *ports):
        command(port, "CLUSTER", "SETSLOT", slot, "NODE", target_id)


def owns(port: int, slot: int) -> bool:
    with redis.Redis(port=port) as client:
        try:
            client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1)
            client.get(key_in_slot(client, slot))
        except redis.ResponseError:
            return False
        return True


def key_in_slot(client: redis.Redis, slot: int) -> str:
    return next(
        f"{{b{b:03d}}}" for b in range(128) if client.execute_command("CLUSTER", "KEYSLOT", f"{{b{b:03d}}}") == slot
    )


@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:26379", "redis+sentinel://127.0.0.1:26379/"])
def test_an_address_without_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="name of the service"):
        connect(url, timeout_seconds=1, connections=1)
