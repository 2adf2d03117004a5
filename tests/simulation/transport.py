"""The environment of a schedule, and the simulated way to Redis: each command takes its time, and may be lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar, cast

import redis

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection, Server
from tests.simulation.faults import FaultInjector, RedisFault
from tests.simulation.scheduler import START, Actor, Crashed, Scheduler

if TYPE_CHECKING:
    from tests.simulation.sockets import SimulatedServer

T = TypeVar("T")

# How often something else may happen between what Redis does and its answer.
LONG_WAY_BACK = 0.5

# How long a client waits for Redis.
REDIS_TIMEOUT_MS = 300

CLOCK = "redis.call('TIME')"


class Environment:
    """One schedule's time and faults. Calls of the harness itself (no actor's turn) take no time and never fail."""

    def __init__(self, scheduler: Scheduler, *, bounded: bool = True) -> None:
        """`bounded`: whether the backend keeps the stated bounds."""
        self.scheduler = scheduler
        self.bounded = bounded
        self.faults = FaultInjector(scheduler.rng)
        self.redis_latency_ms = 0  # at most
        self.redis_ahead_ms = 0  # by how much its clock is ahead
        self.took_over = False  # it was a replica of the one before
        self.history_began = START
        self.history = 0  # of Redis: another number is another server, or one that began anew
        # Gets the keys and the answer of each script before anybody else may move.
        self.after_script: Callable[[Sequence[str], list[Any]], None] = lambda _keys, _answer: None
        self._forget_backends()

    def _forget_backends(self) -> None:
        self.servers: dict[str, SimulatedServer] = {}  # by the base URL without its scheme
        self.down_until: dict[str, int] = {}  # hosts that refuse connections
        self.step_keys: dict[Actor | None, str] = {}  # of the step that each actor ran last

    def server_at(self, address: str) -> tuple[SimulatedServer, str]:
        """Return the server at an address (a URL without its scheme), and the path below its own."""
        base = max((base for base in self.servers if address.startswith(f"{base}/")), key=len)
        return self.servers[base], address.removeprefix(base)

    def reset(self, seed: int) -> None:
        self.scheduler.reset(seed)
        self._forget_backends()
        self.took_over, self.history_began = False, START
        self.history = self.redis_ahead_ms = self.redis_latency_ms = 0
        self.faults = FaultInjector(self.scheduler.rng, bounded=self.bounded)

    @property
    def actor(self) -> Actor | None:
        return self.scheduler.current

    def pass_time(self, milliseconds: int) -> None:
        """A scheduling point: others move meanwhile; the actor may stall, or crash and never go on."""
        actor = self.scheduler.current
        if actor is not None and actor.may_crash:
            if self.faults.crashes():
                raise Crashed
            if stall := self.faults.stall():
                self.scheduler.note("stalls for", stall // 1000, "s")
                milliseconds += stall
        if milliseconds:
            self.scheduler.sleep(milliseconds)

    def way_back(self, milliseconds: int) -> int:
        """Return how long an answer takes: mostly nothing happens meanwhile."""
        return milliseconds if self.scheduler.rng.random() < LONG_WAY_BACK else 0

    def sleep(self, seconds: float) -> None:
        self.pass_time(int(seconds * 1000) + 1)

    def monotonic(self) -> float:
        return self.scheduler.now / 1000


class SimulatedConnection(Connection):
    """A connection to a real Redis, with the time of the scheduler for its own."""

    def __init__(self, client: redis.Redis, environment: Environment, edit: Callable[[str], str]) -> None:
        """`edit` changes the text of the scripts."""
        super().__init__(lambda: client)
        self._environment = environment
        self._edit = edit

    def script(self, text: str, name: str = "script", *, replicated: bool = True) -> Callable[..., list[Any]]:
        is_told_the_time = CLOCK in text
        text = self._edit(text).replace(CLOCK, "{tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])}")
        digest = self._client.script_load(text)

        def run(keys: Sequence[str], *arguments: str | bytes) -> list[Any]:
            def command(client: redis.Redis) -> Any:
                if not is_told_the_time:
                    return client.evalsha(digest, len(keys), *keys, *arguments)
                seconds, milliseconds = divmod(self.now_milliseconds(), 1000)
                answer = client.evalsha(digest, len(keys), *keys, *arguments, seconds, milliseconds * 1000)
                self._environment.after_script(keys, answer)
                return answer

            return cast("list[Any]", self.call(command))

        return run

    def call(self, command: Callable[[redis.Redis], T], name: str = "commands") -> T:
        environment = self._environment
        if environment.actor is None:
            return super().call(command, name)
        environment.pass_time(environment.faults.latency() % 200)
        fault = environment.faults.redis_command()
        if fault is RedisFault.DOWN:
            environment.scheduler.note(fault.value)
            raise LedgerUnavailable(fault)
        if environment.redis_latency_ms:
            self._wait(command)
        result = super().call(command)
        if fault is RedisFault.LOST:
            environment.scheduler.note(fault)
            raise LedgerUnavailable(fault)
        environment.pass_time(environment.way_back(environment.faults.latency() % 200))
        return result

    @property
    def sockets_opened(self) -> int:
        return self._environment.history

    def servers(self) -> list[Server]:
        """Return the one server: it has another history after it lost something."""
        environment = self._environment
        uptime = environment.scheduler.now - environment.history_began
        earlier = f"history-{environment.history - 1}" if environment.took_over else ""
        return [Server(f"history-{environment.history}", earlier, uptime)]

    def _wait(self, command: Callable[[redis.Redis], T]) -> None:
        """Wait for a slow Redis. A client that gives up does not keep it from doing what it was told."""
        environment = self._environment
        latency = environment.scheduler.rng.randrange(environment.redis_latency_ms)
        if latency > REDIS_TIMEOUT_MS:
            environment.scheduler.note("Redis does not answer in time")
            environment.scheduler.at(latency, lambda: self._do(command))
            environment.pass_time(REDIS_TIMEOUT_MS)
            raise LedgerUnavailable("no answer in time")
        environment.pass_time(latency)

    def _do(self, command: Callable[[redis.Redis], object]) -> None:
        command(self._client)

    def now_milliseconds(self) -> int:
        return self._environment.scheduler.now + self._environment.redis_ahead_ms


class VirtualClock:
    """Replaces the module `time`."""

    def __init__(self, environment: Environment) -> None:
        self.monotonic = self.time = environment.monotonic
        self.clock_gettime = lambda _: environment.monotonic()
        self.sleep = environment.sleep

    perf_counter = staticmethod(time.perf_counter)


class _Virtual(type):
    """What is no virtual moment or day is one all the same: only the class that tells the time is another one."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__bases__[0])


def virtual_datetime(environment: Environment) -> type[datetime]:
    """Return what replaces the class `datetime`."""

    class VirtualDatetime(datetime, metaclass=_Virtual):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(environment.monotonic(), tz or UTC)

    return VirtualDatetime


def virtual_date(environment: Environment) -> type[date]:
    """Return what replaces the class `date`."""

    class VirtualDate(date, metaclass=_Virtual):
        @classmethod
        def today(cls) -> date:  # type: ignore[override]
            return datetime.fromtimestamp(environment.monotonic(), UTC).date()

    return VirtualDate
