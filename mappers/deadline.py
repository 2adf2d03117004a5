"""How much time a call has left. Everything done for one request shares one deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass

# It goes on while the machine is suspended, where the system has such a clock: who wakes up must know how late it is.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_seconds() -> float:
    """Return the time of a clock that is never set."""
    return time.clock_gettime(CLOCK)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a clock that is never set back."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(steady_seconds() + seconds)

    def remaining_seconds(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self.at - steady_seconds())

    def passed(self) -> bool:
        return self.remaining_seconds() <= 0

    def sooner(self, seconds: float) -> Deadline:
        """Return the earlier of this deadline and `seconds` from now."""
        return min(self, Deadline.after(seconds), key=lambda deadline: deadline.at)
