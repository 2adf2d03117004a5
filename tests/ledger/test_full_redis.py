"""A Redis without room: nothing is sent, nothing is lost, and once it has room everything goes on by itself."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from app.server.embedded import EmbeddedRedis
from mappers.base import Verb
from tests.ledger.driver import runs
from tests.ledger.system import MakeSystem


def test_a_full_memory_refuses_before_anything_is_sent_and_recovers(make_system: MakeSystem, tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as embedded:
        system = make_system(connection=Connection.to(embedded.url, timeout_seconds=2, connections=8))
        client = system.connection._client
        first = system.authorize("40.00")
        client.config_set("maxmemory", 1)
        with pytest.raises(LedgerUnavailable):
            system.authorize("5.00", "order-2")
        with pytest.raises(LedgerUnavailable):
            system.settle(first, "40.00")
        assert runs(system) == [Verb.HOLD]
        client.config_set("maxmemory", 0)
        system.settle(first, "40.00")
        system.authorize("5.00", "order-2")
        assert runs(system) == [Verb.HOLD, Verb.CAPTURE, Verb.HOLD]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_a_full_disk_loses_nothing_that_was_acknowledged_and_recovers(make_system: MakeSystem, tmp_path: Path) -> None:
    """The disk is full for the running Redis alone: its file may not grow any further."""
    with EmbeddedRedis(tmp_path) as embedded:
        system = make_system(connection=Connection.to(embedded.url, timeout_seconds=2, connections=8))
        acknowledged = [system.authorize("1.00", f"order-{number}") for number in range(5)]
        size = max(path.stat().st_size for path in tmp_path.rglob("*.aof"))
        assert embedded.pid is not None
        resource.prlimit(embedded.pid, resource.RLIMIT_FSIZE, (size + 100, size + 100))
        with pytest.raises(LedgerUnavailable):
            system.authorize("1.00", "order-too-much")
        assert runs(system) == [Verb.HOLD] * 5
        assert embedded._process is not None
        embedded._process.wait(10)  # it ends itself, in its own time
        assert embedded.ensure_alive()
        assert [system.record(name).id for name in acknowledged] == acknowledged
        system.authorize("1.00", "order-too-much")
        assert runs(system) == [Verb.HOLD] * 6
        assert system.backend.spendable == 10_000 - 600
