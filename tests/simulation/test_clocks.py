"""The simulator has its own time: whatever it runs reads no clock but the scheduler's."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType

import pytest

from mappers.deadline import Deadline, steady_seconds
from tests.simulation.clocks import Reading, clocks, readings
from tests.simulation.kinds import KINDS
from tests.simulation.scheduler import START
from tests.simulation.system import build_system

# Clocks that are bound when their module is loaded, and why no schedule reads them.
ELSEWHERE = {
    "app.admin.migration": "nothing is migrated",
    "app.admin.reconciliation.pace": "a reconciliation here has no rate",
    "app.ledger.clock": "it is given the scheduler's",
    "app.ledger.executor": "it is given the scheduler's",
    "app.ledger.refusals": "it remembers nothing here",
    "app.ledger.searches": "it is given the scheduler's",
    "providers.certify.session": "nothing is certified",
    "providers.hub.client": "VTEX's API is not called",
    "providers.watch": "the providers come from no file",
}


def test_every_clock_of_what_is_simulated_can_be_replaced() -> None:
    bound = {module for module, found in clocks().items() if any(not reading.name for reading in found)}
    assert bound == set(ELSEWHERE)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import time\ndef f():\n    return time.time()", "time"),
        ("import time\ndef f():\n    return time.monotonic_ns()", "time"),
        ("import time\nclass A:\n    def f(self):\n        time.sleep(1)", "time"),
        ("from datetime import datetime\ndef f():\n    return datetime.now(UTC)", "datetime"),
        ("from datetime import date\nf = lambda: date.today()", "date"),
        ("def f(now=lambda: datetime.now(UTC)):\n    pass", "datetime"),
        ("def f(clock=time.monotonic):\n    pass", ""),
        ("class A:\n    at: float = field(default_factory=time.monotonic)", ""),
        ("BEGAN = datetime.now(UTC)", ""),
        ("def f():\n    return datetime.datetime.utcnow()", ""),
        ("from time import monotonic", ""),
        ("import time as clock", ""),
        ("from datetime import datetime as moment", ""),
    ],
)
def test_a_clock_that_somebody_adds_is_found(text: str, name: str) -> None:
    (reading,) = readings(text)
    assert reading.name == name


def test_what_reads_no_clock_is_not_told_of() -> None:
    text = "from datetime import datetime\ndef f(time):\n    return datetime.fromtimestamp(time, UTC), record.date"
    assert readings(text) == []
    assert readings("import time\ndef f():\n    time.time()\n") == [Reading(3, "time.time", "time")]


def loaded() -> Iterator[ModuleType]:
    for module, found in clocks().items():
        if module in sys.modules and any(reading.name == "datetime" for reading in found):
            yield sys.modules[module]


def test_the_simulated_code_is_told_the_time_of_the_scheduler(redis_url: str) -> None:
    with build_system(KINDS["voucherify"], redis_url) as system:
        now = system.scheduler.now
        assert now == START
        assert Deadline.after(1).at * 1000 == now + 1000
        assert steady_seconds() * 1000 == now
        assert {"app.ledger.reservations", "mappers.voucherify.mapper"} <= {module.__name__ for module in loaded()}
        for module in loaded():
            read = vars(module)["datetime"]
            assert read.now(UTC) == datetime.fromtimestamp(now / 1000, UTC), module
            assert isinstance(datetime.now(UTC), read)
        assert time.time() * 1000 > now
