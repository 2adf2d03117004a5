"""Redis's clock, watched: by a clock that may be wrong nothing is given back to shoppers, and nothing deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from mappers.deadline import steady_seconds

log = structlog.get_logger()

# Clocks that are kept by NTP differ by less than a second. Wrong ones differ by an hour or more, that of a time zone.
TOLERANCE = timedelta(minutes=5)

# A clock that jumped and then goes on evenly was set right, if nobody who was told has set it back for so long.
BELIEVED_AFTER = timedelta(days=1)

CONSEQUENCE = "nothing is expired, abandoned or forgotten"
REMEDY = "keep both clocks by NTP, and restart giftbridge where the time is right now"


@dataclass(frozen=True, slots=True)
class Reading:
    """Redis's time in milliseconds and, where it may be wrong, why."""

    now: int
    doubt: str | None


class Clock(Protocol):
    """What tells Redis's time."""

    def now_milliseconds(self) -> int: ...


class ClockWatch:
    """Compares Redis's clock with this machine's, and with one that is never set.

    Where Redis runs on this machine a wrong clock shows only by the moment in which it jumped.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        machine: Callable[[], float] = time.time,
        steady: Callable[[], float] = steady_seconds,
    ) -> None:
        self._clock = clock
        self._machine = machine
        self._steady = steady
        # How far Redis's clock is ahead of the steady one, as far as it is believed; and since when it is elsewhere.
        self._believed: timedelta | None = None
        self._jumped: tuple[timedelta, float] | None = None
        self._doubt: str | None = None

    def look(self) -> Reading:
        """Return Redis's time. Raises LedgerUnavailable."""
        now = self._clock.now_milliseconds()
        doubt = self._disagreement(timedelta(milliseconds=now))
        if doubt and not self._doubt:
            log.error(CONSEQUENCE, reason=doubt, remedy=REMEDY)
        elif self._doubt and not doubt:
            log.warning("the clocks agree again")
        self._doubt = doubt
        return Reading(now, doubt)

    def _disagreement(self, now: timedelta) -> str | None:
        steady = self._steady()
        jumped = self._jump(now - timedelta(seconds=steady), steady)
        ahead = now - timedelta(seconds=self._machine())
        if abs(ahead) > TOLERANCE:
            return f"Redis's clock is {_span(ahead)} this machine's"
        if abs(jumped) > TOLERANCE:
            return f"Redis's clock jumped, and is {_span(jumped)} what it was"
        return None

    def _jump(self, offset: timedelta, steady: float) -> timedelta:
        """Return how far Redis's clock is from where it should be by now. A slow drift is no jump."""
        if self._believed is None or abs(offset - self._believed) <= TOLERANCE:
            self._believed, self._jumped = offset, None
        elif self._jumped is None or abs(offset - self._jumped[0]) > TOLERANCE:
            self._jumped = offset, steady
        elif steady - self._jumped[1] >= BELIEVED_AFTER.total_seconds():
            self._believed, self._jumped = offset, None
        return offset - self._believed


def _span(ahead: timedelta) -> str:
    return f"{timedelta(seconds=round(abs(ahead).total_seconds()))} {'ahead of' if ahead > timedelta() else 'behind'}"
