"""How fast backends are asked: a run that nobody waits for leaves them to the shoppers."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """At most so many questions a second, of all backends together; as many as come, where that is None."""

    def __init__(
        self,
        per_second: float | None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pause_seconds = 1 / per_second if per_second else 0.0
        self._sleep = sleep
        self._clock = clock
        self._next = clock()

    def wait(self) -> None:
        """Wait until the next question may be asked."""
        if (early := self._next - self._clock()) > 0:
            self._sleep(early)
        self._next = max(self._next, self._clock()) + self._pause_seconds
