"""The fault injector: what goes wrong in one schedule, and how often, drawn from its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TypeVar

T = TypeVar("T")

LEASE_SECONDS = 30
HUB_TIMEOUT_MS = 15_000
MONEY_DEADLINE_SECONDS = 10

# The stated bounds: what was sent has arrived, and shows in reads, before the lease of its attempt is over. An attempt
# sends in the first half of its lease.
READ_LAG_MS = 2_000
LATEST_ARRIVAL_MS = LEASE_SECONDS * 1000 // 2 - READ_LAG_MS

LONGEST_STALL_MS = 2 * 60 * 60 * 1000


class RedisFault(StrEnum):
    """What may happen to one command to Redis."""

    NONE = "no fault"
    DOWN = "Redis is down"
    LOST = "Redis did it, its answer is lost"


class BackendFault(StrEnum):
    """What may happen to one call to the backend."""

    NONE = "no fault"
    # Of a new connection.
    REFUSED = "connection refused"
    UNREACHABLE = "connecting has no end"
    NO_HANDSHAKE = "reset in the handshake"
    # Of what is sent.
    UNWRITTEN = "sending fails, nothing arrives"
    WRITTEN = "sending fails, all arrives"
    LOST_BEFORE = "hung up before the effect"
    LOST_AFTER = "hung up after the effect"
    LATE = "late, after the timeout"
    LOST_LATE = "hung up, and late"
    # Of the answer.
    CUT_HEAD = "cut short in its head"
    CUT_BODY = "cut short in its body"
    SILENT_BODY = "its body never comes whole"
    ERROR_BEFORE = "500 before the effect"
    ERROR_AFTER = "500 after the effect"
    # What a gateway answers.
    LIMITED = "turned away for its rate"
    GATEWAY_BEFORE = "given up by a gateway before the effect"
    GATEWAY_AFTER = "given up by a gateway after the effect"
    GATEWAY_LATE = "given up by a gateway, and late"
    JUNK_BEFORE = "200 with a page before the effect"
    JUNK_AFTER = "200 with a page after the effect"
    NOT_HERE = "a gateway's 404"


UNCONNECTED = (BackendFault.REFUSED, BackendFault.UNREACHABLE, BackendFault.NO_HANDSHAKE)
SENDING_FAILS = (BackendFault.UNWRITTEN, BackendFault.WRITTEN)
HANGS_UP = (BackendFault.LOST_BEFORE, BackendFault.LOST_AFTER, BackendFault.LOST_LATE)
CUT_SHORT = (BackendFault.CUT_HEAD, BackendFault.CUT_BODY, BackendFault.SILENT_BODY)
OWN_ERRORS = (BackendFault.ERROR_BEFORE, BackendFault.ERROR_AFTER)
GATEWAY_GIVES_UP = (BackendFault.GATEWAY_BEFORE, BackendFault.GATEWAY_AFTER, BackendFault.GATEWAY_LATE)
JUNK = (BackendFault.JUNK_BEFORE, BackendFault.JUNK_AFTER)

WITHOUT_EFFECT = (
    BackendFault.UNWRITTEN,
    BackendFault.LOST_BEFORE,
    BackendFault.ERROR_BEFORE,
    BackendFault.LIMITED,
    BackendFault.GATEWAY_BEFORE,
    BackendFault.JUNK_BEFORE,
    BackendFault.NOT_HERE,
)

# What is still under way when the caller knows that no answer comes.
UNDER_WAY = (BackendFault.WRITTEN, BackendFault.LOST_LATE, BackendFault.GATEWAY_LATE)

OF_READS = (
    BackendFault.UNWRITTEN,
    BackendFault.LOST_AFTER,
    BackendFault.LATE,
    *CUT_SHORT,
    BackendFault.ERROR_AFTER,
    BackendFault.LIMITED,
    BackendFault.GATEWAY_AFTER,
    BackendFault.JUNK_AFTER,
    BackendFault.NOT_HERE,
)


MOST_CRASHES = 500


class FaultInjector:
    """Each fault's rate in this schedule is none, rare or frequent."""

    def __init__(self, rng: Random, *, bounded: bool = True) -> None:
        """`bounded`: the backend does what it is told in time. Where it does not, processes stall a lot, too."""
        self._rng = rng
        self._latest = LATEST_ARRIVAL_MS if bounded else 4 * LEASE_SECONDS * 1000
        self._crash = self._rate(0.02, 0.08)
        self._crashes_left = MOST_CRASHES
        self._stall = self._rate(0.01, 0.05)
        self._slow = self._rate(0.1, 0.4)
        self._answer_lost = self._rate(0.1, 0.4)
        self._commands_fail = {RedisFault.DOWN: self._rate(0.02, 0.08), RedisFault.LOST: self._rate(0.02, 0.08)}
        self._connects: dict[BackendFault, float] = {fault: self._rate(0.05, 0.25) for fault in UNCONNECTED}
        of_writes = [fault for fault in BackendFault if fault not in (BackendFault.NONE, *UNCONNECTED)]
        self._writes: dict[BackendFault, float] = {fault: rng.choice((0.0,) * 6 + (0.05, 0.25)) for fault in of_writes}
        self._reads = self._rate(0.05, 0.25)
        # How long the backend keeps a connection that nobody uses, in milliseconds.
        self.keep_alive = rng.choice((0, 5_000, 60_000, LONGEST_STALL_MS))
        self.chunked = rng.random() < 0.3
        if not bounded:
            self._crash, self._stall = 0.0, 0.1
            self._connects, self._writes = {}, {BackendFault.LATE: 0.3}
        self.read_lag = rng.choice((0, 0, READ_LAG_MS))

    def _rate(self, rare: float, frequent: float) -> float:
        return self._rng.choice((0.0, 0.0, rare, frequent))

    def calm(self) -> None:
        """Let nobody crash or stall, and Redis always answer."""
        self._crash = self._stall = 0.0
        self._commands_fail = {}

    def make_trouble(self) -> None:
        """Let the answers of many writes be lost, before and after their effect, and many commands be killed."""
        self._writes |= {BackendFault.LOST_BEFORE: 0.15, BackendFault.LOST_AFTER: 0.2}
        self._crash = max(self._crash, 0.05)

    def stall_often(self) -> None:
        self._stall = 0.08

    def crashes(self) -> bool:
        """Tell whether a process dies now. Where sweepers died without end, nothing would ever be finished."""
        dies = self._happens(self._crash)
        self._crashes_left -= dies
        if not self._crashes_left:
            self._crash = 0.0
        return dies

    def stall(self) -> int:
        """Return for how long a process stalls now, in milliseconds; mostly not at all."""
        if not self._happens(self._stall):
            return 0
        return self._rng.choice((6_000, 16_000, 31_000, 61_000, LONGEST_STALL_MS)) + self._rng.randrange(5_000)

    def latency(self) -> int:
        """Return how long something takes that works, in milliseconds."""
        if self._happens(self._slow):
            return self._rng.choice((100, 300, 1_000, 4_000)) + self._rng.randrange(30)
        return self._rng.randrange(1, 30)

    def flight(self, *, late: bool) -> int:
        """Return how long after it was sent something reaches the backend, in milliseconds."""
        return self._rng.randrange(self._latest) if late else min(self.latency(), LATEST_ARRIVAL_MS)

    def lag(self) -> int:
        """Return how long the backend's reads miss what it just did, in milliseconds."""
        return self._rng.randrange(self.read_lag) if self.read_lag else 0

    def loses_the_answer(self) -> bool:
        return self._happens(self._answer_lost)

    def redis_command(self) -> RedisFault:
        return self._one_of(self._commands_fail, RedisFault.NONE)

    def connecting(self) -> BackendFault:
        return self._one_of(self._connects, BackendFault.NONE)

    def outage(self) -> int:
        """Return for how long a backend refuses that refused just now, in milliseconds."""
        return self._rng.choice((0, 300, 5_000))

    def backend_write(self) -> BackendFault:
        return self._one_of(self._writes, BackendFault.NONE)

    def backend_read(self) -> BackendFault:
        return self._rng.choice(OF_READS) if self._happens(self._reads) else BackendFault.NONE

    def pick(self, options: Sequence[T]) -> T:
        """Return one of several ways in which something goes wrong."""
        return self._rng.choice(options)

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self._rng.random() < rate

    def _one_of(self, rates: dict[T, float], otherwise: T) -> T:
        for kind, rate in rates.items():
            if self._happens(rate):
                return kind
        return otherwise


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """The one fault of a call, none by default: a crash, or what happens to a Redis command or a backend call."""

    crash_at: int = 0
    redis: RedisFault = RedisFault.NONE
    redis_at: int = 0
    backend: BackendFault = BackendFault.NONE
    read_fails: bool = False


class PlannedFaultInjector(FaultInjector):
    """Injects one planned fault and no other."""

    def __init__(self, fault: PlannedFault) -> None:
        super().__init__(Random(0))
        self._fault = fault
        self._points = self._commands = 0
        self.read_lag = 0
        self.keep_alive = 60_000

    def crashes(self) -> bool:
        self._points += 1
        return self._points == self._fault.crash_at

    def stall(self) -> int:
        return 0

    def latency(self) -> int:
        return 5

    def redis_command(self) -> RedisFault:
        self._commands += 1
        return self._fault.redis if self._commands == self._fault.redis_at else RedisFault.NONE

    def connecting(self) -> BackendFault:
        return self._backend_fault(connecting=True)

    def outage(self) -> int:
        return 300

    def backend_write(self) -> BackendFault:
        return self._backend_fault(connecting=False)

    def _backend_fault(self, *, connecting: bool) -> BackendFault:
        fault = self._fault.backend
        if (fault in UNCONNECTED) is not connecting:
            return BackendFault.NONE
        self._fault = replace(self._fault, backend=BackendFault.NONE)
        return fault

    def backend_read(self) -> BackendFault:
        fails, self._fault = self._fault.read_fails, replace(self._fault, read_fails=False)
        return BackendFault.LOST_AFTER if fails else BackendFault.NONE
