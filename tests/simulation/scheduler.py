"""The scheduler decides about time and every interleaving: actors run one at a time, in the order of a seed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import ClassVar

# Virtual milliseconds; any moment will do.
START = 1_700_000_000_000

# A schedule that is not over after this many moves never will be.
MAXIMUM_MOVES = 500_000

Body = Callable[[], None]


class Crashed(BaseException):
    """The actor's process died here: it never resumes. No handler of the code under test catches it."""


class Actor:
    """One that acts: a worker with a request, a sweeper, VTEX, a shopper. Runs in a thread when it is its turn."""

    def __init__(self, name: str, body: Body, *, may_crash: bool) -> None:
        self.name = name
        self.body = body
        self.may_crash = may_crash  # may crash and stall
        self.ticket = 0  # only the newest wake-up counts
        self.idle = False  # sleeps only until there may be something to do
        self.thread: _Thread | None = None


class _Thread:
    """A thread that runs one actor after the other, and moves only while it holds its gate."""

    idle: ClassVar[list[_Thread]] = []

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.job: Callable[[], _Thread] | None = None
        threading.Thread(target=self._loop, name="simulated", daemon=True).start()

    def _loop(self) -> None:
        while True:
            self.gate.acquire()
            assert self.job is not None
            self.job().gate.release()

    @classmethod
    def take(cls) -> _Thread:
        return cls.idle.pop() if cls.idle else cls()


class _Main:
    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()


class Scheduler:
    """Discrete events in virtual time, drawn from one seed. `trace` is who did what when."""

    def __init__(self) -> None:
        self._main = _Main()
        self.tracing = False
        self.reset(0)

    def reset(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now = START
        self.current: Actor | None = None
        self.trace: list[tuple[int, str, str]] = []
        self.failures: list[BaseException] = []
        self.moves = 0
        self.active = 0  # actors that the schedule lasts for
        self._heap: list[tuple[int, int, int, Actor | None, int, Body | None]] = []
        self._number = 0

    # What actors do.

    def note(self, *parts: object) -> None:
        if self.tracing:
            self.trace.append((self.now, self.current.name if self.current else "-", " ".join(map(str, parts))))

    def sleep(self, milliseconds: int, *, idle: bool = False) -> None:
        """Let virtual time pass for the current actor; whoever is next runs meanwhile.

        One that is `idle` does not keep the schedule going.
        """
        me = self.current
        if me is None:  # the harness itself, when nobody is left
            self.now += milliseconds
            return
        me.idle = idle
        self._push(milliseconds, me)
        self._switch(me)

    def wake(self, actor: Actor, milliseconds: int) -> None:
        """Wake a sleeping actor earlier than it asked for."""
        self._push(milliseconds, actor)

    def at(self, milliseconds: int, action: Body) -> None:
        """Let something happen later, whoever has crashed by then."""
        self._number += 1
        heappush(self._heap, (self.now + milliseconds, self.rng.getrandbits(16), self._number, None, 0, action))

    def spawn(
        self, name: str, body: Body, milliseconds: int = 0, *, may_crash: bool = True, counts: bool = True
    ) -> Actor:
        """Start an actor. The schedule lasts until the last one that counts is over."""
        actor = Actor(name, body, may_crash=may_crash)
        if counts:
            self.active += 1
            actor.body = lambda: self._live(body)
        self._push(milliseconds, actor)
        return actor

    def next_move(self) -> int | None:
        """Return the moment of the next move that is known, but for those of the idle."""
        awake = (
            entry[0] for entry in self._heap if entry[3] is None or (not entry[3].idle and entry[3].ticket == entry[4])
        )
        return min(awake, default=None)

    def run(self) -> None:
        """Run until nobody has anything left to do."""
        target = self._next()
        if target is not self._main:
            target.gate.release()
            self._main.gate.acquire()

    # Inside.

    def _live(self, body: Body) -> None:
        try:
            body()
        finally:
            self.active -= 1

    def _push(self, milliseconds: int, actor: Actor) -> None:
        actor.ticket += 1
        self._number += 1
        entry = (self.now + milliseconds, self.rng.getrandbits(16), self._number, actor, actor.ticket, None)
        heappush(self._heap, entry)

    def _switch(self, me: Actor) -> None:
        target = self._next()
        if target is not me.thread:
            target.gate.release()
            assert me.thread is not None
            me.thread.gate.acquire()
        if self.moves > MAXIMUM_MOVES:
            raise Crashed

    def _next(self) -> _Thread | _Main:
        """Return the thread whose turn it is, after everything that needs none has happened."""
        while self._heap:
            moment, _, _, actor, ticket, action = heappop(self._heap)
            if self.active or actor is None or not actor.idle:
                self.now = max(self.now, moment)
            self.moves += 1
            self.current = actor
            if action is not None:
                self._do(action)
            elif actor is not None and ticket == actor.ticket:
                if actor.thread is None:
                    self._begin(actor)
                assert actor.thread is not None
                return actor.thread
        self.current = None
        return self._main

    def _do(self, action: Body) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever it is, the schedule reports it
            self.failures.append(error)

    def _begin(self, actor: Actor) -> None:
        thread = actor.thread = _Thread.take()

        def job() -> _Thread | _Main:
            try:
                if self.moves <= MAXIMUM_MOVES:
                    actor.body()
            except Crashed:
                self.note("crashed")
            except BaseException as error:  # noqa: BLE001 - whatever it is, the schedule reports it
                self.failures.append(error)
            actor.ticket += 1
            _Thread.idle.append(thread)
            return self._next()

        thread.job = job  # type: ignore[assignment]
