"""What a process counts while it works. Under several workers each writes to a file of its own in one folder."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, multiprocess

from app.ledger.watch import Watch
from app.server.metrics import FOLDER, catalog
from app.server.metrics.catalog import Metric
from mappers.http import calls
from mappers.http.calls import BREAKER_OPEN, CallOut, Outcome
from providers.provider import Backend
from providers.registry import Registry
from providers.watch import ProvidersFile

ANSWERED = (Outcome.DONE, Outcome.REFUSED)

# Several processes have no such times, so that one has none either.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Meters(Watch):
    """The meters of one process. Its methods are told what happens; each costs a few microseconds."""

    def __init__(self, *, threads_for_a_backend: int) -> None:
        # With a folder the files are read when somebody asks; without one it is this process only.
        self._registry = None if os.environ.get(FOLDER) else CollectorRegistry()
        self._calls_in = self._histogram(catalog.CALLS_IN)
        self._calls_out = self._histogram(catalog.CALLS_OUT)
        self._breakers_open = self._gauge(catalog.BREAKERS_OPEN, "livesum")
        self._open: set[tuple[str, str]] = set()
        self._threads_busy = self._gauge(catalog.THREADS_BUSY, "livesum")
        self._threads_refused = self._counter(catalog.THREADS_REFUSED)
        self._last_pass = self._gauge(catalog.SWEEPER_PASS, "max")
        self._swept = self._counter(catalog.SWEPT)
        self._file_read = self._counter(catalog.FILE_READ)
        self._file_counts = self._gauge(catalog.FILE_COUNTS, "livemin")
        self._file_counts.set(1)
        self._gauge(catalog.WORKERS, "livesum").set(1)
        self._gauge(catalog.THREADS_SHARE, "livesum").set(threads_for_a_backend)
        # Looking up the child of some labels costs more than counting: each is kept.
        self._call_in = cache(self._calls_in.labels)
        self._call_out = cache(self._calls_out.labels)
        self._busy = cache(self._threads_busy.labels)

    def registry(self) -> CollectorRegistry:
        """Return what has the figures of all processes, to be asked once."""
        if self._registry is not None:
            return self._registry
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry

    def watch(self, app: Flask, registry: Registry) -> None:
        """Measure every call that `app` answers and those to backends, and note how the providers file is read."""
        calls.watch(after=self.call_out)
        if isinstance(registry, ProvidersFile):
            registry.tell(self.providers_file_read)

        @app.before_request
        def start() -> None:
            g.metered_from = time.perf_counter()

        @app.after_request
        def finish(response: Response) -> Response:
            seconds = time.perf_counter() - g.get("metered_from", time.perf_counter())
            provider = g.get("provider")  # only of one that there is, and whose credentials were right
            route = (request.endpoint or "none").rpartition(".")[2]
            self._call_in(provider.id if provider else "", route, str(response.status_code)).observe(seconds)
            return response

    # Calls out.

    def call_out(self, call: CallOut) -> None:
        """Measure a call to a backend."""
        provider, _, mapper = call.backend.partition(" ")
        where = provider, mapper.strip("()"), call.operation
        self._call_out(*where, call.outcome.value).observe(call.seconds)
        key = call.backend, call.operation
        if call.failure == BREAKER_OPEN:
            self._open.add(key)
            self._breakers_open.labels(*where).set(1)
        elif key in self._open and call.outcome in ANSWERED:
            self._open.discard(key)
            self._breakers_open.labels(*where).set(0)

    def thread_begins(self, backend: Backend) -> None:
        self._busy(backend.mapper, backend.account).inc()

    def thread_ends(self, backend: Backend) -> None:
        self._busy(backend.mapper, backend.account).dec()

    def thread_refused(self, backend: Backend) -> None:
        self._threads_refused.labels(backend.mapper, backend.account).inc()

    # The sweeper, and the providers file.

    def pass_began(self) -> None:
        self._last_pass.set_to_current_time()

    def turn_ended(self, counts: Mapping[str, int]) -> None:
        for outcome, count in counts.items():
            self._swept.labels(outcome).inc(count)

    def providers_file_read(self, counts: bool) -> None:
        self._file_read.labels("read" if counts else "refused").inc()
        self._file_counts.set(counts)

    # Inside.

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self._registry)

    def _gauge(self, metric: Metric, mode: Any) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self._registry, multiprocess_mode=mode)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.help, metric.labels, registry=self._registry, buckets=catalog.BUCKETS)


def forget_process(pid: int) -> None:
    """Let what is true only while a process lives go with it."""
    if os.environ.get(FOLDER):
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
