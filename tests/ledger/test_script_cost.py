"""What a call costs Redis: round trips, commands of the scripts, bytes kept. Counted, never timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mappers.base import Holds
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System

# Commands that a test or a connection sends by itself.
NOT_COUNTED = {"info", "config|resetstat", "client|setinfo", "hello", "select", "eval", "scan", "memory|usage"}


def commands(system: System, call: Callable[[], object]) -> Counter[str]:
    """Return how often Redis ran each command during a call. A script is known to Redis from the first time on."""
    client: Any = system.connection._client
    client.config_resetstat()
    call()
    stats = client.info("commandstats")
    found = Counter({name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()})
    return Counter({name: count for name, count in found.items() if name not in NOT_COUNTED and count})


@pytest.fixture(params=[Holds.NATIVE, Holds.LEDGER])
def warm(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    """A system whose scripts Redis knows, and whose day has its totals."""
    system = make_system(request.param)
    transaction = system.authorize("1.00", "before")
    system.settle(transaction, "1.00")
    system.cancel(system.authorize("1.00", "before, too"), "1.00")
    return system


def test_an_authorization_takes_two_scripts_and_few_commands(warm: System) -> None:
    done = commands(warm, lambda: warm.authorize("2.00", "order"))
    assert done.pop("evalsha") == 2
    assert done["get"] <= 5
    assert done["set"] == 2, "the record is written once by each script"
    assert done["hget"] == 0
    assert done.total() <= 24


def test_a_settlement_takes_two_scripts_and_few_commands(warm: System) -> None:
    transaction = warm.authorize("2.00", "order")
    done = commands(warm, lambda: warm.settle(transaction, "2.00"))
    assert done.pop("evalsha") == 2
    assert done["set"] == 2
    assert done["hget"] == 0
    assert done.total() <= 24


def test_a_cancellation_takes_two_scripts_and_few_commands(warm: System) -> None:
    transaction = warm.authorize("2.00", "order")
    done = commands(warm, lambda: warm.cancel(transaction, "2.00"))
    assert done.pop("evalsha") == 2
    assert done["set"] <= 3
    assert done["hget"] == 0
    assert done.total() <= 26


def test_a_repeated_authorization_takes_one_script_that_writes_nothing(warm: System) -> None:
    warm.authorize("2.00", "order")
    done = commands(warm, lambda: warm.authorize("2.00", "order"))
    assert done == {"evalsha": 1, "time": 1, "get": 2, "hgetall": 1}


def test_a_get_takes_one_round_trip(warm: System) -> None:
    transaction = warm.authorize("2.00", "order")
    done = commands(warm, lambda: warm.ledger.transaction(warm.provider, CARD, transaction, warm.deadline()))
    assert done == {"get": 1}
