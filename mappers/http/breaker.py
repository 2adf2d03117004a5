"""Calls to a backend stop for a while when it has failed several times in a row."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mappers.deadline import steady_seconds

# A single slow answer or a restarting instance must not stop the shop; five in a row is an outage.
FAILURES_TO_OPEN = 5

# Long enough to spare a struggling backend, short enough that a shopper who tries again gets through.
OPEN_SECONDS = 5.0


class Breaker:
    """Counts failures in a row. Closed: every call goes. Open: none but one probe every `OPEN_SECONDS`.

    The lock is held for a few instructions only, never during a call, so that callers never queue here. A probe is
    whoever moves the time of the next one, so a probe that never reports back cannot leave the breaker stuck.
    """

    def __init__(self, clock: Callable[[], float] = steady_seconds) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_try_at = 0.0

    @property
    def failures(self) -> int:
        """How many calls failed in a row."""
        return self._failures

    def wait_seconds(self) -> float:
        """Return 0.0 when a call may go now, else the seconds until one may try. An open breaker's 0.0 is its probe."""
        with self._lock:
            if self._failures < FAILURES_TO_OPEN:
                return 0.0
            now = self._clock()
            if now < self._next_try_at:
                return self._next_try_at - now
            self._next_try_at = now + OPEN_SECONDS
            return 0.0

    def record(self, *, healthy: bool) -> None:
        """Take note of how a call ended. One healthy answer closes the breaker."""
        with self._lock:
            if healthy:
                self._failures = 0
                return
            self._failures += 1
            if self._failures >= FAILURES_TO_OPEN:
                self._next_try_at = self._clock() + OPEN_SECONDS
