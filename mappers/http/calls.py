"""Each call to a backend is told to who watches: logs, metrics, traces. Never a path, a query or a body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from mappers.deadline import steady_seconds


class Outcome(StrEnum):
    """How a call ended."""

    DONE = "done"
    REFUSED = "refused"  # answered with a 4xx
    UNKNOWN = "unknown"  # it may have moved money, and nobody knows
    UNAVAILABLE = "unavailable"  # it certainly moved none; also where it was not sent at all


@dataclass(slots=True)
class CallOut:
    """One call to a backend, its repeats included. All but `status` and `failure` are set, those where there is one.

    `backend` is the name it has in messages, `operation` a short constant word. `headers` go with the call: who watches
    may add some before it is sent.
    """

    backend: str
    operation: str
    method: str
    moves_money: bool
    started: float = field(default_factory=steady_seconds)
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    failure: str | None = None
    outcome: Outcome = Outcome.UNAVAILABLE
    seconds: float = 0.0


# The `failure` of a call that was not made, since others had failed in a row.
BREAKER_OPEN = "breaker open"

Watcher = Callable[[CallOut], None]

_before: list[Watcher] = []
_after: list[Watcher] = []


def watch(*, before: Watcher | None = None, after: Watcher | None = None) -> None:
    """Have every call of this process told before it is made, and after it; once, however often a watcher is added.

    A watcher runs in the thread that calls, and must not raise.
    """
    for watchers, added in ((_before, before), (_after, after)):
        if added is not None and added not in watchers:
            watchers.append(added)


def unwatch(*watchers: Watcher) -> None:
    """Tell them no more."""
    for told in (_before, _after):
        told[:] = [watcher for watcher in told if watcher not in watchers]


def begun(call: CallOut) -> CallOut:
    """Tell that a call begins."""
    for watcher in _before:
        watcher(call)
    return call


def ended(call: CallOut) -> None:
    """Tell that a call is over."""
    call.seconds = steady_seconds() - call.started
    for watcher in _after:
        watcher(call)
