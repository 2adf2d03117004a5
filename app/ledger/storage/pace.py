"""How late Redis's clock may be: one that is set ahead must not end the lease of an attempt that still sends."""

from __future__ import annotations

from datetime import timedelta

from app.ledger.milliseconds import milliseconds
from mappers.deadline import steady_seconds

# Clocks go on evenly, but for less than this.
UNEVEN = timedelta(seconds=2)

# An answer that took longer says too little of the moment in which Redis looked at its clock.
LONGEST_ROUND_TRIP_SECONDS = 1.0

# Set back by less, it soon reaches again whatever was dated ahead.
SET_BACK = timedelta(minutes=5)

# One that was set ahead, and not back for so long, was set right.
DOUBTED = timedelta(days=1)


class Pace:
    """Redis's clock as it was seen last, carried on by one that is never set.

    Where it is set ahead, that is believed a lease later: by then whatever was begun before is over.
    """

    def __init__(self, lease: timedelta) -> None:
        self._lease = lease
        self._believed: tuple[int, float] | None = None  # the time, and when it was asked for
        self._answered: tuple[int, float] | None = None  # the newest time, and when the answer came
        self._disbelieved_since: float | None = None
        self._set_ahead_at: float | None = None
        self.was_set_back = False  # until somebody has seen to what was dated before

    def latest(self) -> int | None:
        """Return the latest that the clock may be, in milliseconds; None where any time is believed."""
        if self._believed is None or _is_over(self._disbelieved_since, self._lease):
            return None
        now, asked_at = self._believed
        return now + int((steady_seconds() - asked_at) * 1000) + milliseconds(UNEVEN)

    @property
    def is_doubted(self) -> bool:
        """Tell whether it was set ahead lately: what was dated since may be dated wrongly."""
        return self._set_ahead_at is not None and not _is_over(self._set_ahead_at, DOUBTED)

    def saw(self, now: int, asked_at: float) -> None:
        """Note the time that Redis told when it was asked at a moment of the clock that is never set."""
        latest, answered_at = self.latest(), steady_seconds()
        if self._answered is not None:
            earliest = self._answered[0] + int((asked_at - self._answered[1]) * 1000)
            if now < earliest - milliseconds(SET_BACK):
                self.was_set_back, self._set_ahead_at = True, None
        self._answered = now, answered_at
        if latest is not None and now > latest:
            if self._disbelieved_since is None:
                self._disbelieved_since = self._set_ahead_at = answered_at
            return
        self._disbelieved_since = None
        if latest is None or answered_at - asked_at <= LONGEST_ROUND_TRIP_SECONDS:
            self._believed = now, asked_at


def _is_over(since: float | None, duration: timedelta) -> bool:
    return since is not None and steady_seconds() - since >= duration.total_seconds()
