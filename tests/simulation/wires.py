"""The wires know how actors reach Redis and the backend: each call takes its time, and may be lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import redis

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from tests.simulation.scheduler import Actor, Crashed, Scheduler
from tests.simulation.weather import Backend, Storage, Weather

T = TypeVar("T")

# How often something else may happen between what Redis does and its answer.
LONG_WAY_BACK = 0.5

CLOCK = "redis.call('TIME')"


class Surroundings:
    """One schedule's time and weather. Calls of the harness itself (no actor's turn) take no time and never fail."""

    def __init__(self, scheduler: Scheduler, *, bounded: bool = True) -> None:
        """`bounded`: whether the backend keeps the stated bounds."""
        self.scheduler = scheduler
        self.bounded = bounded
        self.weather = Weather(scheduler.rng)
        # Told the keys and the answer of each script before anybody else may move.
        self.after_script: Callable[[Sequence[str], list[Any]], None] = lambda _keys, _answer: None

    def reset(self, seed: int) -> None:
        self.scheduler.reset(seed)
        self.weather = Weather(self.scheduler.rng, bounded=self.bounded)

    @property
    def actor(self) -> Actor | None:
        return self.scheduler.current

    def pass_time(self, milliseconds: int) -> None:
        """A scheduling point: others move meanwhile; the actor may stand still for longer, or never go on."""
        actor = self.scheduler.current
        if actor is not None and actor.mortal:
            if self.weather.crashes():
                raise Crashed
            if stall := self.weather.stall():
                self.scheduler.note("stands still for", stall // 1000, "s")
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

    def __init__(self, client: redis.Redis, around: Surroundings, edit: Callable[[str], str]) -> None:
        """`edit` changes the text of the scripts."""
        super().__init__(lambda: client)
        self._around = around
        self._edit = edit

    def script(self, text: str) -> Callable[[Sequence[str], str], list[Any]]:
        assert CLOCK in text
        text = self._edit(text).replace(CLOCK, "{tonumber(ARGV[2]), tonumber(ARGV[3])}")
        digest = self._client.script_load(text)

        def run(keys: Sequence[str], argument: str) -> list[Any]:
            def command(client: redis.Redis) -> Any:
                seconds, milliseconds = divmod(self._around.scheduler.now, 1000)
                answer = client.evalsha(digest, len(keys), *keys, argument, seconds, milliseconds * 1000)
                self._around.after_script(keys, answer)
                return answer

            return cast("list[Any]", self.call(command))

        return run

    def call(self, command: Callable[[redis.Redis], T]) -> T:
        around = self._around
        if around.actor is None:
            return super().call(command)
        around.pass_time(around.weather.latency() % 200)
        fate = around.weather.storage()
        if fate is Storage.DOWN:
            around.scheduler.note(fate.value)
            raise LedgerUnavailable(fate)
        result = super().call(command)
        if fate is Storage.LOST:
            around.scheduler.note(fate)
            raise LedgerUnavailable(fate)
        around.pass_time(around.way_back(around.weather.latency() % 200))
        return result

    def now_milliseconds(self) -> int:
        return self._around.scheduler.now


class Wire:
    """The way to the backend and back."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def read(self, label: str, look: Callable[[], T], deadline: Deadline) -> T:
        """Return what `look` sees once the question has arrived. Raises BackendUnavailable."""
        around = self._around
        if around.actor is None:
            return look()
        around.pass_time(around.weather.latency())
        if deadline.passed():
            raise BackendUnavailable("no time left")
        if around.weather.read_fails():
            around.scheduler.note(label, "no answer")
            raise BackendUnavailable("no answer")
        seen = look()
        around.scheduler.note(label, seen)
        around.pass_time(around.way_back(around.weather.latency()))
        return seen

    def write(self, label: str, effect: Callable[[], T], deadline: Deadline) -> T:
        """Return (or raise) what `effect` answers; it happens at most once, whatever becomes of the caller.

        Raises BackendUnavailable before anything was sent, OutcomeUnknown when no answer comes in time.
        """
        around, weather = self._around, self._around.weather
        if around.actor is None:
            return effect()
        around.pass_time(weather.latency() % 100)
        if deadline.passed():
            raise BackendUnavailable("no time left")
        fate = weather.backend_write()
        around.scheduler.note("sends", label, fate)
        if fate is Backend.REFUSED:
            raise BackendUnavailable(fate)
        patience = int(deadline.remaining_seconds() * 1000)
        flight = weather.flight(late=fate in (Backend.LATE, Backend.LOST_LATE))
        answers: list[Callable[[], T]] = []
        if fate not in (Backend.LOST_BEFORE, Backend.ERROR_BEFORE):
            around.scheduler.at(flight, lambda: answers.append(self._land(label, effect)))
        back = around.scheduler.now + flight + weather.latency()
        hears = weather.latency() if fate is Backend.LOST_LATE else back - around.scheduler.now
        around.pass_time(min(hears, patience))
        if fate in (Backend.LOST_BEFORE, Backend.LOST_AFTER, Backend.LOST_LATE) or around.scheduler.now < back:
            raise OutcomeUnknown(f"{label}: no answer")
        if fate in (Backend.ERROR_BEFORE, Backend.ERROR_AFTER):
            raise OutcomeUnknown(f"{label}: 500", answered=True)
        return answers[0]()

    def _land(self, label: str, effect: Callable[[], T]) -> Callable[[], T]:
        try:
            result = effect()
        except Exception as error:  # noqa: BLE001 - a refusal is an answer like any other
            refusal = error
            self._around.scheduler.note(label, "arrives:", refusal)

            def refuse() -> T:
                raise refusal

            return refuse
        self._around.scheduler.note(label, "arrives:", result)
        return lambda: result


class VirtualClock:
    """Stands in for the module `time` where deadlines are kept."""

    def __init__(self, around: Surroundings) -> None:
        self.monotonic = around.monotonic
        self.clock_gettime = lambda _: around.monotonic()

    perf_counter = staticmethod(time.perf_counter)
