"""Redis as people run it: one server with replicas, or a primary that Sentinel names."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import redis

from app.ledger.errors import LedgerUnavailable
from app.ledger.names import transaction_id
from app.ledger.storage.clients import connector
from app.ledger.storage.connection import Connection
from app.server.embedded import valkey_binary
from app.settings import InvalidSettings, Settings
from mappers.base import ActKind, Holds
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem

DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--repl-diskless-sync-delay", "0")


class Servers:
    """Starts servers under a directory, each known by its port, and kills what is left of them at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, *options: str, mode: tuple[str, ...] = ()) -> int:
        """Start a server with these options and return its port; `{bus}` in them is a second free port."""
        while True:
            port, bus = free_port(), free_port()
            folder = self._directory / f"server-{port}"
            folder.mkdir()
            arguments = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
            arguments += [option.format(bus=bus) for option in options]
            process = subprocess.Popen([str(valkey_binary()), *mode, *arguments], stdout=subprocess.DEVNULL)
            self._processes[port] = process
            eventually(partial(is_over_or_at, process, port))
            if process.poll() is None:
                return port
            # Another test took one of the ports in the meantime.

    def kill(self, port: int) -> None:
        """SIGKILL it: what it had not sent to its replicas is gone."""
        self._processes[port].kill()
        self._processes[port].wait()

    def kill_all(self) -> None:
        for port in self._processes:
            self.kill(port)


def is_over_or_at(process: subprocess.Popen[bytes], port: int) -> bool:
    return process.poll() is not None or is_at(process, port)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    servers = Servers(tmp_path)
    yield servers
    servers.kill_all()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never came to be"
        time.sleep(0.02)


def is_at(process: subprocess.Popen[bytes], port: int) -> bool:
    try:
        return information(port, "server")["process_id"] == process.pid
    except redis.ConnectionError:
        return False


def command(port: int, *words: object) -> str:
    with redis.Redis(port=port, decode_responses=True, socket_timeout=5) as client:
        return str(client.execute_command(*words))


def information(port: int, section: str) -> dict[str, object]:
    with redis.Redis(port=port, decode_responses=True, socket_timeout=5) as client:
        return dict(client.info(section))


def replicate(primary: int, replica: int) -> None:
    """Wait until the replica follows the primary's every change."""
    eventually(lambda: information(replica, "replication").get("master_link_status") == "up")
    eventually(lambda: any(f"port={replica},state=online" in row for row in replicas_of(primary)))


def replicas_of(primary: int) -> list[str]:
    found = information(primary, "replication")
    rows = [row for name, row in found.items() if name.startswith("slave") and isinstance(row, dict)]
    return [",".join(f"{key}={value}" for key, value in row.items()) for row in rows]


def watch(servers: Servers, directory: Path, primary: int, replica: int, *configuration: str) -> int:
    """Start a Sentinel over both, and return its port once it knows them."""
    file = directory / "sentinel.conf"
    lines = [f"monitor giftbridge 127.0.0.1 {primary} 1", *configuration]
    file.write_text("".join(f"sentinel {line}\n" for line in lines))
    sentinel = servers.start("--sentinel", mode=(str(file),))
    eventually(lambda: str(replica) in command(sentinel, "SENTINEL", "REPLICAS", "giftbridge"))
    return sentinel


def named_by(sentinel: int) -> str:
    """Return what Sentinel answers to who asks for the primary."""
    return command(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "giftbridge")


def test_a_change_counts_once_a_replica_has_it(servers: Servers, make_system: MakeSystem) -> None:
    primary = servers.start(*DURABLE)
    replica = servers.start("--replicaof", "127.0.0.1", str(primary))
    replicate(primary, replica)
    address = f"redis://127.0.0.1:{primary}"
    connection = Connection.to(address, timeout_seconds=2, connections=8, replicas=1)
    system = make_system(Holds.LEDGER, connection=connection)
    transaction = system.authorize("10.00")
    with redis.Redis(port=replica, decode_responses=True) as client:
        assert client.exists(*client.keys(f"*:tx:{transaction}")) == 1


def test_without_its_replica_nothing_is_sent_to_the_backend(servers: Servers, make_system: MakeSystem) -> None:
    primary = servers.start(*DURABLE)
    connection = Connection.to(f"redis://127.0.0.1:{primary}", timeout_seconds=1, connections=8, replicas=1)
    system = make_system(Holds.NATIVE, connection=connection)
    with pytest.raises(LedgerUnavailable, match="0 of 1 replicas"):
        system.authorize("10.00")
    assert system.backend.calls == []


def test_the_only_payment_of_a_card_counts_once_a_replica_has_it(servers: Servers, make_system: MakeSystem) -> None:
    """A failover that forgot it would let the card pay again."""
    primary = servers.start(*DURABLE)
    connection = Connection.to(f"redis://127.0.0.1:{primary}", timeout_seconds=1, connections=8, replicas=1)
    terms = make_system(Holds.NATIVE, connection=connection).storage.terms
    with pytest.raises(LedgerUnavailable, match="0 of 1 replicas"):
        terms.be_the_only("account", CARD, ActKind.DEBIT, transaction_id("ref", CARD, "Debit", "order-1"))


@pytest.mark.long
def test_after_a_failover_led_by_sentinel_every_order_goes_on(
    servers: Servers, make_system: MakeSystem, tmp_path: Path
) -> None:
    primary = servers.start(*DURABLE)
    replica = servers.start(*DURABLE, "--replicaof", "127.0.0.1", str(primary))
    replicate(primary, replica)
    sentinel = watch(servers, tmp_path, primary, replica)
    address = f"redis+sentinel://127.0.0.1:{sentinel}/giftbridge"
    connection = Connection.to(address, timeout_seconds=2, connections=8, replicas=1)
    system = make_system(Holds.LEDGER, connection=connection)
    transaction = system.authorize("10.00")

    eventually(lambda: failed_over(sentinel, replica))
    eventually(lambda: information(primary, "replication")["role"] == "slave")
    replicate(replica, primary)

    system.settle(transaction, "10.00")
    assert system.settlements(transaction) == [Decimal("10.00")]
    assert system.backend.effects.total() == 1


def failed_over(sentinel: int, replica: int) -> bool:
    """Ask for the failover until it has happened: Sentinel refuses while it has not looked around yet."""
    if str(replica) in named_by(sentinel):
        return True
    try:
        command(sentinel, "SENTINEL", "FAILOVER", "giftbridge")
    except redis.ResponseError:
        return False
    return False


@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:26379", "redis+sentinel://127.0.0.1:26379/"])
def test_an_address_without_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="name of the service"):
        connector(url, timeout_seconds=1, connections=1)


def test_a_sentinel_that_is_down_costs_no_time(servers: Servers, make_system: MakeSystem, tmp_path: Path) -> None:
    primary = servers.start(*DURABLE)
    replica = servers.start("--replicaof", "127.0.0.1", str(primary))
    sentinel = watch(servers, tmp_path, primary, replica)
    address = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel}/giftbridge"
    connection = Connection.to(address, timeout_seconds=2, connections=8)
    start = time.monotonic()
    assert connection.complaints() == []
    assert time.monotonic() - start < 0.5, "redis-py's own retries pause for seconds"
    connection.close()


@pytest.mark.parametrize("url", ["", "unix:///run/valkey.sock"])
def test_replicas_of_a_redis_on_this_machine_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_REDIS_URL", url)
    monkeypatch.setenv("GIFTBRIDGE_REDIS_REPLICAS", "1")
    with pytest.raises(InvalidSettings, match="GIFTBRIDGE_REDIS_REPLICAS"):
        Settings.from_environment()
