"""What the ledger says at the moment it is asked: amounts, what waits, and how Redis is.

Amounts are read each time, since one that another process had read before would seem to have fallen. What takes long is
read at most every so often, and counted up to a bound.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from app.admin import attention
from app.admin.reconciliation import results
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.guesses import GuessStorage
from app.ledger.storage.totals import Kind
from app.ledger.transaction import ActState
from app.parts import Parts
from app.server.metrics import catalog
from app.server.metrics.catalog import Metric

# What takes long is as old as this at most.
RENEWED_SECONDS = 30.0

# An unresolved act is looked at again within this, a lease or the pause after a failure.
LOOKED_AT_WITHIN = timedelta(hours=2)
COUNTED = 1000
LOADED_AT_A_TIME = 100

# Up to which age an act counts as so old; older ones are the last.
AGES = {
    "minute": timedelta(minutes=1),
    "15 minutes": timedelta(minutes=15),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
OLDER = "older"

Values = dict[tuple[str, ...], float]


class Figures(Collector):
    """Reads the ledger when Prometheus asks. Where Redis is down it says so, and no more."""

    def __init__(self, parts: Parts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._clock = clock
        self._reading = threading.Lock()
        self._renew_at = 0.0
        self._slow: Mapping[Metric, Values] = {}

    def collect(self) -> Iterator[Family]:
        found: dict[Metric, Values] = {catalog.BUILD: {(version("giftbridge"),): 1}}
        try:
            found |= {**self._quick(), **self._renewed()}
            found[catalog.REDIS_UP] = {(): 1}
        except LedgerUnavailable:
            found[catalog.REDIS_UP] = {(): 0}
        for metric, values in found.items():
            yield _family(metric, values)

    def _quick(self) -> dict[Metric, Values]:
        parts = self._parts
        started = time.perf_counter()
        parts.connection.now_milliseconds()
        round_trip = time.perf_counter() - started
        health = parts.connection.health()
        moved: Values = {}
        held: Values = {}
        for series, total in parts.totals.of_all_time().items():
            labels = series.provider_id, series.code, str(series.digits)
            held[labels] = total.held
            moved |= {(*labels, kind.value): total.amounts[kind] for kind in Kind}
        return {
            catalog.MOVED: moved,
            catalog.HELD: held,
            catalog.OVERDUE: {(): parts.index.overdue().total_seconds()},
            catalog.LEDGER_DOUBTS: {(): len(parts.history.doubts())},
            catalog.CLOCK_DOUBTED: {(): parts.clock.look().doubt is not None},
            catalog.REDIS_ROUND_TRIP: {(): round_trip},
            catalog.REDIS_MEMORY: {(): health.memory_bytes},
            catalog.REDIS_MEMORY_SHARE: {(): health.memory_share},
            catalog.REDIS_FILE: {(): health.file_is_written},
            catalog.REDIS_COMPLAINTS: {(): health.complaints},
        }

    def _renewed(self) -> Mapping[Metric, Values]:
        """Return what takes long, read anew when it is time; whoever comes meanwhile gets what was read before."""
        if self._clock() >= self._renew_at and self._reading.acquire(blocking=False):
            try:
                self._slow = self._read()
                self._renew_at = self._clock() + RENEWED_SECONDS
            finally:
                self._reading.release()
        return self._slow

    def _read(self) -> dict[Metric, Values]:
        parts = self._parts
        guesses = GuessStorage(parts.connection)
        missed = {provider.id: guesses.missed(provider.id) for provider in parts.registry.all()}
        last = results.last(parts.documents)
        return {
            catalog.ATTENTION: {(kind.value,): found.number for kind, found in attention.counts(parts).items()},
            catalog.UNRESOLVED: _unresolved(parts),
            catalog.GUESSES: {(name,): found.codes for name, found in missed.items()},
            catalog.GUESSES_REFUSED: {(name,): found.refused for name, found in missed.items()},
            catalog.GUESSES_LIMIT: {(): parts.settings.code_misses_per_provider},
            catalog.RECONCILED: {(one.provider,): one.finished.timestamp() for one in last},
            catalog.RECONCILIATION_FAILED: {(one.provider,): one.error is not None for one in last},
            catalog.DIFFERENCES: {
                (one.provider, kind): count for one in last for kind, count in one.differences.items()
            },
        }


def _unresolved(parts: Parts) -> Values:
    """Count what is unresolved by provider and age, with a 0 for each age of a provider that has any."""
    now = parts.connection.now_milliseconds()
    ids = parts.index.unresolved_within(LOOKED_AT_WITHIN)[0][:COUNTED]
    counts: Counter[tuple[str, ...]] = Counter()
    for start in range(0, len(ids), LOADED_AT_A_TIME):
        for record in parts.storage.load_many(ids[start : start + LOADED_AT_A_TIME]):
            act = record.unresolved_act
            if act is not None and act.state is not ActState.PARKED:
                age = timedelta(milliseconds=now - act.date)
                counts[record.provider_id, next((name for name, most in AGES.items() if age <= most), OLDER)] += 1
    return {(provider.id, age): counts[provider.id, age] for provider in parts.registry.all() for age in (*AGES, OLDER)}


def _family(metric: Metric, values: Values) -> Family:
    if metric.kind is catalog.Kind.COUNTER:
        counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in values.items():
            counter.add_metric(labels, value)
        return counter
    gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        gauge.add_metric(labels, value)
    return gauge
