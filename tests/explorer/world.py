"""A state of the explored world, and how one actor moves in it by one operation.

An actor is the real code of one request, or of one pass of the sweeper. It depends on nothing but the answers to its
operations: commands to Redis, calls to the backend, and sleeps. So it goes on from any state by being run again from
its start with the answers it had, up to its next operation: that one is done for real, or fails, and is remembered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, TypeVar, cast
from unittest import mock

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Command, Connection
from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import Answer as BackendAnswer
from mappers.http import HttpBackend
from tests.explorer.picture import Around, BackendPicture, Form, RedisPicture, distance, form
from tests.simulation.faults import MONEY_DEADLINE_SECONDS
from tests.simulation.scheduler import Actor, Scheduler
from tests.simulation.sockets import call_of
from tests.simulation.transport import Environment, SimulatedConnection
from tests.simulation.workload import Answer

T = TypeVar("T")

MONEY_DEADLINE_MS = MONEY_DEADLINE_SECONDS * 1000


class Outcome(StrEnum):
    """What may become of one operation."""

    DONE = "done"
    NO_ANSWER = "its answer is lost"  # of a command to Redis that was done, or of a look at the backend
    REFUSED = "the connection is refused"
    LOST_BEFORE = "lost before the effect"
    LOST_AFTER = "lost after the effect"
    LATE = "lost, and under way"
    ERROR_BEFORE = "500 before the effect"
    ERROR_AFTER = "500 after the effect"
    CRASH = "its process crashes"
    CRASH_UNDER_WAY = "its process crashes, what it sent is under way"


class Kind(StrEnum):
    """What an operation is."""

    REDIS = "redis"
    READ = "read"
    WRITE = "write"
    SLEEP = "sleep"


FAULTS = {
    Kind.REDIS: (Outcome.NO_ANSWER,),
    Kind.READ: (Outcome.NO_ANSWER,),
    Kind.WRITE: (
        Outcome.REFUSED,
        Outcome.LOST_BEFORE,
        Outcome.LOST_AFTER,
        Outcome.LATE,
        Outcome.ERROR_BEFORE,
        Outcome.ERROR_AFTER,
    ),
    Kind.SLEEP: (),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What an actor is about to do; one that sleeps goes on at `wake`."""

    kind: Kind
    label: str
    wake: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that an actor had: a value or an error, and when it went on with it."""

    label: str
    at: int
    value: Any
    error: Exception | None
    form: Form

    def again(self) -> Any:
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.value


FIRST = Operation(Kind.REDIS, "begins")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an actor stands: in its request number `request`, with the answers it had so far."""

    request: int = 0
    tries: int = 0  # of this request, before this one
    began_at: int = 0
    asked: int = 0  # number of the move
    given: tuple[Given, ...] = ()
    next: Operation = FIRST
    stalls: bool = False  # time has passed, although it could have moved


@dataclass(frozen=True, slots=True)
class Message:
    """What is on its way to the backend, and arrives at the latest at `latest`."""

    label: str
    effect: Callable[[], object]
    latest: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What may still go wrong, and how often the sweeper may still look."""

    crashes: int = 0
    faults: int = 0
    stalls: int = 0
    passes: int = 1


@dataclass(frozen=True, slots=True)
class State:
    """Everything that decides what may come. `parent` and `how` tell how it came to be."""

    now: int
    moves: int
    redis: RedisPicture
    backend: BackendPicture
    places: tuple[Place, ...]  # of the workers, then of the sweeper
    under_way: tuple[Message, ...]
    answers: tuple[Answer, ...]
    budget: Budget
    parent: State | None
    how: str

    def key(self) -> bytes:
        """Return what two states have in common from which the same may follow."""
        order = self._order()
        return _digest(
            [
                *self._pictures(),
                self.budget,
                [self._stands(place, order) for place in self.places],
                # The sweeper takes a deadline for each transaction in the middle of a pass.
                [distance(given.at + MONEY_DEADLINE_MS, self.now) for given in self.places[-1].given],
                self._told(order),
                [(one.label, distance(one.latest, self.now)) for one in self.under_way],
            ]
        )

    def end_key(self) -> bytes:
        """Return what two states have in common whose ends are the same, when nobody moves but the sweeper."""
        return _digest([*self._pictures(), self._told(self._order())])

    def _order(self) -> dict[int, int]:
        """Return the rank of each move that somebody may remember: only their order matters."""
        moves = {move for one in self.answers for move in (one.asked_at, one.answered_at)}
        return {move: rank for rank, move in enumerate(sorted(moves | {place.asked for place in self.places}))}

    def _stands(self, place: Place, order: dict[int, int]) -> list[object]:
        return [
            (place.request, place.tries, place.stalls, order[place.asked], place.next.kind, place.next.label),
            distance(place.next.wake, self.now),
            distance(place.began_at + MONEY_DEADLINE_MS, self.now) if place.given else "",
            [(given.label, given.form.text, self._distances(given.form)) for given in place.given],
        ]

    def _pictures(self) -> list[object]:
        return [part for one in (self.redis.form, self.backend.form) for part in (one.text, self._distances(one))]

    def _told(self, order: dict[int, int]) -> list[object]:
        return [
            (
                (one.what, one.transaction, one.request_id, one.outcome, form((one.value, one.error)).text),
                (order[one.asked_at], order[one.answered_at]),
            )
            for one in self.answers
        ]

    def _distances(self, of: Form) -> list[int | str]:
        return [distance(moment, self.now) for moment in of.moments]

    def story(self) -> list[str]:
        """Return how this state came to be, a line for each move."""
        lines: list[str] = []
        state: State | None = self
        while state is not None:
            lines.append(state.how)
            state = state.parent
        return lines[::-1]


def _digest(parts: list[object]) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=16).digest()


class _Suspended(BaseException):
    """The actor is about to do its next operation. No handler of the code under test catches it."""


class Player:
    """Lets one actor at a time move by one operation."""

    def __init__(self, environment: Environment, *, latest_ms: int) -> None:
        """`latest_ms`: how late what was sent may arrive."""
        self._environment = environment
        self._latest_ms = latest_ms
        self._playing = False

    @property
    def _scheduler(self) -> Scheduler:
        return self._environment.scheduler

    def move(
        self,
        body: Callable[[], Answer | None],
        state: State,
        place: Place,
        outcome: Outcome,
        name: str,
        redis: Around,
    ) -> Moved:
        """Run `body`, from its start at `place`, until it is about to do the operation after its next one."""
        self._redis = redis
        self._given = list(place.given)
        self._position = 0
        self._outcome: Outcome | None = outcome
        self._now = state.now
        self._sent: list[Message] = []
        self._next = FIRST
        self._crashed = False
        self._scheduler.now = place.began_at if place.given else state.now
        self._scheduler.current = Actor(name, lambda: None, may_crash=False)
        self._playing = True
        over, answer = True, None
        try:
            answer = body()
        except _Suspended:
            over = self._crashed
        finally:
            self._playing = False
            self._scheduler.current = None
        if self._outcome is not None and not self._crashed:
            raise AssertionError(f"{name} ended before its operation {place.next}")
        return Moved(tuple(self._given), self._next, over, answer, tuple(self._sent), self._did)

    @contextmanager
    def instead_of_the_scheduler(self) -> Iterator[None]:
        """Take over the operations that the simulation gives to its scheduler."""
        player, pass_time = self, Environment.pass_time

        def call(connection: SimulatedConnection, command: Callable[[Any], T]) -> T:
            if not player._playing:
                return Connection.call(connection, command)

            def do(outcome: Outcome) -> T:
                result = Connection.call(connection, lambda _: command(player._redis))
                if outcome is Outcome.NO_ANSWER:
                    raise LedgerUnavailable(outcome)
                return result

            return player._operate(Kind.REDIS, _name_of(command), do)

        def send(
            connection: SimulatedConnection, commands: Sequence[Command], *, raise_on_error: bool = True
        ) -> list[Any]:
            # Pictures are taken around a pipeline, and the product sends without one.
            def fill(pipeline: Any) -> None:
                for command in commands:
                    pipeline.execute_command(*command)

            return connection.pipeline(fill, raise_on_error=raise_on_error)

        def call_backend(
            http: HttpBackend,
            method: str,
            path: str,
            *,
            deadline: Deadline,
            query: Mapping[str, str] | None = None,
            body: Any = None,
            moves_money: bool = False,
            **_: object,
        ) -> BackendAnswer:
            environment = player._environment
            server, _path = environment.server_at(http._base_url.partition("://")[2] + path)
            key = environment.step_keys.get(environment.actor, "") if moves_money else ""
            label, call = f"{method} {path} {key}".strip(), call_of(method, path, query or {}, body, key)

            def arrive() -> BackendAnswer:
                return server.backend.answer(call)

            def do(outcome: Outcome) -> BackendAnswer:
                if deadline.passed() or outcome in (Outcome.REFUSED, Outcome.NO_ANSWER):
                    raise BackendUnavailable(outcome)
                if outcome in (Outcome.LATE, Outcome.CRASH_UNDER_WAY):
                    player._send(label, arrive)
                elif outcome not in (Outcome.LOST_BEFORE, Outcome.ERROR_BEFORE):
                    answer = arrive()
                    failed = answer.status >= 500
                    if outcome is Outcome.DONE and not failed:
                        return answer
                    if failed and not moves_money:
                        raise BackendUnavailable("500")
                answered = outcome in (Outcome.DONE, Outcome.ERROR_BEFORE, Outcome.ERROR_AFTER)
                raise OutcomeUnknown(f"{label}: {outcome}", answered=answered)

            kind = Kind.WRITE if moves_money else Kind.READ
            return player._operate(kind, label, do) if player._playing else do(Outcome.DONE)

        def sleep(environment: Environment, milliseconds: int) -> None:
            if not player._playing:
                return pass_time(environment, milliseconds)
            return player._operate(Kind.SLEEP, str(milliseconds), lambda _: None)

        with (
            mock.patch.object(SimulatedConnection, "call", call),
            mock.patch.object(SimulatedConnection, "send", send),
            mock.patch.object(HttpBackend, "call", call_backend),
            mock.patch.object(Environment, "pass_time", sleep),
        ):
            yield

    def _send(self, label: str, effect: Callable[[], object]) -> None:
        self._sent.append(Message(label, effect, self._now + self._latest_ms))

    def _operate(self, kind: Kind, label: str, do: Callable[[Outcome], T]) -> T:
        position = self._position
        self._position += 1
        if position < len(self._given):
            given = self._given[position]
            assert given.label == label, f"{label} instead of {given.label}: it remembers something"
            self._scheduler.now = given.at
            return cast("T", given.again())
        if self._outcome is None:
            wake = self._now + int(label) if kind is Kind.SLEEP else 0
            self._next = Operation(kind, label, wake)
            raise _Suspended
        outcome, self._outcome = self._outcome, None
        self._did = f"{kind} {label}"
        self._scheduler.now = self._now
        value, error = None, None
        try:
            value = do(outcome)
        except Exception as raised:  # noqa: BLE001 - whatever it is, the actor is given it
            error = raised
        if outcome is Outcome.CRASH_UNDER_WAY:
            self._crashed = True
            raise _Suspended
        given = Given(label, self._now, value, error, form((value, error, getattr(error, "answered", ""))))
        self._given.append(given)
        return cast("T", given.again())


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a move: the answers an actor has now, what it is about to do, or that it is over."""

    given: tuple[Given, ...]
    next: Operation
    over: bool
    answer: Answer | None
    sent: tuple[Message, ...]
    did: str


def _name_of(command: Callable[..., object]) -> str:
    """Return which command to Redis this is."""
    cells = zip(command.__code__.co_freevars, command.__closure__ or (), strict=True)
    known = {name: cell.cell_contents for name, cell in cells}
    if "argument" not in known:
        return command.__qualname__.replace(".<locals>", "").replace(".<lambda>", "")
    argument = json.loads(known["argument"])
    words = [str(argument[name]) for name in ("outcome", "kind") if name in argument]
    return " ".join(["script", *words, str(argument.get("attempt", ""))]).strip()
