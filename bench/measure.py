"""A measurement: the service and the bare handler in turn, several rounds, as ratios of the same round."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.cases import Case, authorize, changes
from bench.load import Load, NoLoad, Request, load, names
from bench.machine import Machine, Process


@dataclass(frozen=True, slots=True)
class Sample:
    """What one load came to: CPU in microseconds a request, latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    cpu: float
    redis_cpu: float


@dataclass(frozen=True, slots=True)
class Round:
    service: Sample
    bare: Sample


@dataclass(frozen=True, slots=True)
class Measurement:
    """All rounds of one case at one number of connections."""

    case: str
    connections: int
    latency_milliseconds: float
    rounds: tuple[Round, ...]

    def ratio(self, what: Callable[[Sample], float]) -> tuple[float, float, float]:
        """Return the least, the median and the greatest ratio, service to bare."""
        ratios = [what(one.service) / max(what(one.bare), 1e-9) for one in self.rounds]
        return min(ratios), statistics.median(ratios), max(ratios)

    def service(self, what: Callable[[Sample], float]) -> float:
        return statistics.median(what(one.service) for one in self.rounds)

    def bare(self, what: Callable[[Sample], float]) -> float:
        return statistics.median(what(one.bare) for one in self.rounds)


def measure(
    machine: Machine,
    case: Case,
    *,
    connections: int,
    latency_milliseconds: float,
    seconds: float,
    rounds: int,
    run: str,
) -> Measurement:
    """Measure one case. `run` must be another for each call: it names the requests."""
    found = []
    for number in range(rounds):
        name = f"{run}-{number}"
        request = case.request or _authorized(machine, case, name, connections, seconds)
        service = _sample(machine, machine.service, request, f"{name}-service", connections, seconds, _allowed(case))
        bare = _sample(machine, machine.bare, case.bare, f"{name}-bare", connections, seconds, 0)
        found.append(Round(service, bare))
    return Measurement(case.name, connections, latency_milliseconds, tuple(found))


def _allowed(case: Case) -> int | None:
    """Return how many errors a case may have: a denied request is one each time."""
    return None if case.name == "denied" else 0


def _authorized(machine: Machine, case: Case, name: str, connections: int, seconds: float) -> Request:
    """Authorize twice as long as is measured, so that there is enough to be settled, and return that."""
    run = f"{name}-before"
    done = load(
        machine.service.port,
        authorize(case.after),
        run,
        connections=connections,
        seconds=3 * seconds,
        folder=machine.folder,
    )
    # The last of each thread may not have been answered.
    return changes(case.after, names(run, max(2, done.requests - 4 * connections)), case.change)


def _sample(
    machine: Machine,
    process: Process,
    request: Request,
    run: str,
    connections: int,
    seconds: float,
    errors_allowed: int | None,
) -> Sample:
    before, redis_before = process.cpu_seconds(), machine.storage.cpu_seconds()
    done = load(process.port, request, run, connections=connections, seconds=seconds, folder=machine.folder)
    used, redis_used = process.cpu_seconds() - before, machine.storage.cpu_seconds() - redis_before
    if errors_allowed is not None and done.errors > errors_allowed:
        raise NoLoad(f"{run}: {done.errors} of {done.requests} requests failed")
    return _per_request(done, used, redis_used)


def _per_request(done: Load, used: float, redis_used: float) -> Sample:
    count = max(done.requests, 1)
    return Sample(done.rate, done.p50, done.p99, 1e6 * used / count, 1e6 * redis_used / count)
