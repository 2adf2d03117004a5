"""What the ledger says when Prometheus asks: exact amounts, what waits, and how Redis is."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.admin import attention
from app.ledger.errors import LedgerError, LedgerUnavailable
from app.ledger.transaction import ActState, Operation
from app.parts import Parts
from app.server.metrics import figures
from app.server.metrics.figures import Figures
from mappers.base import ActKind, Holds, MapperError, OutcomeUnknown
from tests.ledger.driver import left_for_a_person
from tests.ledger.faults import lost_after, lost_before, refuses
from tests.ledger.system import MakeSystem, System
from tests.metrics.scraping import Scrape
from tests.stored import rewrite, stored


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Prometheus:
    """Asks a ledger again and again."""

    def __init__(self, system: System) -> None:
        self.clock = Clock()
        self._registry = CollectorRegistry()
        self._registry.register(Figures(system.parts, clock=self.clock))

    def ask(self) -> Scrape:
        return Scrape(generate_latest(self._registry).decode())

    def ask_later(self) -> Scrape:
        self.clock.now += figures.RENEWED_SECONDS
        return self.ask()


@pytest.fixture
def prometheus(system: System) -> Prometheus:
    return Prometheus(system)


def sums(system: System) -> Counter[str]:
    """Add up what was done, transaction by transaction."""
    found: Counter[str] = Counter()
    for record in map(system.record, system.everything()):
        for act in (one for one in record.acts if one.state is ActState.DONE):
            if record.operation is Operation.CREDIT:
                found["credited"] += act.amount if act.opens else 0
                found["taken_back"] += act.voided + act.refunded
            else:
                found["authorized"] += act.amount if act.opens else 0
                found["captured"] += act.amount if act.kind is ActKind.CAPTURE else 0
                found["voided"] += act.voided
                found["refunded"] += act.refunded
    return found


@pytest.mark.parametrize("holds", Holds)
def test_amounts_agree_with_the_ledger_exactly(make_system: MakeSystem, holds: Holds) -> None:
    system, chance = make_system(holds), random.Random(7)
    prometheus = Prometheus(system)
    opened: list[str] = []
    for move in range(60):
        if chance.random() < 0.3:
            system.mapper.faults = [chance.choice([lost_before, lost_after, refuses])]
        value, name = str(chance.randrange(1, 9)), f"request-{move}"
        with suppress(LedgerError, MapperError):
            match chance.randrange(4):
                case 0:
                    opened.append(system.authorize(value, name, chance.choice(["Debit", "Credit"])))
                case 1 if opened:
                    system.settle(chance.choice(opened), value, name)
                case 2 if opened:
                    system.cancel(chance.choice(opened), value, name)
        found, expected = prometheus.ask(), sums(system)
        amounts = found.of("giftbridge_moved_minor_units_total", currency="BRL", digits="2")
        assert {kind: amount for (kind, _), amount in amounts.items() if amount} == +expected
        held = found.of("giftbridge_held_minor_units", provider=system.provider.id)
        left = expected["authorized"] - expected["captured"] - expected["voided"]
        assert sum(held.values()) == left


def test_what_waits_for_a_person_is_counted_as_the_command_lists_it(system: System, prometheus: Prometheus) -> None:
    left_for_a_person(system)
    found = prometheus.ask()
    assert found.value("giftbridge_attention", kind="parked") == 1
    assert found.of("giftbridge_attention") == {
        (kind.value,): found.number for kind, found in attention.counts(system.parts).items()
    }


def test_unresolved_acts_are_counted_by_age(system: System, prometheus: Prometheus) -> None:
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    with system.cut_off(), pytest.raises(OutcomeUnknown):
        system.settle(transaction, "40.00")
    assert prometheus.ask().value("giftbridge_acts_unresolved", age="minute") == 1
    client: Any = system.connection._client
    hour = int(timedelta(minutes=50) / timedelta(milliseconds=1))
    rewrite(client, transaction, a1__date=stored(client, transaction)["a1.date"] - hour)
    found = prometheus.ask_later()
    assert found.value("giftbridge_acts_unresolved", age="minute") == 0
    assert found.value("giftbridge_acts_unresolved", age="hour") == 1
    assert found.value("giftbridge_attention", kind="unresolved") == 1
    system.lose_lease(transaction)
    system.settle(transaction, "40.00")
    assert prometheus.ask_later().value("giftbridge_acts_unresolved") == 0


def test_what_is_due_and_nobody_looks_at_shows_in_seconds(system: System, prometheus: Prometheus) -> None:
    assert prometheus.ask().value("giftbridge_due_overdue_seconds") == 0
    system.authorize("40.00")
    system.make_due()
    assert prometheus.ask().value("giftbridge_due_overdue_seconds") > 1e9  # since 1970


def test_amounts_are_read_each_time_and_what_takes_long_once_in_a_while(
    system: System, prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An amount that another process had read before would seem to have fallen: Prometheus takes it for a restart."""
    counted: list[Parts] = []

    def counts(parts: Parts) -> dict[attention.Kind, int]:
        counted.append(parts)
        return {}

    monkeypatch.setattr(attention, "counts", counts)
    for number in range(1, 4):
        system.authorize("10.00", f"order-{number}")
        assert prometheus.ask().value("giftbridge_moved_minor_units_total", kind="authorized") == 1000 * number
    assert len(counted) == 1
    prometheus.ask_later()
    assert len(counted) == 2


def test_guessed_codes_are_counted_without_the_codes(system: System, prometheus: Prometheus) -> None:
    found = prometheus.ask()
    assert found.value("giftbridge_wrong_codes", provider=system.provider.id) == 0
    assert found.value("giftbridge_wrong_codes_limit") == 2000


def test_redis_says_how_it_is(system: System, prometheus: Prometheus) -> None:
    found = prometheus.ask()
    assert found.value("giftbridge_redis_up") == 1
    assert found.value("giftbridge_redis_append_only_file_ok") == 1
    assert found.value("giftbridge_redis_complaints") == 0
    assert found.value("giftbridge_redis_memory_bytes") > 0
    assert found.value("giftbridge_redis_round_trip_seconds") > 0


def test_a_redis_that_is_full_or_keeps_no_file_shows(system: System, prometheus: Prometheus) -> None:
    client: Any = system.connection._client
    used = client.info("memory")["used_memory"]
    try:
        client.config_set("maxmemory", used * 2)
        client.config_set("appendonly", "no")
        found = prometheus.ask()
    finally:
        client.config_set("maxmemory", 0)
        client.config_set("appendonly", "yes")
    assert 0.3 < found.value("giftbridge_redis_memory_used_ratio") < 0.8
    assert found.value("giftbridge_redis_append_only_file_ok") == 0
    assert found.value("giftbridge_redis_complaints") == 1


def test_without_redis_it_says_that_and_makes_nothing_up(
    system: System, prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.authorize("40.00")
    prometheus.ask()

    def down(_command: object) -> None:
        raise LedgerUnavailable("Redis cannot be reached: try again")

    monkeypatch.setattr(system.connection, "call", down)
    found = prometheus.ask()
    assert found.value("giftbridge_redis_up") == 0
    assert {name for name, _ in found.labels()} == {"giftbridge_redis_up", "giftbridge_build_info"}
